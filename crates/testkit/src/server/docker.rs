//! A server as a container, through `testcontainers`.
//!
//! The image is one that the machine has or that the engine can pull; it is never built here. The port is chosen here
//! and not by the engine, because an engine gives a restarted container another one.

use std::{env, path::Path, time::Duration};

use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError,
    bollard::{
        models::{HostConfig, PortBinding},
        query_parameters::KillContainerOptions,
    },
    core::{ContainerPort, WaitFor, client::docker_client_instance},
    runners::AsyncRunner,
};

use super::{Kind, ServerError, local::free_port, ping::wait_until_ready};

/// The longest that a test's container lives. A container whose test process was killed cannot be removed by it, so
/// the server inside runs under a timer. A quarter of an hour is far more than any test takes.
pub const MAX_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Where servers listen inside their container.
const PORT: u16 = 6379;
/// What every server in a container is told: to be reachable from outside it, and to keep nothing on a disk.
pub(super) const FIXED_ARGUMENTS: [&str; 8] = [
    "--bind",
    "*",
    "--protected-mode",
    "no",
    "--save",
    "",
    "--appendonly",
    "no",
];
/// From the start of the container to the answer to `PING`.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(30);
/// Another process may take the free port before the engine binds it.
const ATTEMPTS: u32 = 3;

/// A container and where to reach it.
#[derive(Debug)]
pub(super) struct Container {
    kind: Kind,
    container: ContainerAsync<GenericImage>,
    host: String,
    port: u16,
}

impl Container {
    pub(super) async fn start(
        kind: Kind,
        image: &str,
        arguments: &[&str],
    ) -> Result<Self, ServerError> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(kind, image, arguments).await {
                Ok(container) => return Ok(container),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("at least one attempt was made"))
    }

    async fn attempt(kind: Kind, image: &str, arguments: &[&str]) -> Result<Self, ServerError> {
        let container = request(kind, image, arguments, free_port()?)
            .start()
            .await?;
        let host = host_of(&container).await?;
        let port = container.get_host_port_ipv4(PORT).await?;
        let this = Self {
            kind,
            container,
            host,
            port,
        };
        this.wait().await?;
        Ok(this)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The engine's `stop` sends SIGTERM first, so that a crash needs its `kill`.
    pub(super) async fn kill(&self) -> Result<(), ServerError> {
        let docker = docker_client_instance()
            .await
            .map_err(TestcontainersError::from)?;
        let options = KillContainerOptions {
            signal: "SIGKILL".to_owned(),
        };
        let killed = docker
            .kill_container(self.container.id(), Some(options))
            .await;
        killed.map_err(|error| ServerError::Docker(TestcontainersError::other(error)))
    }

    pub(super) async fn stop(&self) -> Result<(), ServerError> {
        Ok(self.container.stop_with_timeout(Some(5)).await?)
    }

    pub(super) async fn pause(&self) -> Result<(), ServerError> {
        Ok(self.container.pause().await?)
    }

    pub(super) async fn resume(&self) -> Result<(), ServerError> {
        Ok(self.container.unpause().await?)
    }

    pub(super) async fn restart(&mut self) -> Result<(), ServerError> {
        if self.container.is_running().await? {
            self.kill().await?;
        }
        self.container.start().await?;
        self.wait().await
    }

    async fn wait(&self) -> Result<(), ServerError> {
        if wait_until_ready(&self.host, self.port, READY_LIMIT).await {
            return Ok(());
        }
        let log = self.container.stdout_to_vec().await.unwrap_or_default();
        Err(ServerError::NotReady {
            kind: self.kind,
            log: String::from_utf8_lossy(&log).into_owned(),
        })
    }
}

/// Where the engine's published ports are reached.
pub(super) async fn host_of(
    container: &ContainerAsync<GenericImage>,
) -> Result<String, ServerError> {
    let host = container.get_host().await?.to_string();
    // The name may resolve to an IPv6 address first, on which nothing listens.
    Ok(match host.as_str() {
        "localhost" => "127.0.0.1".to_owned(),
        _ => host,
    })
}

fn request(
    kind: Kind,
    image: &str,
    arguments: &[&str],
    port: u16,
) -> ContainerRequest<GenericImage> {
    let (name, tag) = split_image(image);
    GenericImage::new(name, tag)
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
        .with_cmd(command(kind, arguments))
        .with_mapped_port(port, ContainerPort::Tcp(PORT))
        .with_label("cachekit.run", run_label())
        .with_host_config_modifier(move |config| publish(config, &[(PORT, port)]))
}

pub(super) fn split_image(image: &str) -> (&str, &str) {
    image.rsplit_once(':').unwrap_or((image, "latest"))
}

/// By this the run sweeps away the containers of tests that were killed.
pub(super) fn run_label() -> String {
    env::var("CACHEKIT_TEST_RUN").unwrap_or_else(|_| "none".to_owned())
}

/// `timeout` is in every image that has a shell; it passes SIGTERM on.
fn command(kind: Kind, arguments: &[&str]) -> Vec<String> {
    let lifetime = MAX_LIFETIME.as_secs().to_string();
    let start = ["timeout", &lifetime, kind.program()];
    start
        .into_iter()
        .chain(FIXED_ARGUMENTS)
        .chain(arguments.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// Publishes ports, given as inside and outside. A test server has no password: where the engine is on this machine,
/// nobody else may reach it.
pub(super) fn publish(config: &mut HostConfig, ports: &[(u16, u16)]) {
    if !engine_is_here() {
        return;
    }
    let binding = |&(inside, outside): &(u16, u16)| {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(outside.to_string()),
        };
        (format!("{inside}/tcp"), Some(vec![binding]))
    };
    config.port_bindings = Some(ports.iter().map(binding).collect());
}

/// Whether the loopback interface of the engine is ours: a local socket, and not seen from inside a container.
fn engine_is_here() -> bool {
    let local = env::var("DOCKER_HOST").map_or(true, |host| host.starts_with("unix:"));
    local && !Path::new("/.dockerenv").exists()
}
