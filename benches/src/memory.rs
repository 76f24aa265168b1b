//! The memory store through the trait object, against an in-process cache.

use std::sync::Arc;

use cachekit::{
    keys::{Key, Ttl},
    store::{MemoryStore, SetOptions, Store},
};

use crate::harness::{Row, compare};

pub(crate) const ROWS: [&str; 1] = ["memory/get"];
const KEYS: usize = 10_000;
const READS: usize = 200_000;
const THREADS: usize = 2;

/// Runs a row of this module; `None` where the name is another's.
pub(crate) async fn run(name: &str) -> Option<Row> {
    if name != ROWS[0] {
        return None;
    }
    let keys: Arc<Vec<Key>> = Arc::new(
        (0..KEYS)
            .filter_map(|index| Key::from_raw(format!("session:s{index}:current_file")).ok())
            .collect(),
    );
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let peer = moka::sync::Cache::new(KEYS as u64 * 2);
    for key in keys.iter() {
        let value = bytes(256);
        let written = store
            .set(
                key,
                value.clone().into(),
                SetOptions::ttl(Ttl::seconds(3_600)),
            )
            .await;
        written.ok()?;
        peer.insert(key.clone(), bytes::Bytes::from(value));
    }
    let ours = || {
        let (store, keys) = (Arc::clone(&store), Arc::clone(&keys));
        on_threads(move |thread| {
            let (store, keys) = (Arc::clone(&store), Arc::clone(&keys));
            async move {
                for read in 0..READS {
                    let hit = store.get(&keys[(read * 7 + thread) % KEYS]).await;
                    assert!(hit.is_ok_and(|value| value.is_some()));
                }
            }
        })
    };
    let theirs = || {
        let (peer, keys) = (peer.clone(), Arc::clone(&keys));
        on_threads(move |thread| {
            let (peer, keys) = (peer.clone(), Arc::clone(&keys));
            async move {
                for read in 0..READS {
                    assert!(peer.get(&keys[(read * 7 + thread) % KEYS]).is_some());
                }
            }
        })
    };
    Some(compare(name, "moka::sync", ours, theirs).await)
}

fn bytes(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}

async fn on_threads<F: Future<Output = ()> + Send + 'static>(work: impl Fn(usize) -> F) -> usize {
    let tasks: Vec<_> = (0..THREADS)
        .map(|thread| tokio::spawn(work(thread)))
        .collect();
    for task in tasks {
        assert!(task.await.is_ok(), "a reader failed");
    }
    READS * THREADS
}
