//! A server as a process of this machine: loopback only, a free port, files in a folder of its own.
//!
//! The process hangs on a small shell that ends it when its standard input closes, which the operating system does
//! whatever becomes of the test: a killed test leaves no server behind. (A parent-death signal would need `unsafe`, and
//! exists on Linux alone.)

use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
};

use super::{Kind, ServerError, group::File, ping::wait_until_ready};

/// The shell that holds the server. It prints the server's process id and ends when the server ends. A watcher beside it
/// waits for the end of the input, then ends the server and removes its folder, which comes as the first argument;
/// from there on the end of the server does not end the watcher. (Background commands of a shell read from nothing,
/// hence descriptor 3.)
const HOLDER: &str = r#"
exec 3<&0
folder=$1
shift
"$@" </dev/null 3<&- >server.log 2>&1 &
server=$!
{
  cat <&3 >/dev/null
  trap '' TERM
  kill -KILL "$server"
  while kill -0 "$server"; do sleep 0.02; done
  rm -rf "$folder"
} 2>/dev/null &
watcher=$!
echo "$server"
wait "$server"
kill "$watcher"
"#;
/// A local server answers within a tenth of a second; a loaded machine is given far more.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// Another process may take the free port before the server binds it.
const ATTEMPTS: u32 = 3;
/// How much of the log an error quotes.
const LOG_TAIL: usize = 400;

/// A server process, its port and its folder.
#[derive(Debug)]
pub(super) struct Process {
    kind: Kind,
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    running: Running,
    folder: Folder,
}

#[derive(Debug)]
struct Running {
    pid: u32,
    holder: Child,
    /// The server lives as long as this stays open.
    _lifeline: ChildStdin,
}

impl Process {
    pub(super) async fn start(
        kind: Kind,
        program: &Path,
        arguments: &[&str],
    ) -> Result<Self, ServerError> {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            match Self::start_at(kind, program, arguments.clone(), free_port()?, &[]).await {
                Ok(process) => return Ok(process),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("at least one attempt was made"))
    }

    /// Starts a server on this port, with these files in its folder.
    pub(super) async fn start_at(
        kind: Kind,
        program: &Path,
        arguments: Vec<String>,
        port: u16,
        files: &[File],
    ) -> Result<Self, ServerError> {
        let folder = Folder::create()?;
        for file in files {
            fs::write(folder.0.join(file.name), &file.text)
                .map_err(ServerError::io("writing a file for a server"))?;
        }
        let running = launch(kind, program, &arguments, port, &folder.0).await?;
        Ok(Self {
            kind,
            program: program.to_owned(),
            arguments,
            port,
            running,
            folder,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid
    }

    /// Sends a signal by name through `kill`, because the standard library can only send SIGKILL.
    pub(super) async fn signal(&self, name: &str) -> Result<(), ServerError> {
        let pid = self.running.pid.to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .stderr(Stdio::null())
            .status()
            .await;
        let status = status.map_err(ServerError::io("sending a signal"))?;
        if status.success() {
            return Ok(());
        }
        Err(ServerError::NotReady {
            kind: self.kind,
            log: tail(&self.folder.0),
        })
    }

    pub(super) async fn restart(&mut self) -> Result<(), ServerError> {
        // It may have ended already, which is the usual case.
        let _ = self.signal("KILL").await;
        // Its watcher must not take the folder away from the server that is about to start.
        let _ = self.running.holder.wait().await;
        wait_until_free(self.port).await;
        self.running = launch(
            self.kind,
            &self.program,
            &self.arguments,
            self.port,
            &self.folder.0,
        )
        .await?;
        Ok(())
    }
}

async fn launch(
    kind: Kind,
    program: &Path,
    arguments: &[String],
    port: u16,
    folder: &Path,
) -> Result<Running, ServerError> {
    let mut holder = Command::new("sh")
        .args(["-c", HOLDER, "sh"])
        .arg(folder)
        .arg(program)
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .args(["--protected-mode", "no", "--daemonize", "no"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(ServerError::io("starting a server process"))?;
    // Taken out, because waiting for a child closes the input that it still holds.
    let lifeline = holder.stdin.take().expect("standard input is piped");
    let stdout = holder.stdout.take().expect("standard output is piped");
    let line = BufReader::new(stdout).lines().next_line().await;
    let line = line
        .map_err(ServerError::io("reading the server's process id"))?
        .unwrap_or_default();
    let ready = tokio::select! {
        ready = wait_until_ready("127.0.0.1", port, READY_LIMIT) => ready,
        // The server has ended, so that waiting on is pointless.
        _ = holder.wait() => false,
    };
    match line.trim().parse() {
        Ok(pid) if ready => Ok(Running {
            pid,
            holder,
            _lifeline: lifeline,
        }),
        _ => Err(ServerError::NotReady {
            kind,
            log: tail(folder),
        }),
    }
}

/// A killed server's port is free again when the kernel has taken the process down.
async fn wait_until_free(port: u16) {
    for _ in 0..200 {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port that nobody listens on at this moment.
pub(super) fn free_port() -> Result<u16, ServerError> {
    Ok(free_ports(1)?[0])
}

/// Different ports that nobody listens on at this moment.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>, ServerError> {
    // Held until all are known, lest one is found twice.
    let listeners: io::Result<Vec<TcpListener>> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect();
    let ports = listeners.and_then(|listeners| {
        let ports = listeners.iter().map(TcpListener::local_addr);
        ports.map(|address| Ok(address?.port())).collect()
    });
    ports.map_err(ServerError::io("looking for a free port"))
}

fn tail(folder: &Path) -> String {
    let log = fs::read(folder.join("server.log")).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..])
        .trim()
        .to_owned()
}

/// A folder for the server's files, removed with the server.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, ServerError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "cachekit-server-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).map_err(ServerError::io("creating a folder for a server"))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover folder of a few bytes is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
