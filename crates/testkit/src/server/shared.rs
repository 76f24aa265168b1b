//! One server for many tests.
//!
//! Starting a server costs up to half a second, and some runners use a process for every test. So `cargo xtask test`
//! starts one of each kind for the whole run and passes its URL; without it the tests of one process share one.

use std::{
    env,
    sync::{Arc, Weak},
};

use tokio::sync::Mutex;

use super::{Kind, Server, ServerError, log::note_use};

/// A server that other tests use at the same time. It has no way to stop or configure it, on purpose.
///
/// # Examples
/// ```no_run
/// use cachekit_testkit::server::{Kind, SharedServer};
///
/// # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
/// let Some(server) = SharedServer::of(Kind::Redis7).await? else { return Ok(()) };
/// println!("{}", server.url());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SharedServer {
    kind: Kind,
    url: String,
    /// Keeps a server of this process alive; the run's own needs no keeping.
    _keep: Option<Arc<Server>>,
}

/// The servers that this process started to share. Weak: the last test to finish ends them, because statics are
/// never dropped and a container would outlive the process.
static STARTED: Mutex<Vec<(Kind, Weak<Server>)>> = Mutex::const_new(Vec::new());

impl SharedServer {
    /// The run's server of `kind`, else one that this process shares; `None`, and one line on standard error, where
    /// the machine has none.
    ///
    /// # Errors
    /// As [`Server::start`].
    ///
    /// # Cancel safety
    /// Dropping the future ends a server that was being started for it.
    pub async fn of(kind: Kind) -> Result<Option<Self>, ServerError> {
        if let Ok(url) = env::var(kind.url_variable()) {
            note_use(kind);
            return Ok(Some(Self {
                kind,
                url,
                _keep: None,
            }));
        }
        let mut started = STARTED.lock().await;
        if let Some(server) = started
            .iter()
            .find_map(|(known, weak)| weak.upgrade().filter(|_| *known == kind))
        {
            note_use(kind);
            return Ok(Some(Self::keeping(server)));
        }
        let Some(server) = Server::start(kind).await? else {
            return Ok(None);
        };
        let server = Arc::new(server);
        started.retain(|(_, weak)| weak.strong_count() > 0);
        started.push((kind, Arc::downgrade(&server)));
        Ok(Some(Self::keeping(server)))
    }

    fn keeping(server: Arc<Server>) -> Self {
        Self {
            kind: server.kind(),
            url: server.url(),
            _keep: Some(server),
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// `redis://127.0.0.1:PORT/`; the server asks for no password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
