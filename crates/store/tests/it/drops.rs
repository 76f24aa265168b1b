//! Callers that go away leave nothing behind.

use std::time::{Duration, Instant};

use cachekit_store::{RedisStore, Store, SubscribeRequest};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use tokio::{task::JoinSet, time::timeout};

fn text(raw: &mut RawClient, words: &[&str]) -> String {
    let answer = raw.text(words).unwrap().into_bytes().unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

/// Names that somebody listens to, and patterns, as the server counts them.
fn subscriptions(raw: &mut RawClient) -> (usize, i64) {
    let channels = match raw.text(&["PUBSUB", "CHANNELS"]).unwrap() {
        cachekit_testkit::RawReply::List(names) => names.len(),
        other => panic!("{other:?}"),
    };
    let patterns = raw.text(&["PUBSUB", "NUMPAT"]).unwrap().as_integer();
    (channels, patterns.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dropped_subscribers_leave_no_subscription_no_connection_and_no_call_behind() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let mut kept = store
        .subscribe(SubscribeRequest::channel("kept"))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for index in 0..1_000_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            let request = SubscribeRequest::channel(format!("c{}", index % 50));
            let request = request.with_pattern(format!("p{}*", index % 20));
            let patience = Duration::from_micros(fastrand::u64(0..2_000));
            let subscribing = timeout(patience, store.subscribe(request));
            usize::from(subscribing.await.is_ok())
        });
    }
    let mut confirmed = 0;
    while let Some(ended) = tasks.join_next().await {
        confirmed += ended.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while subscriptions(&mut raw) != (1, 0) {
        let left = subscriptions(&mut raw);
        assert!(Instant::now() < deadline, "{left:?}, {confirmed} confirmed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The one of the calls, the one of the subscriptions, and this test's own.
    assert_eq!(text(&mut raw, &["CLIENT", "LIST"]).lines().count(), 3);
    raw.text(&["PUBLISH", "kept", "hello"]).unwrap();
    let hello = async {
        while !matches!(
            kept.next().await,
            Some(cachekit_store::PubSubItem::Message { .. })
        ) {}
    };
    timeout(Duration::from_secs(10), hello).await.unwrap();
    // Closing waits for calls that are under way: there are none.
    timeout(Duration::from_secs(1), store.close())
        .await
        .unwrap();
}
