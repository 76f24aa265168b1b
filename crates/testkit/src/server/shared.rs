//! One server for many tests.
//!
//! Starting a server costs up to half a second, and a cluster three, and some runners use a process for every test. So
//! `cargo xtask test` starts one of each for the whole run and passes its URL; without it the tests of one process share
//! one.

use std::{
    env, fs, io,
    path::Path,
    sync::{Arc, Weak},
};

use tokio::sync::Mutex;

use super::{
    Certificates, ClusterServer, Deployment, Form, Server, ServerError, TlsServer, log::note_use,
};

/// A server that other tests use at the same time. It has no way to stop or configure it, on purpose.
///
/// # Examples
/// ```no_run
/// use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};
///
/// # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
/// let Some(server) = SharedServer::of(Kind::Redis7).await? else { return Ok(()) };
/// println!("{}", server.url());
/// let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
/// let Some(cluster) = SharedServer::of(cluster).await? else { return Ok(()) };
/// println!("{}", cluster.url());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SharedServer {
    deployment: Deployment,
    url: String,
    raw_url: String,
    certificates: Option<Arc<Certificates>>,
    /// Keeps a server of this process alive; the run's own needs no keeping.
    _keep: Option<Arc<Running>>,
}

/// A server of this process that is shared.
#[derive(Debug)]
enum Running {
    Single(Server),
    Cluster(ClusterServer),
    Tls(TlsServer),
}

/// The servers that this process started to share, in the order of [`Deployment::ALL`]. Weak: the last test to finish
/// ends them, because statics are never dropped and a container would outlive the process.
static STARTED: [Mutex<Weak<Running>>; Deployment::ALL.len()] =
    [const { Mutex::const_new(Weak::new()) }; Deployment::ALL.len()];

impl SharedServer {
    /// The run's server of this kind or deployment, else one that this process shares; `None`, and one line on standard
    /// error, where the machine has none.
    ///
    /// # Errors
    /// As [`Server::start`]; [`ServerError::Io`] where the run's certificates cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future ends a server that was being started for it.
    pub async fn of(deployment: impl Into<Deployment>) -> Result<Option<Self>, ServerError> {
        let deployment = deployment.into();
        if let Ok(url) = env::var(deployment.url_variable()) {
            note_use(deployment);
            return Self::of_run(deployment, url).map(Some);
        }
        let place = Deployment::ALL
            .iter()
            .position(|known| *known == deployment);
        let mut started = STARTED[place.expect("every deployment is listed")]
            .lock()
            .await;
        if let Some(server) = started.upgrade() {
            note_use(deployment);
            return Ok(Some(Self::keeping(deployment, server)));
        }
        let Some(server) = Running::start(deployment).await? else {
            return Ok(None);
        };
        let server = Arc::new(server);
        *started = Arc::downgrade(&server);
        Ok(Some(Self::keeping(deployment, server)))
    }

    fn of_run(deployment: Deployment, url: String) -> Result<Self, ServerError> {
        let certificates = env::var_os(deployment.certificates_variable())
            .map(|folder| Certificates::read(Path::new(&folder)).map(Arc::new))
            .transpose()
            .map_err(ServerError::io("reading the certificates of the run"))?;
        Ok(Self {
            deployment,
            raw_url: env::var(deployment.raw_url_variable()).unwrap_or_else(|_| url.clone()),
            url,
            certificates,
            _keep: None,
        })
    }

    fn keeping(deployment: Deployment, server: Arc<Running>) -> Self {
        let (url, raw_url, certificates) = match &*server {
            Running::Single(server) => (server.url(), server.url(), None),
            Running::Cluster(cluster) => (cluster.url(), cluster.url(), None),
            Running::Tls(server) => {
                let certificates = Arc::new(server.certificates().clone());
                (server.url(), server.plain_url(), Some(certificates))
            }
        };
        Self {
            deployment,
            url,
            raw_url,
            certificates,
            _keep: Some(server),
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.deployment
    }

    /// `redis://127.0.0.1:PORT/`, `redis+cluster://...` or `rediss://...`; the server asks for no password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A URL of the same server for a [`RawClient`](crate::RawClient): without TLS.
    #[must_use]
    pub fn raw_url(&self) -> &str {
        &self.raw_url
    }

    /// The certificates of a server that speaks TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_deref()
    }

    /// The environment variables by which other processes find this server. Certificates are written into a folder in
    /// `folder`, where they have to stay for as long.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn publish(&self, folder: &Path) -> io::Result<Vec<(String, String)>> {
        let mut variables = vec![(self.deployment.url_variable(), self.url.clone())];
        if let Some(certificates) = &self.certificates {
            let folder = folder.join(self.deployment.name());
            fs::create_dir_all(&folder)?;
            certificates.write(&folder)?;
            variables.push((self.deployment.raw_url_variable(), self.raw_url.clone()));
            let folder = folder.display().to_string();
            variables.push((self.deployment.certificates_variable(), folder));
        }
        Ok(variables)
    }
}

impl Running {
    async fn start(deployment: Deployment) -> Result<Option<Self>, ServerError> {
        let kind = deployment.kind();
        Ok(match deployment.form() {
            Form::Single => Server::start(kind).await?.map(Self::Single),
            Form::Cluster => ClusterServer::start(kind).await?.map(Self::Cluster),
            Form::Tls => TlsServer::start(kind).await?.map(Self::Tls),
        })
    }
}
