//! The conformance cases, and how calls of each kind reach all nodes.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ErrorKind, ExpireChange, Increment, KeyExpiry, RedisStore, Reply, Script, ScriptCall, Store,
};
use cachekit_testkit::{
    RawClient,
    conformance::{self, RedisSubject},
    server::{ClusterServer, Kind, acl::AclUser},
};

use super::{connect, fill, keys, values};

async fn conformance_on(kind: Kind) {
    let Some(cluster) = ClusterServer::start(kind).await.unwrap() else {
        return;
    };
    let subject = RedisSubject::connect(&cluster.url()).await.unwrap();
    conformance::run(Arc::new(subject)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_a_cluster_of_redis_7() {
    conformance_on(Kind::Redis7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_a_cluster_of_redis_8() {
    conformance_on(Kind::Redis8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_a_cluster_of_valkey_8() {
    conformance_on(Kind::Valkey8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_as_a_user_with_the_rights_of_the_kit_on_a_cluster() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let url = cluster.url();
    let user = AclUser::create(&url, &["t*"], &["*"]).unwrap();
    let builder = RedisStore::builder(&url).user(user.name(), user.password());
    let subject = RedisSubject::new(builder, &url).await.unwrap();
    conformance::run(Arc::new(subject)).await;
}

#[tokio::test]
async fn batches_over_all_nodes_answer_in_the_order_of_the_request() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let keys = keys("batch", 300);
    fill(&store, &keys).await;
    assert_eq!(store.get_many(&keys).await.unwrap(), values(&keys));
    let entries = store.get_entries(&keys).await.unwrap();
    for (key, entry) in keys.iter().zip(entries) {
        let entry = entry.unwrap();
        assert_eq!(entry.value, key.to_bytes());
        assert!(entry.expires_in > Some(Duration::from_secs(50)));
    }
    let changed = store.expire(&keys, ExpireChange::Never).await.unwrap();
    assert!(changed.iter().all(|changed| *changed));
    let expiries = store.expiries(&keys).await.unwrap();
    assert!(expiries.iter().all(|left| *left == KeyExpiry::Never));
    assert_eq!(store.delete(&keys[..200]).await.unwrap(), 200);
    assert_eq!(store.delete(&keys).await.unwrap(), 100);
    let increments: Vec<Increment> = keys
        .iter()
        .chain(&keys)
        .map(|key| Increment::new(key.clone(), 1, Ttl::seconds(60)))
        .collect();
    let sums = store.increment(&increments).await.unwrap();
    assert!(sums[..300].iter().all(|sum| *sum == 1));
    assert!(sums[300..].iter().all(|sum| *sum == 2));
}

#[tokio::test]
async fn one_servers_store_on_a_cluster_says_what_it_has_met_and_how_to_say_so() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&cluster.node_url(0)).await.unwrap();
    let foreign = keys("foreign", 100)
        .into_iter()
        .find(|key| key.slot() > 12_000)
        .unwrap();
    let error = store.get(&foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
}

#[tokio::test]
async fn a_script_goes_to_the_node_of_its_keys_and_every_node_learns_it() {
    const JOIN: Script = Script::new(
        "join",
        "return {KEYS[1] or false, #KEYS, redis.call('INCR', KEYS[1] or '{any}')}",
    );
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    for round in 1..=3 {
        let keys = keys("script", 100);
        let calls: Vec<ScriptCall> = keys
            .iter()
            .map(|key| ScriptCall::new(vec![key.clone(), key.clone()], Vec::new()))
            .collect();
        let replies = store.run_script(&JOIN, &calls).await.unwrap();
        for (key, reply) in keys.iter().zip(replies) {
            let expected = vec![
                Reply::Bytes(key.to_bytes()),
                Reply::Integer(2),
                Reply::Integer(round),
            ];
            assert_eq!(reply, Reply::Array(expected));
        }
        for node in 0..3 {
            let mut raw = RawClient::connect(&cluster.node_url(node)).unwrap();
            raw.text(&["SCRIPT", "FLUSH"]).unwrap();
        }
    }
    const ANSWER: Script = Script::new("answer", "return 42");
    let anywhere = [ScriptCall::new(Vec::new(), Vec::new())];
    let reply = store.run_script(&ANSWER, &anywhere).await.unwrap();
    assert_eq!(reply, [Reply::Integer(42)]);
}

#[tokio::test]
async fn keys_of_several_slots_in_one_script_are_refused_before_anything_is_sent() {
    const COUNT: Script = Script::new("count", "return redis.call('INCR', KEYS[1])");
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let (counter, other) = (
        Key::from_raw("counter").unwrap(),
        Key::from_raw("other").unwrap(),
    );
    let calls = [
        ScriptCall::new(vec![counter.clone()], Vec::new()),
        ScriptCall::new(vec![counter.clone(), other], Vec::new()),
    ];
    let error = store.run_script(&COUNT, &calls).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied(), error.key()),
        (ErrorKind::CrossSlot, false, Some("other"))
    );
    assert_eq!(store.get(&counter).await.unwrap(), None);
}

#[tokio::test]
async fn the_facts_are_those_of_all_primaries() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    fill(&store, &keys("facts", 100)).await;
    let facts = store.server_facts().await.unwrap();
    assert_eq!((facts.keys, facts.cluster), (100, true));
    assert!(facts.version.starts_with("7."), "{}", facts.version);
    assert!(store.time().await.unwrap() > std::time::UNIX_EPOCH);
}

#[tokio::test]
async fn a_user_of_the_access_list_is_one_on_every_node() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    for node in 0..3 {
        let mut raw = RawClient::connect(&cluster.node_url(node)).unwrap();
        let user = ["on", ">app-secret", "~cluster:*", "+@all"];
        raw.text(&[&["ACL", "SETUSER", "app"][..], &user].concat())
            .unwrap();
    }
    let store = RedisStore::builder(&cluster.url())
        .user("app", "app-secret")
        .connect()
        .await
        .unwrap();
    let allowed = keys("user", 50);
    fill(&store, &allowed).await;
    let foreign = Key::from_raw("foreign").unwrap();
    let error = store.get(&foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let wrong = RedisStore::builder(&cluster.url()).user("app", "wrong");
    let error = wrong.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(!error.to_string().contains("secret"), "{error}");
}
