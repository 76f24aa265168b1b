//! Servers that speak TLS.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use cachekit_testkit::{
    RawClient, RawReply,
    server::{Certificates, ClientAuth, Kind, TlsServer, ping},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::Outcome;

/// Says `PING` over TLS as a client that trusts `trusted` and shows the certificate of `shown`.
fn tls_ping(
    server: &TlsServer,
    trusted: &Certificates,
    shown: Option<&Certificates>,
) -> Result<String, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.ca_pem().as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some(shown) => config.with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(
                shown.client_cert_pem().as_bytes(),
            )?],
            PrivateKeyDer::from_pem_slice(shown.client_key_pem().as_bytes())?,
        )?,
    };
    let name = ServerName::try_from(server.host().to_owned())?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let socket = TcpStream::connect((server.host(), server.port()))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    Ok(String::from_utf8(reply.to_vec())?)
}

async fn speaks_tls(kind: Kind) -> Outcome {
    let Some(server) = TlsServer::start(kind).await? else {
        return Ok(());
    };
    let certificates = server.certificates();
    assert_eq!(tls_ping(&server, certificates, None)?, "+PONG\r\n");
    assert_eq!(
        tls_ping(&server, certificates, Some(certificates))?,
        "+PONG\r\n"
    );

    let strangers = Certificates::for_host(server.host());
    let distrusted = tls_ping(&server, &strangers, None).expect_err("an unknown authority");
    assert!(
        distrusted.to_string().contains("UnknownIssuer"),
        "{distrusted}"
    );
    tls_ping(&server, certificates, Some(&strangers)).expect_err("a stranger's certificate");
    Ok(())
}

#[tokio::test]
async fn redis_7_is_trusted_through_its_own_authority_alone() -> Outcome {
    speaks_tls(Kind::Redis7).await
}

#[tokio::test]
async fn redis_8_is_trusted_through_its_own_authority_alone() -> Outcome {
    speaks_tls(Kind::Redis8).await
}

#[tokio::test]
async fn valkey_8_is_trusted_through_its_own_authority_alone() -> Outcome {
    speaks_tls(Kind::Valkey8).await
}

#[tokio::test]
async fn a_client_without_a_certificate_is_turned_away_where_one_is_required() -> Outcome {
    let started = TlsServer::start_with(Kind::Redis7, ClientAuth::Required, &[]).await?;
    let Some(server) = started else {
        return Ok(());
    };
    let certificates = server.certificates();
    tls_ping(&server, certificates, None).expect_err("no certificate was shown");
    assert_eq!(
        tls_ping(&server, certificates, Some(certificates))?,
        "+PONG\r\n"
    );
    Ok(())
}

#[tokio::test]
async fn the_port_for_tls_takes_nothing_else_and_the_other_leads_to_the_same_data() -> Outcome {
    let Some(mut server) = TlsServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let plain = ping(server.host(), server.port()).await;
    assert!(plain.is_err(), "{plain:?}");
    let mut raw = RawClient::connect(&server.plain_url())?;
    assert_eq!(raw.text(&["PING"])?, RawReply::Status("PONG".to_owned()));

    let url = server.url();
    server.kill().await?;
    tls_ping(&server, server.certificates(), None).expect_err("the server has ended");
    server.restart().await?;
    assert_eq!(server.url(), url);
    assert_eq!(tls_ping(&server, server.certificates(), None)?, "+PONG\r\n");
    Ok(())
}
