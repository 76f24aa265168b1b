//! Loading anew what is still fresh.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Ttl};
use cachekit_store::{Fault, FaultPlan, FaultRule, MemoryStore};
use tokio::time::{Instant, advance};

use super::support::{Origins, Trees, builder, faulty, key, secs, settle, tree};
use crate::{Cache, Origin, Refresh};

fn early(store: &Arc<MemoryStore>, refresh: Refresh) -> Trees {
    builder(store).refresh(refresh).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn past_the_threshold_one_process_loads_in_the_background_and_no_caller_waits() {
    let plain = |store: &Arc<MemoryStore>| early(store, Refresh::at(0.8).unwrap());
    let header = |store: &Arc<MemoryStore>| {
        let cache = builder(store).stale_for(Ttl::seconds(50));
        cache.refresh(Refresh::at(0.8).unwrap()).build().unwrap()
    };
    for build in [&plain as &dyn Fn(&Arc<MemoryStore>) -> Trees, &header] {
        let (store, origin) = (Arc::default(), Origins::default());
        let (one, other) = (build(&store), build(&store));
        one.fetch(&tree(), origin.now()).await.unwrap();
        origin.change();
        advance(secs(79)).await;
        one.fetch(&tree(), origin.now()).await.unwrap();
        settle().await;
        assert_eq!(origin.calls(), 1);

        advance(secs(1)).await;
        let start = Instant::now();
        for cache in [&one, &other, &one, &other] {
            let cached = cache.fetch(&tree(), origin.after(secs(3))).await.unwrap();
            assert_eq!(
                (cached.origin, cached.value.as_deref()),
                (Origin::Fresh, Some("v0"))
            );
            settle().await;
        }
        assert_eq!((start.elapsed(), origin.calls()), (Duration::ZERO, 2));
        advance(secs(3)).await;
        settle().await;
        let cached = other.fetch(&tree(), origin.now()).await.unwrap();
        assert_eq!(
            (cached.origin, cached.value.as_deref()),
            (Origin::Fresh, Some("v1"))
        );
        assert_eq!(origin.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_leaves_the_value_and_is_not_repeated_at_once() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = early(&store, Refresh::at(0.5).unwrap());
    cache.fetch(&tree(), origin.now()).await.unwrap();
    advance(secs(60)).await;
    for _ in 0..10 {
        let cached = cache.fetch(&tree(), origin.failing()).await.unwrap();
        assert_eq!(cached.origin, Origin::Fresh);
        settle().await;
    }
    assert_eq!(origin.calls(), 2);
    advance(secs(1)).await;
    cache.fetch(&tree(), origin.now()).await.unwrap();
    settle().await;
    assert_eq!(origin.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_during_its_refresh_does_not_come_back() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = early(&store, Refresh::at(0.5).unwrap());
    cache.fetch(&tree(), origin.now()).await.unwrap();
    advance(secs(60)).await;
    cache.fetch(&tree(), origin.gated()).await.unwrap();
    origin.began().await;
    origin.change();
    cache.remove(&tree()).await.unwrap();
    origin.open();
    settle().await;
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn xfetch_refreshes_more_often_the_nearer_the_end_and_the_same_for_one_seed() {
    let run = |seed| async move {
        let (store, origin) = (Arc::default(), Origins::default());
        let cache = builder(&store)
            .refresh(Refresh::xfetch(1.0).unwrap())
            .seed(seed);
        let cache = cache.build().unwrap();
        // It takes 2 s, so that a refresh 40 s before the end has a chance of exp(-20).
        cache.fetch(&tree(), origin.after(secs(2))).await.unwrap();
        for _ in 0..60 {
            cache.fetch(&tree(), origin.after(secs(2))).await.unwrap();
            advance(secs(1)).await;
        }
        assert_eq!(origin.calls(), 1);
        let mut seconds = 60;
        while origin.calls() == 1 {
            cache.fetch(&tree(), origin.after(secs(2))).await.unwrap();
            settle().await;
            advance(secs(1)).await;
            seconds += 1;
        }
        seconds
    };
    let first = run(7).await;
    assert_eq!(run(7).await, first);
    assert!(first > 80 && first <= 100, "{first}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_another_process_has_just_loaded_with_the_same_bytes_is_not_loaded_again() {
    let store: Arc<MemoryStore> = Arc::default();
    let plan = FaultPlan::new();
    let slow: Trees = Cache::builder(faulty(&store, &plan), KeySchema::plain())
        .ttl(Ttl::seconds(100))
        .refresh(Refresh::at(0.8).unwrap())
        .build()
        .unwrap();
    let (quick, origin) = (early(&store, Refresh::at(0.8).unwrap()), Origins::default());
    quick.fetch(&tree(), origin.now()).await.unwrap();
    advance(secs(85)).await;
    plan.add(FaultRule::new(Fault::Delay(secs(1))).on("lease_take"));
    slow.fetch(&tree(), origin.now()).await.unwrap();
    settle().await;
    quick.fetch(&tree(), origin.now()).await.unwrap();
    settle().await;
    assert_eq!(origin.calls(), 2);
    advance(secs(2)).await;
    settle().await;
    assert_eq!(origin.calls(), 2, "the one that came late finds it fresh");
}

#[tokio::test(start_paused = true)]
async fn xfetch_of_plain_values_goes_by_how_long_loads_of_this_process_take() {
    let run = |load_time: Duration| async move {
        let (store, origin) = (Arc::default(), Origins::default());
        let cache = builder(&store).refresh(Refresh::xfetch(1.0).unwrap());
        let cache = cache.plain().seed(7).build().unwrap();
        for n in 0..20 {
            let loader = origin.after(load_time);
            cache.fetch(&key(n), loader).await.unwrap();
            cache.remove(&key(n)).await.unwrap();
        }
        let loader = origin.after(load_time);
        cache.fetch(&tree(), loader).await.unwrap();
        let before = origin.calls();
        let start = Instant::now();
        while origin.calls() == before {
            cache.fetch(&tree(), origin.after(load_time)).await.unwrap();
            settle().await;
            advance(Duration::from_millis(500)).await;
        }
        start.elapsed()
    };
    let (quick, slow) = (run(Duration::from_millis(10)).await, run(secs(10)).await);
    assert!(quick > secs(98), "{quick:?}");
    assert!(slow < secs(95) && slow > secs(20), "{slow:?}");
}

#[tokio::test(start_paused = true)]
async fn xfetch_of_plain_values_refreshes_nothing_before_a_load_time_is_known() {
    let (store, origin) = (Arc::default(), Origins::default());
    let build = || {
        let cache = builder(&store).refresh(Refresh::xfetch(1.0).unwrap());
        cache.plain().build().unwrap()
    };
    build()
        .fetch(&tree(), origin.after(secs(10)))
        .await
        .unwrap();
    let newcomer = build();
    for _ in 0..99 {
        newcomer.fetch(&tree(), origin.now()).await.unwrap();
        settle().await;
        advance(secs(1)).await;
    }
    assert_eq!(origin.calls(), 1);
}
