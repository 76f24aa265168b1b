//! The Redis store on a cluster: the conformance cases, and what happens when slots move and nodes fail.

mod calls;
mod messages;
mod moves;
mod nodes;

use std::time::{Duration, Instant};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{RedisStore, SetItem, SetOptions, Store};
use cachekit_testkit::server::ClusterServer;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

fn ttl() -> SetOptions {
    SetOptions::ttl(Ttl::seconds(60))
}

/// Keys in slots all over the cluster.
fn keys(name: &str, count: usize) -> Vec<Key> {
    (0..count)
        .map(|index| Key::from_raw(format!("cluster:{name}:{index}")).unwrap())
        .collect()
}

/// Keys in one slot.
fn tagged(tag: &str, count: usize) -> Vec<Key> {
    (0..count)
        .map(|index| Key::from_raw(format!("{{{tag}}}:{index}")).unwrap())
        .collect()
}

async fn connect(cluster: &ClusterServer) -> RedisStore {
    RedisStore::builder(&cluster.url())
        .request_timeout(REQUEST_TIMEOUT)
        .connect()
        .await
        .unwrap()
}

async fn fill(store: &RedisStore, keys: &[Key]) {
    let items: Vec<SetItem> = keys
        .iter()
        .map(|key| SetItem::new(key.clone(), key.to_bytes(), ttl()))
        .collect();
    assert!(store.set_many(&items).await.unwrap().iter().all(|set| *set));
}

fn values(keys: &[Key]) -> Vec<Option<Bytes>> {
    keys.iter().map(|key| Some(key.to_bytes())).collect()
}

/// Waits until `done`, and fails when that takes longer than `limit`.
async fn within(limit: Duration, done: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + limit;
    while !done().await {
        assert!(Instant::now() < deadline, "not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
