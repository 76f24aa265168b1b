//! What runs at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{Key, KeySchema, Namespace, Ttl};
use cachekit_limits::InFlightLimiter;
use cachekit_store::{ErrorKind, ExpireChange, KeyExpiry, MemoryStore, RedisStore, Store};
use cachekit_testkit::server::{Kind, SharedServer};
use tokio::task::JoinSet;

use crate::support::{START, at, user};

const LEASE: Duration = Duration::from_secs(30);

fn limiter(max: u64) -> (InFlightLimiter, MemoryStore) {
    let store = MemoryStore::new();
    store.set_wall_clock(at(START));
    let shared = Arc::new(store.clone());
    let limiter = InFlightLimiter::new(shared, KeySchema::plain(), max, LEASE);
    (limiter.unwrap(), store)
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_releases_ends_by_itself() {
    let (limiter, store) = limiter(2);
    drop(limiter.acquire(&user(), 1).await.unwrap().lease().unwrap());
    tokio::time::advance(LEASE / 2).await;
    drop(limiter.acquire(&user(), 1).await.unwrap().lease().unwrap());
    let denied = limiter.acquire(&user(), 1).await.unwrap();
    assert_eq!(
        (denied.is_allowed(), denied.retry_after()),
        (false, LEASE / 2)
    );
    tokio::time::advance(denied.retry_after()).await;
    assert_eq!(limiter.free(&user()).await.unwrap(), 1);
    assert!(limiter.acquire(&user(), 1).await.unwrap().is_allowed());
    tokio::time::advance(LEASE).await;
    let key = Key::from_raw("ratelimit:user123:inflight:requests").unwrap();
    assert_eq!(store.expiries(&[key]).await.unwrap(), [KeyExpiry::Missing]);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_lasts_and_one_that_ended_cannot_be_renewed() {
    let (limiter, _) = limiter(1);
    let lease = limiter.acquire(&user(), 1).await.unwrap().lease().unwrap();
    for _ in 0..3 {
        tokio::time::advance(LEASE - Duration::from_micros(1)).await;
        assert!(lease.renew().await.unwrap());
    }
    tokio::time::advance(LEASE).await;
    assert!(!lease.renew().await.unwrap());
    let other = limiter.acquire(&user(), 1).await.unwrap().lease().unwrap();
    assert!(!lease.renew().await.unwrap());
    // Releasing what has ended takes nothing from its successor.
    assert!(!lease.release().await.unwrap());
    assert_eq!(limiter.free(&user()).await.unwrap(), 0);
    assert!(other.release().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn permits_are_taken_together_or_not_at_all() {
    let (limiter, _) = limiter(5);
    let three = limiter.acquire(&user(), 3).await.unwrap();
    assert_eq!((three.limit(), three.remaining()), (5, 2));
    assert!(!limiter.acquire(&user(), 3).await.unwrap().is_allowed());
    assert_eq!(limiter.free(&user()).await.unwrap(), 2);
    let lease = three.lease().unwrap();
    assert_eq!(lease.permits(), 3);
    assert!(lease.release().await.unwrap());
    assert_eq!(limiter.free(&user()).await.unwrap(), 5);
    for never in [0, 6] {
        let error = limiter.acquire(&user(), never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_tells_when_there_is_room_for_all_that_was_asked_for() {
    let (limiter, _) = limiter(4);
    for permits in [1, 2, 1] {
        let admission = limiter.acquire(&user(), permits).await.unwrap();
        drop(admission.lease().unwrap());
        tokio::time::advance(LEASE / 10).await;
    }
    for (permits, tenths) in [(1, 7), (2, 8), (3, 8), (4, 9)] {
        let denied = limiter.acquire(&user(), permits).await.unwrap();
        assert_eq!(denied.retry_after(), LEASE / 10 * tenths, "{permits}");
    }
    tokio::time::advance(LEASE / 10 * 8 - Duration::from_micros(1)).await;
    assert!(!limiter.acquire(&user(), 3).await.unwrap().is_allowed());
    tokio::time::advance(Duration::from_micros(1)).await;
    assert!(limiter.acquire(&user(), 3).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_does_not_prolong_leases() {
    let (limiter, store) = limiter(1);
    drop(limiter.acquire(&user(), 1).await.unwrap().lease().unwrap());
    store.set_wall_clock(at(START - 86_400_000_000));
    let key = Key::from_raw("ratelimit:user123:inflight:requests").unwrap();
    let keep = ExpireChange::After(Ttl::seconds(1_000_000));
    assert_eq!(store.expire(&[key], keep).await.unwrap(), [true]);
    let denied = limiter.acquire(&user(), 1).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.retry_after()), (false, LEASE));
    tokio::time::advance(LEASE).await;
    assert!(limiter.acquire(&user(), 1).await.unwrap().is_allowed());
}

#[test]
fn numbers_out_of_range_are_refused() {
    let of = |max, lease| {
        let store = Arc::new(MemoryStore::new());
        InFlightLimiter::new(store, KeySchema::plain(), max, lease)
    };
    for refused in [
        of(0, LEASE),
        of(10_001, LEASE),
        of(1, Duration::ZERO),
        of(1, Duration::MAX),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_than_the_limit_run_at_once_on_a_server() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::sharded().with_namespace(space);
    let (running, most, done) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        let limiter = InFlightLimiter::new(store, schema.clone(), 5, LEASE).unwrap();
        for _ in 0..6 {
            let limiter = limiter.clone();
            let (running, most, done) =
                (Arc::clone(&running), Arc::clone(&most), Arc::clone(&done));
            tasks.spawn(async move {
                for _ in 0..20 {
                    let Some(lease) = limiter.acquire(&user(), 1).await.unwrap().lease() else {
                        continue;
                    };
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    assert!(lease.renew().await.unwrap());
                    running.fetch_sub(1, Ordering::SeqCst);
                    assert!(lease.release().await.unwrap());
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 5);
    assert!(done.load(Ordering::SeqCst) > 0);
    let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
    let limiter = InFlightLimiter::new(store, schema, 5, LEASE).unwrap();
    assert_eq!(limiter.free(&user()).await.unwrap(), 5);
}
