//! Subscriptions while nodes come and go.

use std::time::Duration;

use cachekit_store::{Gap, PubSubItem, Store, SubscribeRequest, Subscription};
use cachekit_testkit::{
    RawClient,
    server::{ClusterServer, Kind},
};

use super::connect;

async fn next(subscription: &mut Subscription) -> PubSubItem {
    let item = tokio::time::timeout(Duration::from_secs(30), subscription.next()).await;
    item.expect("in time").expect("the store is open")
}

fn ask(cluster: &ClusterServer, node: usize, words: &[&str]) -> String {
    let mut raw = RawClient::connect(&cluster.node_url(node)).unwrap();
    let answer = raw.text(words).unwrap().into_bytes().unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

/// The node that brings the messages.
fn heard_at(cluster: &ClusterServer) -> usize {
    let listens =
        |node: &usize| ask(cluster, *node, &["CLIENT", "LIST", "TYPE", "pubsub"]).contains("id=");
    (0..cluster.node_count())
        .find(listens)
        .expect("somebody listens")
}

/// A message from `node` comes through, sooner or later.
async fn assert_heard_from(cluster: &ClusterServer, node: usize, subscription: &mut Subscription) {
    let mut raw = RawClient::connect(&cluster.node_url(node)).unwrap();
    raw.text(&["PUBLISH", "news", "hello"]).unwrap();
    assert!(matches!(
        next(subscription).await,
        PubSubItem::Message { .. }
    ));
}

#[tokio::test]
async fn a_node_that_is_no_longer_in_the_cluster_is_left_with_a_gap() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let request = SubscribeRequest::channel("news");
    let mut subscription = store.subscribe(request).await.unwrap();
    let subscribed = PubSubItem::Gap(Gap::Subscribed);
    assert_eq!(next(&mut subscription).await, subscribed);
    let at = heard_at(&cluster);
    let others: Vec<usize> = (0..3).filter(|node| *node != at).collect();
    assert_heard_from(&cluster, others[0], &mut subscription).await;

    // It goes on to answer, and to think that it is one of them.
    let id = ask(&cluster, at, &["CLUSTER", "MYID"]);
    for node in &others {
        ask(&cluster, *node, &["CLUSTER", "FORGET", &id]);
    }
    let reconnected = PubSubItem::Gap(Gap::Reconnected);
    while next(&mut subscription).await != reconnected || heard_at(&cluster) == at {}
    assert_heard_from(&cluster, others[0], &mut subscription).await;
}
