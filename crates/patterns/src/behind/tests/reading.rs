//! Loads see unpersisted writes: no process brings the old row back from the database.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cachekit_keys::Ttl;

use super::support::{Bed, key, pass, seconds, text};
use crate::Cache;

/// Loads the old row, and counts how often.
fn old(
    loads: &Arc<AtomicU32>,
) -> impl FnOnce() -> std::future::Ready<std::io::Result<String>> + Send + use<> {
    let loads = Arc::clone(loads);
    move || {
        loads.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(text("from the database")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_finds_an_unpersisted_value_that_is_not_cached_any_more() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    bed.cache.remove(&key("a")).await.unwrap();
    let loads = Arc::default();
    // Handles of their own, as in another process.
    let other = Cache::builder(Arc::clone(&bed.store) as _, bed.schema.clone());
    let other: Cache<_, String> = other.build().unwrap();
    for cache in [&bed.cache, &other] {
        let value = cache.get_or_load(&key("a"), old(&loads)).await.unwrap();
        assert_eq!(value, text("new"));
    }
    assert_eq!(loads.load(Ordering::Relaxed), 0);
    worker.drain(seconds(5)).await.unwrap();
    let value = other.get_or_load(&key("a"), old(&loads)).await.unwrap();
    assert_eq!(value, text("from the database"));
}

#[tokio::test(start_paused = true)]
async fn a_load_of_a_deleted_key_is_told_that_there_is_no_value() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    writes.delete(&key("a")).await.unwrap();
    let loads = Arc::default();
    let error = bed.cache.get_or_load(&key("a"), old(&loads)).await;
    assert_eq!(
        error.unwrap_err().kind(),
        cachekit_store::ErrorKind::NotFound
    );
    let found = bed.cache.fetch(&key("a"), old(&loads)).await.unwrap();
    assert_eq!(found.value, None);
    assert_eq!(loads.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_store_the_old_row_over_a_value_past_its_fresh_time() {
    let bed = Bed::new();
    let cache = Cache::builder(Arc::clone(&bed.store) as _, bed.schema.clone());
    let cache = cache.ttl(Ttl::seconds(10)).stale_for(Ttl::seconds(600));
    let cache: Cache<_, String> = cache.build().unwrap();
    let queue = crate::WriteBehind::builder(&cache, Arc::clone(&bed.rows));
    let (writes, _worker) = queue.build().await.unwrap();
    writes.put(&key("a"), &text("new")).await.unwrap();
    pass(seconds(30)).await;
    let loads = Arc::default();
    for _ in 0..3 {
        let value = cache.get_or_load(&key("a"), old(&loads)).await.unwrap();
        assert_eq!(value, text("new"));
    }
    pass(seconds(1_000)).await;
    let value = cache.get_or_load(&key("a"), old(&loads)).await.unwrap();
    assert_eq!(value, text("new"));
    assert_eq!(loads.load(Ordering::Relaxed), 0);
}
