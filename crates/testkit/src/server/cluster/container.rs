//! The nodes of a cluster in one container.
//!
//! The container itself only sleeps; each node is started in it by a command, at first as after its end.

use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    core::{ContainerPort, ExecCommand},
    runners::AsyncRunner,
};

use super::{member::Member, nodes::node_arguments};
use crate::server::{
    Kind, ServerError,
    docker::{
        FIXED_ARGUMENTS, MAX_LIFETIME, READY_LIMIT, host_of, publish, run_label, split_image,
    },
    local::free_ports,
    ping::wait_until_ready,
};

/// The first of the ports on which the nodes talk among themselves, below those that the system hands out.
const FIRST_BUS_PORT: u16 = 17_001;
/// Starts the server that the arguments name, in the folder named by the first one.
const START: &str = r#"mkdir -p "/tmp/$0" && cd "/tmp/$0" && exec "$@""#;
/// Sends the signal `$1`. Ended processes are gone at once, because the container's first process collects them.
const SIGNAL: &str = r#"kill -s "$1" "$(cat "/tmp/$0/pid")""#;
/// Ends what may still run, and waits until its port is free.
const END: &str = r#"pid=$(cat "/tmp/$0/pid") || exit 0
kill -s KILL "$pid" || exit 0
while kill -0 "$pid"; do sleep 0.02; done"#;

/// A container and the nodes in it.
#[derive(Debug)]
pub(super) struct NodeContainer {
    kind: Kind,
    container: ContainerAsync<GenericImage>,
    members: Vec<Member>,
    arguments: Vec<String>,
}

impl NodeContainer {
    pub(super) async fn start(
        kind: Kind,
        image: &str,
        count: usize,
        arguments: &[&str],
    ) -> Result<Self, ServerError> {
        let ports = free_ports(count)?;
        let container = request(image, &ports).start().await?;
        let host = host_of(&container).await?;
        let member = |(port, bus)| Member {
            host: host.clone(),
            port,
            bus,
        };
        let this = Self {
            kind,
            container,
            members: ports
                .into_iter()
                .zip(FIRST_BUS_PORT..)
                .map(member)
                .collect(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        };
        for node in 0..count {
            this.launch(node).await?;
        }
        Ok(this)
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) async fn signal(&self, node: usize, name: &str) -> Result<(), ServerError> {
        self.run(node, SIGNAL, &[name.to_owned()]).await
    }

    pub(super) async fn restart(&self, node: usize) -> Result<(), ServerError> {
        self.run(node, END, &[]).await?;
        self.launch(node).await
    }

    async fn launch(&self, node: usize) -> Result<(), ServerError> {
        let member = &self.members[node];
        let port = member.port.to_string();
        let own = ["--port", &port, "--daemonize", "yes", "--logfile", "log"];
        let mut command = vec![self.kind.program().to_owned()];
        command.extend(FIXED_ARGUMENTS.map(str::to_owned));
        command.extend(own.map(str::to_owned));
        command.extend(["--pidfile".to_owned(), format!("/tmp/{port}/pid")]);
        command.extend(node_arguments(&member.host, member.bus, &self.arguments));
        self.run(node, START, &command).await?;
        if wait_until_ready(&member.host, member.port, READY_LIMIT).await {
            return Ok(());
        }
        Err(ServerError::NotReady {
            kind: self.kind,
            log: format!("a node did not answer at {}", member.address()),
        })
    }

    /// Runs a script for a node, whose port is the script's `$0`, until it ends; what it says is the reason if it fails.
    async fn run(
        &self,
        node: usize,
        script: &str,
        arguments: &[String],
    ) -> Result<(), ServerError> {
        let port = self.members[node].port.to_string();
        let script = format!("exec 2>&1\n{script}");
        let command = ["sh", "-c", &script, &port].map(str::to_owned);
        let command = command.into_iter().chain(arguments.iter().cloned());
        let mut running = self.container.exec(ExecCommand::new(command)).await?;
        let said = running.stdout_to_vec().await?;
        match running.exit_code().await? {
            Some(0) => Ok(()),
            _ => Err(ServerError::NotReady {
                kind: self.kind,
                log: String::from_utf8_lossy(&said).into_owned(),
            }),
        }
    }
}

/// A container that ends by itself, like every one of a test. Its first process stays a shell, which collects the
/// children that the nodes leave; `exec` would put `sleep` in its place.
fn request(image: &str, ports: &[u16]) -> ContainerRequest<GenericImage> {
    let (name, tag) = split_image(image);
    let nap = format!("sleep {}; :", MAX_LIFETIME.as_secs());
    let request = GenericImage::new(name, tag).with_cmd(["sh", "-c", &nap]);
    let pairs: Vec<(u16, u16)> = ports.iter().map(|&port| (port, port)).collect();
    let request = ports.iter().fold(request, |request, &port| {
        request.with_mapped_port(port, ContainerPort::Tcp(port))
    });
    request
        .with_label("cachekit.run", run_label())
        .with_host_config_modifier(move |config| publish(config, &pairs))
}
