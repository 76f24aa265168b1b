//! One load for all who want the value, in one process and in several.

use std::{sync::Arc, time::Duration};

use cachekit_keys::Ttl;
use cachekit_store::{ErrorKind, MemoryStore, StoreExt, Tasks};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::support::{Origins, builder, cache, secs, settle, stored, tree};
use crate::{LoadOptions, Loaded, Origin};

#[tokio::test(start_paused = true)]
async fn a_hit_asks_no_loader() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = cache(&store);
    let loaded = cache.fetch(&tree(), origin.now()).await.unwrap();
    let found = cache.fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(
        (loaded.origin, found.origin),
        (Origin::Loaded, Origin::Fresh)
    );
    assert_eq!(found.value.as_deref(), Some("v0"));
    assert_eq!(origin.calls(), 1);
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.loads), (1, 1, 1));
    assert_eq!(store.get_text().await, "\"v0\"");
}

/// What a program in another language reads.
trait Text {
    async fn get_text(&self) -> String;
}

impl Text for MemoryStore {
    async fn get_text(&self) -> String {
        let bytes = cachekit_store::Store::get(self, &stored()).await.unwrap();
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn many_callers_of_many_processes_cost_one_load() {
    let (store, origin) = (Arc::default(), Origins::default());
    let caches: Vec<_> = (0..5).map(|_| cache(&store)).collect();
    let calls = (0..200).map(|n| {
        let (cache, loader) = (caches[n % 5].clone(), origin.after(secs(2)));
        async move { cache.get_or_load(&tree(), loader).await.unwrap() }
    });
    let start = Instant::now();
    let values = join_all(calls).await;
    assert!(values.iter().all(|value| value == "v0"));
    assert_eq!(origin.calls(), 1);
    assert_eq!(start.elapsed(), secs(2), "they are woken");
}

#[tokio::test(start_paused = true)]
async fn a_load_longer_than_its_lease_is_still_the_only_one() {
    let (store, origin) = (Arc::default(), Origins::default());
    let (one, other) = (cache(&store), cache(&store));
    let key = tree();
    let (left, right) = tokio::join!(
        one.get_or_load(&key, origin.after(secs(25))),
        other.get_or_load(&key, origin.after(secs(25))),
    );
    assert_eq!((left.unwrap(), right.unwrap()), ("v0".into(), "v0".into()));
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_is_followed_by_one_other_when_its_lease_ends() {
    let (store, origin) = (Arc::default(), Origins::default());
    let tasks = Tasks::new();
    let dying = builder(&store).tasks(tasks.clone()).build().unwrap();
    let loader = origin.gated();
    let call = tokio::spawn(async move { dying.get_or_load(&tree(), loader).await });
    origin.began().await;
    let _ = tasks.shutdown(Duration::ZERO).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);

    let start = Instant::now();
    let calls = (0..10).map(|_| {
        let (cache, loader) = (cache(&store), origin.after(secs(1)));
        async move { cache.get_or_load(&tree(), loader).await.unwrap() }
    });
    join_all(calls).await;
    assert_eq!(origin.calls(), 2);
    let took = start.elapsed();
    assert!(took >= secs(5) && took < secs(8), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_ends_nobodys_load() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = cache(&store);
    let (starter, loader) = (cache.clone(), origin.gated());
    let call = tokio::spawn(async move { starter.get_or_load(&tree(), loader).await });
    origin.began().await;
    let (joiner, loader) = (cache.clone(), origin.now());
    let joined = tokio::spawn(async move { joiner.get_or_load(&tree(), loader).await });
    settle().await;
    call.abort();
    settle().await;
    origin.open();
    assert_eq!(joined.await.unwrap().unwrap(), "v0");
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_without_callers_still_stores_its_value() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = cache(&store);
    let (starter, loader) = (cache.clone(), origin.gated());
    let call = tokio::spawn(async move { starter.get_or_load(&tree(), loader).await });
    origin.began().await;
    call.abort();
    origin.open();
    settle().await;
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("v0"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_loads() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let (cache, loader) = (cache(&store), origin.gated());
    let call = tokio::spawn(async move { cache.get_or_load(&tree(), loader).await });
    origin.began().await;
    call.abort();
    settle().await;
    origin.open();
    settle().await;
    assert!(!store.exists(&stored()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_loader_chooses_the_lifetime_before_the_call_and_the_cache() {
    let (store, cache_ttl) = (Arc::default(), Ttl::seconds(100));
    let cache = builder(&store).ttl(cache_ttl).build().unwrap();
    let options = LoadOptions::new().with_ttl(Ttl::seconds(50));
    let left = || async { cache.expiry(&tree()).await.unwrap() };
    let within = |seconds| cachekit_store::KeyExpiry::In(secs(seconds));

    let plain = |_| async { Ok::<_, std::io::Error>(String::from("x")) };
    cache.fetch_with(&tree(), &options, plain).await.unwrap();
    assert_eq!(left().await, within(50));
    cache.remove(&tree()).await.unwrap();
    let chosen = |_| async {
        let loaded = Loaded::value(String::from("x")).with_ttl(Ttl::seconds(7));
        Ok::<_, std::io::Error>(loaded)
    };
    cache.fetch_with(&tree(), &options, chosen).await.unwrap();
    assert_eq!(left().await, within(7));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_cached_is_shared_and_not_stored() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let calls = (0..10).map(|_| {
        let (cache, loader) = (cache.clone(), origin.after(secs(1)));
        async move {
            let loader = || async { loader().await.map(Loaded::uncached) };
            cache.fetch(&tree(), loader).await.unwrap()
        }
    });
    let all = join_all(calls).await;
    assert!(all.iter().all(|cached| cached.origin == Origin::Uncached));
    assert_eq!(origin.calls(), 1);
    assert!(!store.exists(&stored()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_negative_answer_is_kept_for_its_own_time() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = builder(&store)
        .negative_ttl(Ttl::seconds(9))
        .build()
        .unwrap();
    let loader = || {
        let loader = origin.now();
        || async { loader().await.map(|_| None::<String>) }
    };
    for _ in 0..2 {
        let error = cache.get_or_load(&tree(), loader()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(origin.calls(), 1);
    tokio::time::advance(secs(9)).await;
    assert!(cache.fetch(&tree(), loader()).await.unwrap().is_negative());
    assert_eq!(origin.calls(), 2);
}
