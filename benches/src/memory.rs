//! The memory store through the trait object, against an in-process cache.

use std::sync::Arc;

use cachekit::{
    keys::{Key, Ttl},
    store::{MemoryStore, SetOptions, Store},
};

use crate::{
    Outcome, bounds,
    harness::{Row, compare},
    report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 2] = ["memory/overhead", "memory/get"];
const KEYS: usize = 10_000;
const READS: usize = 200_000;
const THREADS: usize = 2;
/// Small entries whose memory is measured.
const SMALL_ENTRIES: usize = 500_000;
const SMALL_VALUE: usize = 16;
/// What a small entry may cost beyond its key and value, in bytes.
const OVERHEAD_LIMIT: f64 = 200.0;

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for name in wanted {
        let row = match *name {
            "memory/get" => get(name).await,
            _ => overhead(name).await?,
        };
        report::print(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// The resident memory that small entries with a TTL take, allocator included, less the bytes of key and value.
async fn overhead(name: &str) -> Outcome<Row> {
    let store = MemoryStore::builder().unbounded().build();
    let (before, mut payload) = (resident()?, 0);
    for index in 0..SMALL_ENTRIES {
        let key = Key::from_raw(format!("session:s{index}:theme"))?;
        payload += key.as_bytes().len() + SMALL_VALUE;
        let ttl = SetOptions::ttl(Ttl::seconds(3_600));
        store.set(&key, bytes(SMALL_VALUE).into(), ttl).await?;
    }
    let grown = resident()?.saturating_sub(before);
    let overhead = grown.checked_sub(payload);
    let overhead = overhead.ok_or("the entries were put where others had been")?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a process has far less than 2^53 bytes"
    )]
    let ours = overhead as f64 / SMALL_ENTRIES as f64;
    Ok(Row {
        name: name.to_owned(),
        ours,
        peer: OVERHEAD_LIMIT,
        peer_name: "the limit".to_owned(),
        unit: "bytes an entry".to_owned(),
        ratio: OVERHEAD_LIMIT / ours,
        low: OVERHEAD_LIMIT / ours,
        high: OVERHEAD_LIMIT / ours,
        at_least: bounds::of(name),
    })
}

/// Bytes of this process that are in memory.
fn resident() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kibibytes
        .ok_or("the system does not tell")?
        .parse::<usize>()?
        * 1024)
}

async fn get(name: &str) -> Row {
    let keys: Arc<Vec<Key>> = Arc::new(
        (0..KEYS)
            .filter_map(|index| Key::from_raw(format!("session:s{index}:current_file")).ok())
            .collect(),
    );
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let peer = moka::sync::Cache::new(KEYS as u64 * 2);
    for key in keys.iter() {
        let value = bytes(256);
        let ttl = SetOptions::ttl(Ttl::seconds(3_600));
        let written = store.set(key, value.clone().into(), ttl).await;
        assert!(written.is_ok());
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
    compare(name, "moka::sync", ours, theirs).await
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
