//! The guarantees of a scan while the table changes under it.

use std::collections::HashSet;

use cachekit_keys::{Key, Pattern};

use super::{key, numbered, volatile};
use crate::{ErrorKind, MemoryStore, ScanCursor, ScanRequest, Store};

async fn write(store: &MemoryStore, numbers: std::ops::Range<usize>) {
    for number in numbers {
        store
            .set(&numbered(number), "v".into(), volatile())
            .await
            .unwrap();
    }
}

async fn remove(store: &MemoryStore, numbers: std::ops::Range<usize>) {
    let keys: Vec<Key> = numbers.map(numbered).collect();
    store.delete(&keys).await.unwrap();
}

/// Walks with small steps and calls `between` after each, with its number.
async fn walk(store: &MemoryStore, mut between: impl AsyncFnMut(usize)) -> HashSet<Key> {
    let mut request = ScanRequest::new(Pattern::everything()).with_count(20);
    let mut found = HashSet::new();
    for step in 0.. {
        let page = store.scan(&request).await.unwrap();
        assert!(
            page.keys.len() < 40,
            "a page holds about as many keys as asked for"
        );
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        request = request.continue_from(next);
        between(step).await;
    }
    found
}

fn all_of(numbers: std::ops::Range<usize>) -> HashSet<Key> {
    numbers.map(numbered).collect()
}

#[tokio::test]
async fn a_scan_finds_every_key_while_the_table_grows() {
    let store = MemoryStore::new();
    write(&store, 0..1_000).await;
    let found = walk(&store, async |step| {
        if step < 30 {
            write(&store, 10_000 + step * 1_000..10_000 + (step + 1) * 1_000).await;
        }
    })
    .await;
    assert!(found.is_superset(&all_of(0..1_000)));
}

#[tokio::test]
async fn a_scan_finds_every_key_while_the_table_shrinks() {
    let store = MemoryStore::new();
    write(&store, 0..50_000).await;
    let found = walk(&store, async |step| {
        if step < 49 {
            remove(&store, 1_000 + step * 1_000..1_000 + (step + 1) * 1_000).await;
        }
    })
    .await;
    assert!(found.is_superset(&all_of(0..1_000)));
}

#[tokio::test]
async fn a_scan_finds_every_key_while_others_are_rewritten() {
    let store = MemoryStore::new();
    write(&store, 0..2_000).await;
    let found = walk(&store, async |step| {
        let range = 5_000..7_000;
        if step % 2 == 0 {
            write(&store, range).await
        } else {
            remove(&store, range).await
        }
    })
    .await;
    assert!(found.is_superset(&all_of(0..2_000)));
}

#[tokio::test]
async fn a_quiet_scan_reports_each_key_once() {
    let store = MemoryStore::new();
    write(&store, 0..5_000).await;
    let mut request = ScanRequest::new(Pattern::everything()).with_count(7);
    let mut found = Vec::new();
    loop {
        let page = store.scan(&request).await.unwrap();
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        request = request.continue_from(next);
    }
    assert_eq!(found.len(), 5_000);
    assert_eq!(HashSet::<Key>::from_iter(found), all_of(0..5_000));
}

#[tokio::test]
async fn a_page_is_bounded_whatever_is_asked_for() {
    let store = MemoryStore::new();
    write(&store, 0..20_000).await;
    let request = ScanRequest::new(Pattern::everything()).with_count(usize::MAX);
    let page = store.scan(&request).await.unwrap();
    assert!(page.next.is_some());
    assert!(
        // Empty buckets count as well, so it may be a little less than the bound.
        (9_000..10_050).contains(&page.keys.len()),
        "{}",
        page.keys.len()
    );
}

#[tokio::test]
async fn an_empty_store_is_walked_in_one_step() {
    let page = MemoryStore::new()
        .scan(&ScanRequest::new(Pattern::everything()))
        .await
        .unwrap();
    assert!(page.keys.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn a_foreign_cursor_is_refused() {
    let request = ScanRequest::new(Pattern::everything()).continue_from(ScanCursor::at(12_345));
    let error = MemoryStore::new().scan(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn expired_keys_are_not_reported() {
    let store = MemoryStore::new();
    let short = crate::SetOptions::ttl(cachekit_keys::Ttl::seconds(1));
    store.set(&key("short"), "v".into(), short).await.unwrap();
    store
        .set(&key("long"), "v".into(), volatile())
        .await
        .unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let page = store
        .scan(&ScanRequest::new(Pattern::everything()))
        .await
        .unwrap();
    assert_eq!(page.keys, [key("long")]);
}
