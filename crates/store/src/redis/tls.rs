//! TLS below a connection, with settings of its own: nothing is installed for the process, and certificates are read once.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    net::TcpStream,
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{address::Address, dial::Wire, error::dial_error, url::configuration};
use crate::{Error, ErrorKind, Result};

/// What the builder was told of TLS.
#[derive(Clone, Default)]
pub(super) struct TlsOptions {
    /// PEM of the authorities to trust, in place of the system's.
    pub(super) authorities: Option<Vec<u8>>,
    /// PEM of the client's certificate chain, and of its key.
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// How connections are secured.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// The task that drives a connection; ends with it.
pub(super) struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TlsOptions {
    /// The settings, where `wanted`.
    pub(super) fn build(&self, wanted: bool) -> Result<Option<Tls>> {
        if !wanted {
            return match self.authorities.is_some() || self.client.is_some() {
                true => Err(configuration(
                    "certificates were given, but the URL is not one of TLS (`rediss`)",
                )),
                false => Ok(None),
            };
        }
        let roots = match &self.authorities {
            Some(pem) => authorities(pem)?,
            None => system_authorities()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| configuration("no version of TLS is built in"))?
            .with_root_certificates(roots);
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate).ok_or_else(|| {
                    configuration("the client's certificate is no PEM certificate")
                })?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| configuration("the client's key is no PEM key"))?;
                builder.with_client_auth_cert(chain, key).map_err(|_| {
                    configuration("the client's certificate and key do not belong together")
                })?
            }
        };
        Ok(Some(Tls(TlsConnector::from(Arc::new(config)))))
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty())
}

fn authorities(pem: &[u8]) -> Result<RootCertStore> {
    let unusable =
        || configuration("the authority's certificate cannot be used, or is no PEM certificate");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).ok_or_else(unusable)? {
        roots.add(certificate).map_err(|_| unusable())?;
    }
    Ok(roots)
}

/// Read from the disk once a process.
fn system_authorities() -> Result<RootCertStore> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let roots = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    });
    match roots.is_empty() {
        true => Err(configuration(
            "the system has no certificates of authorities",
        )),
        false => Ok(roots.clone()),
    }
}

impl Tls {
    /// Connects, secures the connection, and authenticates.
    pub(super) async fn dial(
        &self,
        address: &Address,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<Wire> {
        let deadline = Instant::now() + timeout;
        let late = |what: &str| {
            Error::new(ErrorKind::Timeout, "connect").with_detail(format!("{address} {what}"))
        };
        let socket = timeout_at(deadline, socket(address))
            .await
            .map_err(|_| late("did not accept in time"))?
            .map_err(|error| dial_error(&error.into(), &address.to_string()))?;
        let stream = timeout_at(deadline, self.handshake(address, socket))
            .await
            .map_err(|_| {
                late("did not answer the greeting of TLS in time: does it speak TLS?")
            })??;
        let greeting = MultiplexedConnection::new_with_config(settings, stream, config);
        let (connection, driver) = timeout_at(deadline, greeting)
            .await
            .map_err(|_| late("did not answer in time"))?
            .map_err(|error| dial_error(&error, &address.to_string()))?;
        let driver = Driver(tokio::spawn(driver).abort_handle());
        Ok(Wire {
            connection,
            _driver: Some(driver),
        })
    }

    async fn handshake(
        &self,
        address: &Address,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| configuration("the host is no name that a certificate can be for"))?;
        self.0.connect(name, socket).await.map_err(|error| {
            let (kind, what) = tls_failure(&error).unwrap_or((
                ErrorKind::Unavailable,
                "the connection was closed during the greeting of TLS: does it speak TLS?",
            ));
            Error::new(kind, "connect").with_detail(format!("{address}: {what}"))
        })
    }
}

async fn socket(address: &Address) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
    socket.set_nodelay(true)?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(super::dial::TCP_USER_TIMEOUT))?;
    Ok(socket)
}

/// What an error of TLS means, in our words; `None` where it is none.
pub(super) fn tls_failure(
    error: &(dyn std::error::Error + 'static),
) -> Option<(ErrorKind, &'static str)> {
    let error = find(error)?;
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => (
            ErrorKind::Configuration,
            match reason {
                CertificateError::UnknownIssuer => {
                    "the server's certificate is of an authority that is not trusted"
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    "the server's certificate is for another name than the address's"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the server's certificate has expired"
                }
                _ => "the server's certificate was not accepted",
            },
        ),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied,
        ) => (
            ErrorKind::Unauthenticated,
            "the server wants a certificate of the client that it trusts",
        ),
        rustls::Error::InvalidMessage(_) => (
            ErrorKind::Configuration,
            "what answers there does not speak TLS",
        ),
        _ => (ErrorKind::Configuration, "no agreement on TLS was reached"),
    })
}

fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // A wrapper's source is that of what it wraps, so what it wraps has to be asked for.
    if let Some(shared) = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        return find(&**shared);
    }
    if let Some(inner) = error.downcast_ref().and_then(io::Error::get_ref) {
        return find(inner);
    }
    find(error.source()?)
}
