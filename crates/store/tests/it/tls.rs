//! The Redis store over TLS: who trusts whom, and what is said where nobody does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{Error, ErrorKind, RedisStore, SetOptions, Store};
use cachekit_testkit::{
    RawClient,
    conformance::{self, RedisSubject},
    server::{Certificates, ClientAuth, Kind, TlsServer, acl::AclUser},
};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

async fn refused(builder: cachekit_store::RedisStoreBuilder) -> Error {
    let started = Instant::now();
    let error = builder
        .connect_timeout(CONNECT_TIMEOUT)
        .request_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap_err();
    assert!(started.elapsed() < 2 * CONNECT_TIMEOUT, "{error}");
    assert!(!error.may_have_applied());
    error
}

async fn works(store: &RedisStore) {
    let key = Key::from_raw("tls").unwrap();
    let value = Bytes::from(vec![b'x'; 1 << 20]);
    let ttl = SetOptions::ttl(Ttl::seconds(60));
    assert!(store.set(&key, value.clone(), ttl).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), Some(value));
}

async fn trusted_on(kind: Kind) {
    let Some(server) = TlsServer::start(kind).await.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&server.url())
        .tls_ca(server.certificates().ca_pem())
        .connect()
        .await
        .unwrap();
    works(&store).await;
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_used_on_redis_7() {
    trusted_on(Kind::Redis7).await;
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_used_on_redis_8() {
    trusted_on(Kind::Redis8).await;
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_used_on_valkey_8() {
    trusted_on(Kind::Valkey8).await;
}

async fn conformance_over_tls_on(kind: Kind) {
    let Some(server) = TlsServer::start(kind).await.unwrap() else {
        return;
    };
    let builder = RedisStore::builder(&server.url()).tls_ca(server.certificates().ca_pem());
    let subject = RedisSubject::new(builder, &server.plain_url()).await;
    conformance::run(Arc::new(subject.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_over_tls_on_redis_7() {
    conformance_over_tls_on(Kind::Redis7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_over_tls_on_valkey_8() {
    conformance_over_tls_on(Kind::Valkey8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_over_tls_as_a_user_with_the_rights_of_the_kit() {
    let Some(server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let user = AclUser::create(&server.plain_url(), &["t*"], &["*"]).unwrap();
    let builder = RedisStore::builder(&server.url())
        .tls_ca(server.certificates().ca_pem())
        .user(user.name(), user.password());
    let subject = RedisSubject::new(builder, &server.plain_url()).await;
    conformance::run(Arc::new(subject.unwrap())).await;
}

#[tokio::test]
async fn a_lost_connection_over_tls_comes_back() {
    let Some(mut server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&server.url())
        .tls_ca(server.certificates().ca_pem())
        .connect()
        .await
        .unwrap();
    server.kill().await.unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    server.restart().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = store.ping().await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    works(&store).await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let Some(server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let other = Certificates::for_host(server.host());
    let error = refused(RedisStore::builder(&server.url()).tls_ca(other.ca_pem())).await;
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("authority"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let Some(server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (from, to) = (server.host().to_owned(), server.port());
    // The same server at an address that its certificate does not name.
    let listener = match TcpListener::bind("127.0.0.2:0").await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("[::1]:0").await.unwrap(),
    };
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect((from.as_str(), to)).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let builder = RedisStore::builder(&url).tls_ca(server.certificates().ca_pem());
    let error = refused(builder).await;
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("another name"), "{error}");
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let started = TlsServer::start_with(Kind::Redis7, ClientAuth::Required, &[]).await;
    let Some(server) = started.unwrap() else {
        return;
    };
    let certificates = server.certificates();
    let builder = || RedisStore::builder(&server.url()).tls_ca(certificates.ca_pem());
    let own = (
        certificates.client_cert_pem(),
        certificates.client_key_pem(),
    );
    works(&builder().tls_client(own.0, own.1).connect().await.unwrap()).await;

    let error = refused(builder()).await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let other = Certificates::for_host(server.host());
    let foreign = builder().tls_client(other.client_cert_pem(), other.client_key_pem());
    let error = refused(foreign).await;
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");

    let mixed = builder().tls_client(own.0, other.client_key_pem());
    let error = mixed.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("PRIVATE"), "{error:?}");
}

#[tokio::test]
async fn a_port_without_tls_says_so_to_one_who_speaks_it() {
    let Some(server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let url = server.plain_url().replace("redis://", "rediss://");
    let error = refused(RedisStore::builder(&url).tls_ca(server.certificates().ca_pem())).await;
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Configuration | ErrorKind::Unavailable | ErrorKind::Timeout
        ),
        "{error}"
    );
    assert!(error.to_string().contains("speak TLS"), "{error}");
}

#[tokio::test]
async fn a_port_of_tls_says_so_to_one_who_does_not_speak_it() {
    let Some(server) = TlsServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let url = server.url().replace("rediss://", "redis://");
    let error = refused(RedisStore::builder(&url)).await;
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Configuration | ErrorKind::Unavailable
        ),
        "{error}"
    );
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_listener_that_says_nothing_is_a_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1_024];
                while client.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let certificates = Certificates::for_host("127.0.0.1");
    let error = refused(RedisStore::builder(&url).tls_ca(certificates.ca_pem())).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("speak TLS"), "{error}");
}

#[test]
fn certificates_that_cannot_be_used_are_refused_before_connecting() {
    let certificates = Certificates::for_host("127.0.0.1");
    let secure = || RedisStore::builder("rediss://127.0.0.1");
    let unusable = [
        secure().tls_ca("no PEM"),
        secure().tls_ca(certificates.server_key_pem()),
        secure()
            .tls_ca(certificates.ca_pem())
            .tls_client("no PEM", certificates.client_key_pem()),
        secure()
            .tls_ca(certificates.ca_pem())
            .tls_client(certificates.client_cert_pem(), "no PEM"),
        RedisStore::builder("redis://127.0.0.1").tls_ca(certificates.ca_pem()),
        RedisStore::builder("rediss://127.0.0.1#insecure").tls_ca(certificates.ca_pem()),
    ];
    for builder in unusable {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_reached_over_tls() {
    let arguments = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
    let started = TlsServer::start_with(Kind::Redis7, ClientAuth::Optional, &arguments).await;
    let Some(server) = started.unwrap() else {
        return;
    };
    // A cluster of one, which serves all slots.
    let mut raw = RawClient::connect(&server.plain_url()).unwrap();
    raw.text(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .unwrap();
    let url = server.url().replace("rediss://", "rediss+cluster://");
    let store = RedisStore::builder(&url)
        .tls_ca(server.certificates().ca_pem())
        .connect()
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let key = Key::from_raw("tls").unwrap();
    // It counts itself as down for its first moments.
    while let Err(error) = store.get(&key).await {
        assert!(Instant::now() < deadline, "{error}");
    }
    works(&store).await;
    let error = refused(RedisStore::builder(&url)).await;
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
}
