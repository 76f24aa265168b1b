//! Failing to connect, and what is shown of a connection. What needs a server is tested elsewhere.

use std::{net::TcpListener, sync::Arc};

use crate::{CacheKit, ErrorKind, MemoryStore, RedisStore};

#[tokio::test]
async fn a_wrong_url_is_a_configuration_error() {
    for url in [
        "",
        "localhost",
        "http://127.0.0.1",
        "redis://127.0.0.1:notaport",
    ] {
        let error = CacheKit::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url:?}: {error}");
    }
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = CacheKit::connect(&format!("redis://:hunter2@127.0.0.1:{port}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn debug_shows_no_credentials() {
    let store = RedisStore::builder("redis://someone:hunter2@127.0.0.1")
        .build()
        .unwrap();
    let builder = CacheKit::builder().store(Arc::new(store));
    assert!(!format!("{builder:?}").contains("hunter2"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn a_store_and_an_address_contradict_each_other() {
    let builder = CacheKit::builder().store(Arc::new(MemoryStore::new()));
    let error = builder.connect("redis://127.0.0.1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn the_value_limit_reaches_the_store_that_is_connected() {
    let builder = CacheKit::builder().max_value_size(513 << 20);
    let error = builder.connect("redis://127.0.0.1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
}
