//! Time: the paused clock for lifetimes, and a wall clock that tests move.

use std::time::{Duration, SystemTime};

use cachekit_keys::Ttl;
use tokio::time::advance;

use super::{key, numbered, used, volatile};
use crate::{Expiration, Increment, KeyExpiry, MemoryStore, SetOptions, Store, StoreExt};

const NANO: Duration = Duration::from_nanos(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn a_ttl_ends_at_its_nanosecond() {
    let store = MemoryStore::new();
    store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::seconds(5)))
        .await
        .unwrap();
    advance(seconds(5) - NANO).await;
    assert_eq!(store.expiry(&key("k")).await.unwrap(), KeyExpiry::In(NANO));
    assert!(store.get(&key("k")).await.unwrap().is_some());
    advance(NANO).await;
    assert_eq!(store.expiry(&key("k")).await.unwrap(), KeyExpiry::Missing);
    assert!(store.get(&key("k")).await.unwrap().is_none());
    assert_eq!(store.delete(&[key("k")]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_longest_ttl_is_not_taken_for_never() {
    let store = MemoryStore::new();
    store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::MAX))
        .await
        .unwrap();
    assert_eq!(
        store.expiry(&key("k")).await.unwrap(),
        KeyExpiry::In(Ttl::MAX.as_duration())
    );
}

#[tokio::test(start_paused = true)]
async fn reading_an_expired_entry_frees_it() {
    let store = MemoryStore::new();
    store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::seconds(1)))
        .await
        .unwrap();
    advance(seconds(1)).await;
    assert!(used(&store).await > 0);
    assert!(store.get(&key("k")).await.unwrap().is_none());
    assert_eq!(used(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn writes_sweep_expired_entries_that_nobody_asks_for() {
    let store = MemoryStore::new();
    for number in 0..10_000 {
        store
            .set(
                &numbered(number),
                "v".into(),
                SetOptions::ttl(Ttl::seconds(1)),
            )
            .await
            .unwrap();
    }
    advance(seconds(1)).await;
    for round in 0..10_000 {
        store
            .set(&numbered(20_000 + round % 1_000), "v".into(), volatile())
            .await
            .unwrap();
    }
    assert_eq!(store.server_facts().await.unwrap().keys, 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_expired_counter_starts_over_with_a_new_window() {
    let store = MemoryStore::new();
    let hit = [Increment::new(key("c"), 1, Ttl::seconds(10))];
    assert_eq!(store.increment(&hit).await.unwrap(), [1]);
    advance(seconds(9)).await;
    assert_eq!(store.increment(&hit).await.unwrap(), [2]);
    assert_eq!(
        store.expiry(&key("c")).await.unwrap(),
        KeyExpiry::In(seconds(1))
    );
    advance(seconds(1)).await;
    assert_eq!(store.increment(&hit).await.unwrap(), [1]);
    assert_eq!(
        store.expiry(&key("c")).await.unwrap(),
        KeyExpiry::In(seconds(10))
    );
}

#[tokio::test(start_paused = true)]
async fn keep_on_an_expired_key_is_never() {
    let store = MemoryStore::new();
    store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::seconds(1)))
        .await
        .unwrap();
    advance(seconds(1)).await;
    store
        .set(&key("k"), "w".into(), SetOptions::new(Expiration::Keep))
        .await
        .unwrap();
    assert_eq!(store.expiry(&key("k")).await.unwrap(), KeyExpiry::Never);
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_follows_paused_time_and_can_be_set_and_shifted() {
    let store = MemoryStore::new();
    let start = SystemTime::UNIX_EPOCH + seconds(1_000_000);
    advance(seconds(30)).await;
    store.set_wall_clock(start);
    assert_eq!(store.time().await.unwrap(), start);
    advance(seconds(7)).await;
    assert_eq!(store.time().await.unwrap(), start + seconds(7));
    store.advance_wall_clock(seconds(100));
    assert_eq!(store.time().await.unwrap(), start + seconds(107));
    store.rewind_wall_clock(seconds(500));
    assert_eq!(
        store.time().await.unwrap(),
        start + seconds(7) - seconds(400)
    );
}

#[tokio::test(start_paused = true)]
async fn an_impossible_shift_leaves_the_wall_clock_alone() {
    let store = MemoryStore::new();
    let before = store.time().await.unwrap();
    store.advance_wall_clock(Duration::MAX);
    store.rewind_wall_clock(Duration::MAX);
    assert_eq!(store.time().await.unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_does_not_touch_expiry() {
    let store = MemoryStore::new();
    store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::seconds(60)))
        .await
        .unwrap();
    store.advance_wall_clock(seconds(86_400));
    assert_eq!(
        store.expiry(&key("k")).await.unwrap(),
        KeyExpiry::In(seconds(60))
    );
}
