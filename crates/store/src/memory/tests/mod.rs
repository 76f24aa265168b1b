//! What cannot be said over the trait alone is tested here; the commands' semantics are conformance cases.

mod books;
mod clock;
mod concurrency;
mod eviction;
mod run_locks;
mod runs;
mod scan;
mod sorted_set;
mod table;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};

use super::{MemoryStore, integer};
use crate::{SetOptions, Store};

fn key(name: impl Into<Bytes>) -> Key {
    Key::from_raw(name).unwrap()
}

fn numbered(number: usize) -> Key {
    key(format!("key:{number}"))
}

fn volatile() -> SetOptions {
    SetOptions::ttl(Ttl::seconds(3600))
}

async fn used(store: &MemoryStore) -> u64 {
    store.server_facts().await.unwrap().used_memory
}

#[test]
fn integers_have_one_form() {
    for number in [0, 7, -7, i64::MAX, i64::MIN] {
        assert_eq!(integer::parse(&integer::format(number)), Some(number));
    }
    for text in [
        "",
        " 1",
        "1 ",
        "+1",
        "01",
        "-0",
        "1.0",
        "9223372036854775808",
        "x",
    ] {
        assert_eq!(integer::parse(text.as_bytes()), None, "{text:?}");
    }
}

#[tokio::test]
async fn debug_output_holds_no_keys_and_no_values() {
    let store = MemoryStore::new();
    store
        .set(&key("secret-key"), "secret-value".into(), volatile())
        .await
        .unwrap();
    let shown = format!("{store:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("keys: 1"), "{shown}");
}

#[tokio::test]
async fn clones_share_data_and_the_closed_state() {
    let store = MemoryStore::new();
    let clone = store.clone();
    store.set(&key("k"), "v".into(), volatile()).await.unwrap();
    assert_eq!(
        clone.get(&key("k")).await.unwrap().as_deref(),
        Some(&b"v"[..])
    );
    clone.close().await;
    assert!(store.get(&key("k")).await.is_err());
    assert_eq!(
        store.keyspace().budget.used(),
        0,
        "closing frees what is stored"
    );
}

#[tokio::test]
async fn commands_are_counted_by_key() {
    let store = MemoryStore::new();
    store
        .get_many(&[key("a"), key("b"), key("c")])
        .await
        .unwrap();
    assert_eq!(store.server_facts().await.unwrap().total_commands, 3);
}

#[test]
fn works_outside_a_runtime() {
    let store = MemoryStore::new();
    assert!(
        store
            .keyspace()
            .set(&key("k"), "v".into(), volatile(), "set")
            .unwrap()
    );
    assert!(store.keyspace().get(&key("k"), "get").unwrap().is_some());
}

/// A short slice of a large buffer must not keep the buffer alive.
#[tokio::test]
async fn short_values_are_detached_from_their_buffer() {
    let buffer = Bytes::from(vec![7; 1 << 20]);
    let store = MemoryStore::new();
    store
        .set(&key("k"), buffer.slice(..100), volatile())
        .await
        .unwrap();
    assert!(buffer.is_unique());
}
