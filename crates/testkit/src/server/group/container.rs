//! A group's servers in one container.
//!
//! The container itself only sleeps; each server is started in it by a command, at first as after its end.

use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt,
    core::{ContainerPort, ExecCommand},
    runners::AsyncRunner,
};

use super::{File, member::Member};
use crate::server::{
    Kind, ServerError,
    docker::{
        FIXED_ARGUMENTS, MAX_LIFETIME, READY_LIMIT, host_of, publish, run_label, split_image,
    },
    ping::wait_until_ready,
};

/// Every script's first argument is the server's folder.
const WRITE: &str = r#"mkdir -p "$1" && printf %s "$3" > "$1/$2""#;
/// Starts the server that the further arguments name.
const START: &str = r#"mkdir -p "$1" && cd "$1" && shift && exec "$@""#;
/// Sends the named signal.
const SIGNAL: &str = r#"kill -s "$2" "$(cat "$1/pid")""#;
/// Ends what may still run, and waits until it is gone: the container's first process collects it at once.
const END: &str = r#"pid=$(cat "$1/pid") || exit 0
kill -s KILL "$pid" || exit 0
while kill -0 "$pid"; do sleep 0.02; done"#;

/// A container and the servers in it.
#[derive(Debug)]
pub(super) struct GroupContainer {
    kind: Kind,
    container: ContainerAsync<GenericImage>,
    host: String,
    launched: Vec<Launched>,
}

#[derive(Debug)]
struct Launched {
    member: Member,
    folder: String,
    arguments: Vec<String>,
}

impl GroupContainer {
    pub(super) async fn start(kind: Kind, image: &str, ports: &[u16]) -> Result<Self, ServerError> {
        let container = request(image, ports).start().await?;
        let host = host_of(&container).await?;
        Ok(Self {
            kind,
            container,
            host,
            launched: Vec::new(),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) async fn launch(
        &mut self,
        member: Member,
        arguments: Vec<String>,
        files: &[File],
    ) -> Result<(), ServerError> {
        let server = Launched {
            folder: format!("/tmp/{}", member.port),
            member,
            arguments,
        };
        for file in files {
            self.run(WRITE, &[&server.folder, file.name, &file.text])
                .await?;
        }
        self.begin(&server).await?;
        self.launched.push(server);
        Ok(())
    }

    pub(super) async fn signal(&self, index: usize, name: &str) -> Result<(), ServerError> {
        self.run(SIGNAL, &[&self.launched[index].folder, name])
            .await
    }

    pub(super) async fn restart(&self, index: usize) -> Result<(), ServerError> {
        let server = &self.launched[index];
        self.run(END, &[&server.folder]).await?;
        self.begin(server).await
    }

    async fn begin(&self, server: &Launched) -> Result<(), ServerError> {
        let port = server.member.port.to_string();
        let pid = format!("{}/pid", server.folder);
        let mut command = vec![server.folder.as_str(), self.kind.program()];
        command.extend(FIXED_ARGUMENTS);
        command.extend(["--port", &port, "--daemonize", "yes"]);
        command.extend(["--pidfile", &pid, "--logfile", "log"]);
        command.extend(server.arguments.iter().map(String::as_str));
        self.run(START, &command).await?;
        if wait_until_ready(&self.host, server.member.port, READY_LIMIT).await {
            return Ok(());
        }
        Err(ServerError::NotReady {
            kind: self.kind,
            log: format!("nothing answers at {}", server.member.address()),
        })
    }

    /// Runs a script until it ends; what it says is the reason if it fails.
    async fn run(&self, script: &str, arguments: &[&str]) -> Result<(), ServerError> {
        // The status comes as text: asking the engine for it is a future that cannot move between threads.
        let script = format!("exec 2>&1\n({script})\necho \"status $?\"");
        let command = ["sh", "-c", &script, "sh"];
        let command = command.iter().chain(arguments);
        let command: Vec<&str> = command.copied().collect();
        let mut running = self.container.exec(ExecCommand::new(command)).await?;
        let said = running.stdout_to_vec().await?;
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        if said.ends_with("status 0") {
            return Ok(());
        }
        Err(ServerError::NotReady {
            kind: self.kind,
            log: said,
        })
    }
}

/// A container that ends by itself, like every one of a test. Its first process stays a shell, which collects the
/// children that the servers leave; a shell that ends with its last command would be replaced by it.
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
        .with_host_config_modifier(move |config| {
            // It is never started again, so that nothing needs it once its time is over.
            config.auto_remove = Some(true);
            publish(config, &pairs);
        })
}
