//! One attempt to reach a server: the socket, TLS where it is asked for, and the greeting with the credentials.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, aio::MultiplexedConnection,
};

use super::{address::Address, error::dial_error};
use crate::{Error, ErrorKind, Result};

#[cfg(feature = "tls")]
use super::tls::{self, Tls};

/// Everything that an attempt to connect needs.
#[derive(Clone)]
pub(super) struct Dialer {
    client: Client,
    /// Host and port, or a path, for errors.
    shown: Arc<str>,
    timeout: Duration,
    /// Where TLS is asked for, and what it trusts.
    #[cfg(feature = "tls")]
    tls: Option<(Tls, Address)>,
}

/// The kernel gives a connection up when sent bytes stay unacknowledged for this long.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
pub(super) const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach servers that share credentials and TLS, as the nodes of a cluster do.
#[derive(Clone)]
pub(super) struct DialOptions {
    pub(super) info: ConnectionInfo,
    pub(super) timeout: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

impl DialOptions {
    /// To the address of the options.
    pub(super) fn dialer(&self) -> Result<Dialer> {
        let dialer = Dialer::new(self.info.clone(), self.timeout)?;
        #[cfg(feature = "tls")]
        let dialer = dialer.with_tls(self.tls.clone());
        Ok(dialer)
    }

    /// To another address.
    pub(super) fn dialer_to(&self, address: &Address) -> Result<Dialer> {
        let address = ConnectionAddr::Tcp(address.host.clone(), address.port);
        let mut other = self.clone();
        other.info = other.info.set_addr(address);
        other.dialer()
    }
}

/// A connection, with the task that drives it where the library does not own it.
pub(super) struct Wire {
    pub(super) connection: MultiplexedConnection,
    #[cfg(feature = "tls")]
    pub(super) _driver: Option<tls::Driver>,
}

impl Dialer {
    fn new(info: ConnectionInfo, timeout: Duration) -> Result<Self> {
        let shown = shown(&info);
        let client = Client::open(info)
            .map_err(|error| dial_error(&error, "the address was not accepted"))?;
        Ok(Self {
            client,
            shown: shown.into(),
            timeout,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// The same with TLS; the address must be one of TCP.
    #[cfg(feature = "tls")]
    fn with_tls(mut self, tls: Option<Tls>) -> Self {
        let address = Address::of(self.client.get_connection_info());
        self.tls = tls.zip(address);
        self
    }

    /// Host and port, for errors.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Number of the selected database.
    pub(super) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// Connects and authenticates, within the time-out.
    ///
    /// # Cancel safety
    /// A dropped call leaves no connection behind.
    pub(super) async fn dial(&self, config: AsyncConnectionConfig) -> Result<Wire> {
        #[cfg(feature = "tls")]
        if let Some((tls, address)) = &self.tls {
            let settings = self.client.get_connection_info().redis_settings();
            return tls.dial(address, settings, config, self.timeout).await;
        }
        let attempt = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = tokio::time::timeout(self.timeout, attempt)
            .await
            .map_err(|_| {
                Error::new(ErrorKind::Timeout, "connect")
                    .with_detail(format!("{} did not accept in time", self.shown))
            })?
            .map_err(|error| dial_error(&error, &self.shown))?;
        Ok(Wire {
            connection,
            #[cfg(feature = "tls")]
            _driver: None,
        })
    }
}

/// The address without anything secret, for errors.
fn shown(info: &ConnectionInfo) -> String {
    match (Address::of(info), info.addr()) {
        (Some(address), _) => address.to_string(),
        (None, ConnectionAddr::Unix(path)) => path.display().to_string(),
        _ => "the configured address".to_owned(),
    }
}
