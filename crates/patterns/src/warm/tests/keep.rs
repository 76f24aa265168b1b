//! Keeping hot keys warm on the memory store, under paused time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::{KeySchema, ProjectKey, Tag, Ttl};
use cachekit_store::{Fault, FaultPlan, FaultRule, Store, StoreExt, Tasks};
use tokio::time::{Instant, sleep};

use super::{Numbers, Origins, builder, key, keys, memory, stored};
use crate::{Invalidation, KeepWarm, LoadOptions};

/// A worker over the first keys, and its origin.
fn worker(cache: &Numbers, hot: u64) -> (KeepWarm<ProjectKey, u64>, Origins) {
    let origin = Origins::default();
    let worker = cache.keep_warm(
        move |most: usize| keys(hot.min(most as u64)),
        origin.loader(),
    );
    (
        worker
            .interval(Duration::from_secs(10))
            .loads_per_second(100),
        origin,
    )
}

#[tokio::test(start_paused = true)]
async fn hot_keys_never_expire_while_they_are_kept_warm_and_others_do() {
    let cache = builder(memory()).ttl(Ttl::seconds(60)).build().unwrap();
    cache
        .set_many(&keys(4).into_iter().zip(0..).collect::<Vec<_>>())
        .await
        .unwrap();
    let ((worker, origin), tasks) = (worker(&cache, 3), Tasks::new());
    tasks
        .spawn_until_stopped("keep warm", |stop| worker.run(stop))
        .unwrap();
    for _ in 0..600 {
        sleep(Duration::from_secs(1)).await;
        let values = cache.get_many(&keys(3)).await.unwrap();
        assert!(values.iter().all(Option::is_some), "{values:?}");
    }
    assert_eq!(cache.get(&key(3)).await.unwrap(), None);
    // 600 s, each load for 40 s or so: not at every look.
    assert!((30..=50).contains(&origin.calls()), "{}", origin.calls());
    assert!(
        tasks
            .shutdown(Duration::from_secs(5))
            .await
            .cut_off
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn hot_keys_come_back_after_a_flush() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .build()
        .unwrap();
    let (mut worker, origin) = worker(&cache, 5);
    assert_eq!(worker.round().await.unwrap(), 5);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(worker.round().await.unwrap(), 0);
    let invalidation = Invalidation::new(store, KeySchema::plain());
    invalidation
        .delete_matching(&cachekit_keys::Pattern::everything())
        .await
        .unwrap();
    assert_eq!(worker.round().await.unwrap(), 5);
    sleep(Duration::from_secs(1)).await;
    assert!(
        cache
            .get_many(&keys(5))
            .await
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
    assert_eq!(origin.calls(), 10);
}

#[tokio::test(start_paused = true)]
async fn of_several_processes_one_loads_what_is_about_to_expire() {
    let store = memory();
    let process = || {
        builder(Arc::clone(&store) as Arc<dyn Store>)
            .ttl(Ttl::seconds(60))
            .build()
            .unwrap()
    };
    let (left, right) = (process(), process());
    left.set(&key(0), &0).await.unwrap();
    let ((mut one, origin), (mut other, more)) = (worker(&left, 1), worker(&right, 1));
    assert_eq!(
        (one.round().await.unwrap(), other.round().await.unwrap()),
        (0, 0)
    );
    sleep(Duration::from_secs(45)).await;
    let begun = tokio::join!(one.round(), other.round());
    assert_eq!((begun.0.unwrap(), begun.1.unwrap()), (1, 1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(origin.calls() + more.calls(), 1);
    assert_eq!(other.round().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_a_stale_time_is_loaded_by_its_fresh_time() {
    let cache = builder(memory())
        .ttl(Ttl::seconds(60))
        .stale_for(Ttl::seconds(3_600))
        .build()
        .unwrap();
    cache.set(&key(0), &0).await.unwrap();
    let (mut worker, _) = worker(&cache, 1);
    sleep(Duration::from_secs(35)).await;
    assert_eq!(worker.round().await.unwrap(), 0);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(worker.round().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_and_the_concurrency_bound_what_a_flush_causes() {
    let cache = builder(memory()).build().unwrap();
    let (worker, origin) = worker(&cache, 50);
    let (mut worker, start) = (worker.loads_per_second(10), Instant::now());
    assert_eq!(worker.round().await.unwrap(), 50);
    assert_eq!(start.elapsed().as_millis(), 4_900);
    assert_eq!(origin.0.most.load(Ordering::SeqCst), 1);

    let cache = builder(memory()).build().unwrap();
    let origin = Origins::default();
    let mut worker = cache
        .keep_warm(|_: usize| keys(50), origin.loader())
        .loads_per_second(1_000)
        .concurrency(3);
    assert_eq!(
        worker.round().await.unwrap(),
        3,
        "the rest is for the next look"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_origin_is_given_time_and_the_worker_goes_on() {
    let cache = builder(memory()).build().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let mut worker = cache.keep_warm(
        |_: usize| keys(1),
        move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<u64, _>(io::Error::other("down")) }
        },
    );
    for _ in 0..10 {
        worker.round().await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_keep_its_tracker_alive() {
    let cache = builder(memory()).build().unwrap();
    let (tasks, alive) = (Tasks::new(), Arc::new(()));
    let held = Arc::clone(&alive);
    let worker = cache.keep_warm(
        move |_: usize| {
            let _ = &held;
            Vec::new()
        },
        |_| async { Ok::<_, io::Error>(1) },
    );
    tasks
        .spawn_until_stopped("keep warm", |stop| worker.run(stop))
        .unwrap();
    drop(cache);
    drop(tasks);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_has_loaded_since_the_look_is_left_alone() {
    let plan = FaultPlan::new();
    // The second look is slow, and finds what another process has stored meanwhile.
    plan.add(FaultRule::new(Fault::Delay(Duration::from_secs(1))).on("get_entries"));
    let store = memory();
    let slow = Arc::new(cachekit_store::Faults::new(
        Arc::clone(&store) as Arc<dyn Store>,
        &plan,
    ));
    let (cache, other) = (
        builder(slow).build().unwrap(),
        builder(store).build().unwrap(),
    );
    let (mut worker, origin) = worker(&cache, 1);
    let (begun, ()) = tokio::join!(worker.round(), async {
        sleep(Duration::from_millis(500)).await;
        other.set(&key(0), &9).await.unwrap();
    });
    assert_eq!((begun.unwrap(), origin.calls()), (0, 0));
    assert_eq!(cache.get(&key(0)).await.unwrap(), Some(9));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_waits_for_its_turn_is_looked_at_again() {
    let store = memory();
    let process = || {
        builder(Arc::clone(&store) as Arc<dyn Store>)
            .build()
            .unwrap()
    };
    let (left, right) = (process(), process());
    let ((one, origin), (other, more)) = (worker(&left, 4), worker(&right, 4));
    let (mut one, mut other) = (one.loads_per_second(1), other.loads_per_second(1));
    let begun = tokio::join!(one.round(), async {
        sleep(Duration::from_millis(500)).await;
        other.round().await
    });
    assert_eq!((begun.0.unwrap(), begun.1.unwrap()), (1, 3));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(origin.calls() + more.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_another_caches_is_left_to_it() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .build()
        .unwrap();
    let entry = Bytes::from_static(b"\"another type\"");
    store
        .set_ttl(&stored(1), entry.clone(), Ttl::seconds(1))
        .await
        .unwrap();
    let (mut worker, origin) = worker(&cache, 2);
    assert_eq!(worker.round().await.unwrap(), 1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(
        (origin.calls(), store.get(&stored(1)).await.unwrap()),
        (1, Some(entry))
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_warm_carries_the_tags_of_its_options() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .build()
        .unwrap();
    let (worker, _) = worker(&cache, 1);
    let tag = Tag::new("release-7").unwrap();
    let mut worker = worker.load_options(LoadOptions::new().with_tags([tag.clone()]));
    worker.round().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let invalidation = Invalidation::new(store, KeySchema::plain());
    assert_eq!(invalidation.invalidate_tag(&tag).await.unwrap(), 1);
}
