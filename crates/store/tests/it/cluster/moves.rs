//! Slots on their way from one node to another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};
use cachekit_store::{
    ErrorKind, Increment, RedisStore, Reply, ScanRequest, Script, ScriptCall, Store,
};
use cachekit_testkit::server::{ClusterServer, Kind};

use super::{REQUEST_TIMEOUT, connect, fill, keys, tagged, values};

/// A slot with keys on both sides: ten that were there before the move began, and ten that came after.
async fn moving(cluster: &ClusterServer, store: &RedisStore, tag: &str) -> (Vec<Key>, usize) {
    let keys = tagged(tag, 20);
    let slot = keys[0].slot();
    fill(store, &keys[..10]).await;
    let from = cluster.node_of_slot(slot).await.unwrap();
    let to = (from + 1) % 3;
    cluster.begin_move(slot, to).await.unwrap();
    fill(store, &keys[10..]).await;
    (keys, to)
}

async fn moving_slot_on(kind: Kind) {
    let Some(cluster) = ClusterServer::start(kind).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let (keys, to) = moving(&cluster, &store, "moving").await;
    for key in &keys {
        assert_eq!(store.get(key).await.unwrap(), Some(key.to_bytes()));
    }
    assert_eq!(store.get_many(&keys).await.unwrap(), values(&keys));
    let entries = store.get_entries(&keys).await.unwrap();
    assert!(entries.iter().all(|entry| entry.is_some()));
    let counters: Vec<Increment> = (0..5)
        .map(|index| Key::from_raw(format!("{{moving}}:counter:{index}")).unwrap())
        .map(|key| Increment::new(key, 1, Ttl::seconds(60)))
        .collect();
    assert_eq!(store.increment(&counters).await.unwrap(), [1; 5]);
    let slot = keys[0].slot();
    cluster.finish_move(slot, to).await.unwrap();
    assert_eq!(store.get_many(&keys).await.unwrap(), values(&keys));
    assert_eq!(store.increment(&counters).await.unwrap(), [2; 5]);
    assert_eq!(store.delete(&keys).await.unwrap(), 20);
}

#[tokio::test]
async fn keys_on_both_sides_of_a_moving_slot_are_found_on_redis_7() {
    moving_slot_on(Kind::Redis7).await;
}

#[tokio::test]
async fn keys_on_both_sides_of_a_moving_slot_are_found_on_redis_8() {
    moving_slot_on(Kind::Redis8).await;
}

#[tokio::test]
async fn keys_on_both_sides_of_a_moving_slot_are_found_on_valkey_8() {
    moving_slot_on(Kind::Valkey8).await;
}

#[tokio::test]
async fn keys_on_both_sides_of_a_moving_slot_are_deleted_together() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let (keys, _) = moving(&cluster, &store, "moving").await;
    assert_eq!(store.delete(&keys).await.unwrap(), 20);
    assert_eq!(store.get_many(&keys).await.unwrap(), vec![None; 20]);
}

#[tokio::test]
async fn a_script_with_keys_on_both_sides_is_not_ready_within_its_deadline() {
    const BOTH: Script = Script::new("both", "return redis.call('DEL', KEYS[1], KEYS[2])");
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let (keys, to) = moving(&cluster, &store, "moving").await;
    let call = [ScriptCall::new(
        vec![keys[0].clone(), keys[19].clone()],
        Vec::new(),
    )];
    let started = Instant::now();
    let error = store.run_script(&BOTH, &call).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::NotReady, false)
    );
    assert!(started.elapsed() < 2 * REQUEST_TIMEOUT);
    cluster.finish_move(keys[0].slot(), to).await.unwrap();
    let replies = store.run_script(&BOTH, &call).await.unwrap();
    assert_eq!(replies, [Reply::Integer(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_on_without_an_error_while_slots_move() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&cluster.url())
        .request_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let keys: Vec<Key> = (0..8)
        .flat_map(|tag| tagged(&format!("traffic{tag}"), 4))
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (store, keys, done) = (store.clone(), keys.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let increments: Vec<Increment> = keys
                    .iter()
                    .map(|key| Increment::new(key.clone(), 1, Ttl::seconds(60)))
                    .collect();
                let mut rounds = 0;
                while !done.load(Ordering::SeqCst) {
                    store.increment(&increments).await.unwrap();
                    let values = store.get_many(&keys).await.unwrap();
                    assert!(values.iter().all(Option::is_some));
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    for tag in 0..4 {
        let slot = tagged(&format!("traffic{tag}"), 1)[0].slot();
        let to = (cluster.node_of_slot(slot).await.unwrap() + 1) % 3;
        cluster.begin_move(slot, to).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        cluster.finish_move(slot, to).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut rounds = 0;
    for worker in workers {
        rounds += worker.await.unwrap();
    }
    assert!(rounds > 0);
    let expected = Some(Bytes::from(rounds.to_string()));
    for value in store.get_many(&keys).await.unwrap() {
        assert_eq!(value, expected, "every addition counted, and once");
    }
}

async fn walk(store: &RedisStore, mut between: impl AsyncFnMut(usize)) -> Vec<Key> {
    let mut request = ScanRequest::new(Pattern::raw("cluster:walk:*").unwrap()).with_count(50);
    let mut found = Vec::new();
    for step in 0.. {
        let page = store.scan(&request).await.unwrap();
        found.extend(page.keys);
        between(step).await;
        match page.next {
            Some(cursor) => request = request.continue_from(cursor),
            None => break,
        }
    }
    found.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    found.dedup();
    found
}

async fn a_walk_on(kind: Kind) {
    let Some(cluster) = ClusterServer::start(kind).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let mut all = keys("walk", 1_000);
    fill(&store, &all).await;
    all.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(walk(&store, async |_| {}).await, all);
    // A key of the last node comes to the first, which the walk has left by then.
    let moved = all.iter().find(|key| key.slot() > 11_000).unwrap();
    let slot = moved.slot();
    let found = walk(&store, async |step| {
        if step == 10 {
            cluster.begin_move(slot, 0).await.unwrap();
            cluster.finish_move(slot, 0).await.unwrap();
        }
    });
    assert_eq!(found.await, all);
}

#[tokio::test]
async fn a_walk_finds_the_keys_of_all_nodes_and_those_that_moved_meanwhile_on_redis_7() {
    a_walk_on(Kind::Redis7).await;
}

#[tokio::test]
async fn a_walk_finds_the_keys_of_all_nodes_and_those_that_moved_meanwhile_on_redis_8() {
    a_walk_on(Kind::Redis8).await;
}

#[tokio::test]
async fn a_walk_finds_the_keys_of_all_nodes_and_those_that_moved_meanwhile_on_valkey_8() {
    a_walk_on(Kind::Valkey8).await;
}
