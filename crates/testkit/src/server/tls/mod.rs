//! A server that speaks TLS, with certificates of its own.

mod certificates;

pub use self::certificates::Certificates;
use super::{
    Choice, Deployment, Form, Kind, ServerError, Source,
    group::{File, Group, Member, try_to_start},
    log::note_use,
};

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// One is checked where it is shown, and none is needed.
    #[default]
    Optional,
    /// A client without one is turned away.
    Required,
}

/// A running server of the test's own that speaks TLS, and ends when the value is dropped.
///
/// Beside the port for TLS it has one for [`RawClient`](crate::RawClient), which does not speak it.
///
/// # Examples
/// ```no_run
/// use cachekit_testkit::server::{ClientAuth, Kind, TlsServer};
///
/// # async fn example() -> Result<(), cachekit_testkit::server::ServerError> {
/// let started = TlsServer::start_with(Kind::Redis7, ClientAuth::Required, &[]).await?;
/// let Some(server) = started else { return Ok(()) };
/// println!("{} {}", server.url(), server.certificates().ca_pem());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TlsServer {
    server: Group,
    certificates: Certificates,
}

impl TlsServer {
    /// Starts a server that asks for no certificate of clients; `None`, and one line on standard error, where the machine
    /// has no server of `kind`.
    ///
    /// # Errors
    /// [`ServerError::Required`] where the run requires it; any other where it was found and does not start.
    ///
    /// # Cancel safety
    /// Dropping the future ends what was already started.
    pub async fn start(kind: Kind) -> Result<Option<Self>, ServerError> {
        Self::start_with(kind, ClientAuth::Optional, &[]).await
    }

    /// Starts a server with further arguments, which win over the defaults.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_with(
        kind: Kind,
        clients: ClientAuth,
        arguments: &[&str],
    ) -> Result<Option<Self>, ServerError> {
        let choice = Choice::of_process().await;
        let deployment = Deployment::new(kind, Form::Tls);
        let Some(source) = choice.present(deployment)? else {
            return Ok(None);
        };
        let attempt = || Self::attempt(kind, source, clients, arguments);
        match try_to_start(attempt).await {
            Ok(server) => {
                note_use(deployment);
                Ok(Some(server))
            }
            Err(ServerError::NotReady { log, .. }) if lacks_tls(&log) => choice
                .without(deployment, "its program is built without TLS")
                .map(|()| None),
            Err(error) => Err(error),
        }
    }

    async fn attempt(
        kind: Kind,
        source: &Source,
        clients: ClientAuth,
        arguments: &[&str],
    ) -> Result<Self, ServerError> {
        let mut server = Group::prepare(kind, source, 1, true).await?;
        let certificates = Certificates::for_host(&server.members()[0].host);
        let arguments = |member: &Member| tls_arguments(member, clients, arguments);
        server.launch(&files(&certificates), arguments).await?;
        Ok(Self {
            server,
            certificates,
        })
    }

    /// What was asked for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.server.kind()
    }

    /// `rediss://127.0.0.1:PORT/`, or with another address where the engine has one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rediss://{}:{}/", self.host(), self.port())
    }

    /// `redis://127.0.0.1:PORT/`, where the same server speaks without TLS.
    #[must_use]
    pub fn plain_url(&self) -> String {
        format!("redis://{}/", self.member().address())
    }

    /// The host to connect to, for which the server's certificate is made.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.member().host
    }

    /// The TCP port for TLS, the same for the life of the value.
    #[must_use]
    pub fn port(&self) -> u16 {
        let Member { tls_port, .. } = self.member();
        *tls_port
    }

    /// What the server and its clients show each other. Those of [`Certificates::for_host`] are of another authority:
    /// neither trusts the other's.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Ends the server as a crash would: SIGKILL, no farewell to clients.
    ///
    /// # Errors
    /// Where the server has already ended, or the engine fails.
    pub async fn kill(&self) -> Result<(), ServerError> {
        self.server.signal(0, "KILL").await
    }

    /// Freezes the server: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// Where the server is not running, or the engine fails.
    pub async fn pause(&self) -> Result<(), ServerError> {
        self.server.signal(0, "STOP").await
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// Where the server has ended, or the engine fails.
    pub async fn resume(&self) -> Result<(), ServerError> {
        self.server.signal(0, "CONT").await
    }

    /// Starts an ended server again on the same ports with the same certificates, and waits until it answers. One that
    /// still runs is killed first.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropping the future may leave the server ended; a further call starts it.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.server.restart(0).await
    }

    fn member(&self) -> &Member {
        &self.server.members()[0]
    }
}

fn files(certificates: &Certificates) -> [File; 3] {
    let file = |name, text: &str| File {
        name,
        text: text.to_owned(),
    };
    [
        file("ca.pem", certificates.ca_pem()),
        file("server.pem", certificates.server_cert_pem()),
        file("server-key.pem", certificates.server_key_pem()),
    ]
}

fn tls_arguments(member: &Member, clients: ClientAuth, further: &[&str]) -> Vec<String> {
    let port = member.tls_port.to_string();
    let own = [
        "--tls-port",
        &port,
        "--tls-ca-cert-file",
        "ca.pem",
        "--tls-cert-file",
        "server.pem",
        "--tls-key-file",
        "server-key.pem",
        "--tls-auth-clients",
        match clients {
            ClientAuth::Optional => "optional",
            ClientAuth::Required => "yes",
        },
    ];
    let all = own.iter().chain(further);
    all.map(|&text| text.to_owned()).collect()
}

/// A program without TLS knows none of its options, of which the port is the first.
fn lacks_tls(log: &str) -> bool {
    log.contains("Bad directive") && log.contains("'tls-port ")
}

#[cfg(test)]
mod tests {
    use super::lacks_tls;

    #[test]
    fn a_program_without_tls_is_told_from_one_that_fails() {
        let lacking = "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n\
            Reading the configuration file, at line 5\n\
            >>> 'tls-port \"7000\"'\nBad directive or wrong number of arguments\n";
        assert!(lacks_tls(lacking));
        assert!(!lacks_tls(
            "Failed to configure TLS. Check logs for more info."
        ));
    }
}
