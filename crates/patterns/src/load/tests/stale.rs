//! Values past their fresh time, when the origin is down or slow.

use std::{io, sync::Arc, time::Duration};

use cachekit_keys::Ttl;
use cachekit_store::{ErrorKind, MemoryStore};
use tokio::time::{Instant, advance};

use super::support::{Origins, Trees, builder, old, secs, settle, tree};
use crate::{LoadContext, LoadOptions, Loaded, Origin};

/// Fresh for 100 s and stale for 50 s, with a header or without.
fn caches() -> [(Arc<MemoryStore>, Trees); 2] {
    let (with, without) = (Arc::default(), Arc::default());
    let stale = |store| builder(store).stale_for(Ttl::seconds(50));
    let (header, plain) = (stale(&with).build(), stale(&without).plain().build());
    [(with, header.unwrap()), (without, plain.unwrap())]
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_where_the_loader_fails_and_only_within_its_bound() {
    for (_store, cache) in caches() {
        let origin = Origins::default();
        cache.fetch(&tree(), origin.now()).await.unwrap();
        advance(secs(99)).await;
        let fresh = cache.fetch(&tree(), origin.failing()).await.unwrap();
        assert_eq!((fresh.origin, fresh.age), (Origin::Fresh, Some(secs(99))));

        advance(secs(1)).await;
        assert_eq!(cache.get(&tree()).await.unwrap(), None);
        let stale = cache.fetch(&tree(), origin.failing()).await.unwrap();
        assert_eq!(stale.origin, Origin::Stale);
        assert_eq!(stale.value.as_deref(), Some("v0"));
        assert_eq!(cache.counts().stale_hits, 1);

        advance(secs(51)).await;
        let error = cache.fetch(&tree(), origin.failing()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoadFailed);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_throttled_while_something_stale_is_served() {
    for (_store, cache) in caches() {
        let origin = Origins::default();
        old(&cache).await;
        advance(secs(100)).await;
        for _ in 0..350 {
            let cached = cache.fetch(&tree(), origin.failing()).await.unwrap();
            assert_eq!(cached.origin, Origin::Stale);
            advance(Duration::from_millis(100)).await;
        }
        // At 0, 1, 3, 7, 15 and 31 seconds.
        assert_eq!(origin.calls(), 6);
        advance(secs(10)).await;
        let cached = cache.fetch(&tree(), origin.now()).await.unwrap();
        assert_eq!(cached.origin, Origin::Stale, "still held back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_is_not_waited_for_beyond_the_soft_time_out_and_goes_on() {
    for (_store, cache) in caches() {
        let origin = Origins::default();
        old(&cache).await;
        advance(secs(100)).await;
        let options = LoadOptions::new().with_soft_timeout(Duration::from_millis(50));
        let (start, loader) = (Instant::now(), origin.after(secs(2)));
        let cached = cache
            .fetch_with(&tree(), &options, |_| loader())
            .await
            .unwrap();
        assert_eq!(
            (cached.origin, cached.value.as_deref()),
            (Origin::Stale, Some("old"))
        );
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        advance(secs(2)).await;
        settle().await;
        let cached = cache.fetch(&tree(), origin.now()).await.unwrap();
        assert_eq!(
            (cached.origin, cached.value.as_deref()),
            (Origin::Fresh, Some("v0"))
        );
        assert_eq!(origin.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_patience_a_stale_value_is_served_at_once_and_the_load_goes_on() {
    for (_store, cache) in caches() {
        let origin = Origins::default();
        old(&cache).await;
        advance(secs(100)).await;
        let options = LoadOptions::new().with_soft_timeout(Duration::ZERO);
        let start = Instant::now();
        for _ in 0..3 {
            let loader = origin.after(secs(2));
            let cached = cache.fetch_with(&tree(), &options, |_| loader()).await;
            assert_eq!(cached.unwrap().origin, Origin::Stale);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        settle().await;
        advance(secs(2)).await;
        settle().await;
        assert_eq!(origin.calls(), 1);
        assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("v0"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_soft_time_out_does_not_matter_without_a_stale_value() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = builder(&store)
        .soft_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let cached = cache.fetch(&tree(), origin.after(secs(2))).await.unwrap();
    assert_eq!(cached.origin, Origin::Loaded);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_at_once_while_another_process_loads() {
    let (store, origin) = (Arc::default(), Origins::default());
    let other = |store| builder(store).stale_for(Ttl::seconds(50)).build().unwrap();
    let (one, other) = (other(&store), other(&store));
    old(&one).await;
    advance(secs(100)).await;
    let loader = origin.gated();
    let loading = tokio::spawn(async move { one.fetch(&tree(), loader).await.unwrap() });
    origin.began().await;
    let start = Instant::now();
    let cached = other.fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(
        (cached.origin, start.elapsed()),
        (Origin::Stale, Duration::ZERO)
    );
    origin.open();
    assert_eq!(loading.await.unwrap().origin, Origin::Loaded);
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_modified_gives_the_stale_value_another_life() {
    for (_store, cache) in caches() {
        old(&cache).await;
        advance(secs(110)).await;
        let same = |load: LoadContext<String>| async move {
            assert_eq!(load.stale().map(String::as_str), Some("old"));
            Ok::<_, io::Error>(Loaded::not_modified())
        };
        let cached = cache
            .fetch_with(&tree(), &LoadOptions::new(), same)
            .await
            .unwrap();
        assert_eq!(
            (cached.origin, cached.value.as_deref()),
            (Origin::Loaded, Some("old"))
        );
        advance(secs(99)).await;
        assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("old"));
    }
}
