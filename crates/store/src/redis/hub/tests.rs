//! The hub with times and servers of the tests' own.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use tokio::time::Instant;

use super::{Hub, HubOptions};
use crate::{
    ErrorKind, Gap, Observers, PubSubItem, SubscribeRequest, Subscription,
    redis::{
        dial::{DialOptions, Dialer},
        url::Location,
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> HubOptions {
    let second = Duration::from_secs(1);
    HubOptions {
        silence: Duration::from_millis(20),
        idle: Duration::from_millis(100),
        ..HubOptions::new(second, Observers::none())
    }
}

fn endpoint(url: &str) -> Dialer {
    let options = DialOptions {
        info: Location::read(url).unwrap().info,
        timeout: Duration::from_secs(1),
        #[cfg(feature = "tls")]
        tls: None,
    };
    options.dialer().unwrap()
}

fn request() -> SubscribeRequest {
    SubscribeRequest::channel("c")
}

async fn next(subscription: &mut Subscription) -> Option<PubSubItem> {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .expect("in time")
}

async fn assert_works(hub: &Hub, raw: &mut RawClient) {
    let mut subscription = hub.subscribe(request()).await.unwrap();
    raw.text(&["PUBLISH", "c", "hello"]).unwrap();
    let first = next(&mut subscription).await;
    assert_eq!(first, Some(PubSubItem::Gap(Gap::Subscribed)));
    let second = next(&mut subscription).await;
    assert!(matches!(second, Some(PubSubItem::Message { payload, .. }) if payload == "hello"));
}

/// The server's connections but for the asking one.
fn connections(raw: &mut RawClient) -> usize {
    let list = raw.text(&["CLIENT", "LIST"]).unwrap();
    let list = String::from_utf8(list.into_bytes().unwrap()).unwrap();
    list.lines().count() - 1
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_given_up_and_made_again() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let endpoint = endpoint(&server.url());
    let hub = Hub::new(options(), move || vec![endpoint.clone()]);
    for _ in 0..3 {
        assert_works(&hub, &mut raw).await;
        let started = Instant::now();
        while connections(&mut raw) > 0 {
            assert!(started.elapsed() < PATIENCE, "the connection stays");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_connection_in_use_is_kept_through_silence() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let endpoint = endpoint(&server.url());
    let hub = Hub::new(options(), move || vec![endpoint.clone()]);
    let mut subscription = hub.subscribe(request()).await.unwrap();
    assert!(next(&mut subscription).await.is_some());
    // Many silences, each with a sign of life, and several idle times.
    let quiet = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn any_server_that_can_be_reached_will_do() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("redis://{}", listener.local_addr().unwrap());
    drop(listener);
    let all = [nobody.clone(), server.url(), nobody].map(|url| endpoint(&url));
    let mut raw = RawClient::connect(&server.url()).unwrap();
    for _ in 0..10 {
        let all = all.clone();
        let hub = Hub::new(options(), move || all.to_vec());
        assert_works(&hub, &mut raw).await;
    }
}

#[tokio::test]
async fn the_servers_are_asked_for_anew_at_each_attempt() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let endpoint = endpoint(&server.url());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let hub = Hub::new(options(), move || {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => Vec::new(),
            _ => vec![endpoint.clone()],
        }
    });
    let error = hub.subscribe(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_works(&hub, &mut RawClient::connect(&server.url()).unwrap()).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
