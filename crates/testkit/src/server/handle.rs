//! The handle of a server that one test owns.
//!
//! It hides whether the server is a container or a process; what each can do differently lives in their own modules.

use super::{Choice, Kind, ServerError, Source, docker::Container, local::Process, log::note_use};

/// A running server of the test's own, without persistence, that ends when the value is dropped.
///
/// It listens on the loopback interface where the engine is on this machine. A `restart` keeps the port.
///
/// # Examples
/// ```no_run
/// use cachekit_testkit::server::{Kind, Server};
///
/// # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
/// let Some(mut server) = Server::start(Kind::Redis8).await? else { return Ok(()) };
/// server.kill().await?;
/// server.restart().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Container(Box<Container>),
    Process(Box<Process>),
}

impl Server {
    /// Starts a server of `kind`; `None`, and one line on standard error, where the machine has none.
    ///
    /// # Errors
    /// [`ServerError::Required`] where the run requires it; any other where it was found and does not start.
    ///
    /// # Cancel safety
    /// Dropping the future ends what was already started.
    pub async fn start(kind: Kind) -> Result<Option<Self>, ServerError> {
        Self::start_with(kind, &[]).await
    }

    /// Starts a server with further arguments, such as `["--requirepass", "secret", "--maxmemory", "8mb"]`. They come
    /// last and so win over the defaults (`--save "" --appendonly no --protected-mode no`).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_with(kind: Kind, arguments: &[&str]) -> Result<Option<Self>, ServerError> {
        let choice = Choice::of_process().await;
        let Some(source) = choice.present(kind.into())? else {
            return Ok(None);
        };
        let backend = match source {
            Source::Docker(image) => {
                Backend::Container(Box::new(Container::start(kind, image, arguments).await?))
            }
            Source::Local(program) => {
                Backend::Process(Box::new(Process::start(kind, program, arguments).await?))
            }
            // Sorted out before.
            Source::Absent(_) => return Ok(None),
        };
        note_use(kind.into());
        Ok(Some(Self { kind, backend }))
    }

    /// What was asked for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The host to connect to; an address where the engine is on this machine.
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.backend {
            Backend::Container(container) => container.host(),
            Backend::Process(_) => "127.0.0.1",
        }
    }

    /// The TCP port, the same for the life of the value.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.backend {
            Backend::Container(container) => container.port(),
            Backend::Process(process) => process.port(),
        }
    }

    /// `redis://127.0.0.1:PORT/`, without credentials even where the arguments set a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}:{}/", self.host(), self.port())
    }

    /// The process id of a local server; `None` for a container.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &self.backend {
            Backend::Container(_) => None,
            Backend::Process(process) => Some(process.pid()),
        }
    }

    /// Ends the server as a crash would: SIGKILL, no farewell to clients.
    ///
    /// # Errors
    /// Where the server has already ended, or the engine fails.
    pub async fn kill(&self) -> Result<(), ServerError> {
        match &self.backend {
            Backend::Container(container) => container.kill().await,
            Backend::Process(process) => process.signal("KILL").await,
        }
    }

    /// Ends the server in good order: SIGTERM, clients see their connections closed.
    ///
    /// # Errors
    /// Where the server has already ended, or the engine fails.
    pub async fn stop(&self) -> Result<(), ServerError> {
        match &self.backend {
            Backend::Container(container) => container.stop().await,
            Backend::Process(process) => process.signal("TERM").await,
        }
    }

    /// Freezes the server: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// Where the server is not running, or the engine fails.
    pub async fn pause(&self) -> Result<(), ServerError> {
        match &self.backend {
            Backend::Container(container) => container.pause().await,
            Backend::Process(process) => process.signal("STOP").await,
        }
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// Where the server has ended, or the engine fails.
    pub async fn resume(&self) -> Result<(), ServerError> {
        match &self.backend {
            Backend::Container(container) => container.resume().await,
            Backend::Process(process) => process.signal("CONT").await,
        }
    }

    /// Starts an ended server again on the same port with the same arguments and files, and waits until it answers. One
    /// that still runs is killed first.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropping the future may leave the server ended; a further call starts it.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        match &mut self.backend {
            Backend::Container(container) => container.restart().await,
            Backend::Process(process) => process.restart().await,
        }
    }
}
