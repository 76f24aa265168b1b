//! What one call may say in place of the cache.

use std::{io, sync::Arc, time::Duration};

use cachekit_keys::{Jitter, KeySchema, Ttl};
use cachekit_store::{KeyExpiry, MemoryStore, Store};
use tokio::time::advance;

use super::support::{Origins, builder, cache, key, old, project, secs, settle, tree};
use crate::{LevelCaches, LoadOptions, Origin, Refresh};

#[tokio::test(start_paused = true)]
async fn a_calls_jitter_spreads_what_it_loads() {
    let cache = cache(&Arc::default());
    let options = LoadOptions::new().with_jitter(Jitter::fraction(0.5).unwrap());
    let mut lives = Vec::new();
    for n in 0..40 {
        let loader = |_| async { Ok::<_, io::Error>("x".to_owned()) };
        cache.fetch_with(&key(n), &options, loader).await.unwrap();
        match cache.expiry(&key(n)).await.unwrap() {
            KeyExpiry::In(left) => lives.push(left),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        lives
            .iter()
            .all(|life| *life >= secs(50) && *life <= secs(100))
    );
    lives.sort();
    assert!(lives[39] - lives[0] > secs(5), "{lives:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_says_how_long_it_is_kept_that_there_is_none() {
    let cache = cache(&Arc::default());
    let options = LoadOptions::new().with_negative_ttl(Ttl::seconds(9));
    let loader = |_| async { Ok::<_, io::Error>(None::<String>) };
    let cached = cache.fetch_with(&tree(), &options, loader).await.unwrap();
    assert!(cached.is_negative());
    let left = cache.expiry(&tree()).await.unwrap();
    assert_eq!(left, KeyExpiry::In(secs(9)));
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_nothing_that_is_staler_than_it_says() {
    for plain in [false, true] {
        let (store, origin) = (Arc::default(), Origins::default());
        let cache = builder(&store).stale_for(Ttl::seconds(50));
        let cache = if plain { cache.plain() } else { cache };
        let cache = cache.build().unwrap();
        old(&cache).await;
        advance(secs(110)).await;
        let ask = |bound| {
            let (loader, options) = (origin.failing(), LoadOptions::new().with_stale_for(bound));
            let cache = cache.clone();
            async move { cache.fetch_with(&tree(), &options, |_| loader()).await }
        };
        assert!(ask(Ttl::seconds(9)).await.is_err());
        let served = ask(Ttl::seconds(11)).await.unwrap();
        assert_eq!(served.origin, Origin::Stale);
    }
}

/// Reads once at 75 s and once at 85 s of 100 s, and tells how often the origin was asked by then.
async fn refreshed(options: LoadOptions, life: u64) -> [u32; 3] {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = cache(&store);
    let ask = || {
        let (cache, loader, options) = (cache.clone(), origin.now(), options.clone());
        async move {
            let cached = cache
                .fetch_with(&tree(), &options, |_| loader())
                .await
                .unwrap();
            settle().await;
            cached
        }
    };
    ask().await;
    let mut calls = [origin.calls(), 0, 0];
    let part = Duration::from_secs(life) / 100;
    for (percent, calls) in [75, 10].into_iter().zip(&mut calls[1..]) {
        advance(part * percent).await;
        assert_eq!(ask().await.origin, Origin::Fresh);
        *calls = origin.calls();
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn a_call_refreshes_as_it_says_also_what_it_gives_a_life_of_its_own() {
    let early = LoadOptions::new().with_refresh(Refresh::at(0.8).unwrap());
    assert_eq!(refreshed(early.clone(), 100).await, [1, 1, 2]);
    let short = early.clone().with_ttl(Ttl::seconds(20));
    assert_eq!(refreshed(short, 20).await, [1, 1, 2]);
    let long = early.with_ttl(Ttl::seconds(400));
    assert_eq!(refreshed(long, 400).await, [1, 1, 2]);
    assert_eq!(refreshed(LoadOptions::new(), 100).await, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_levels_handle_refreshes_as_a_call_says() {
    let store = Arc::<MemoryStore>::default() as Arc<dyn Store>;
    let levels = LevelCaches::builder(store, KeySchema::plain())
        .build()
        .unwrap();
    let (handle, origin) = (levels.project(&project()), Origins::default());
    let options = LoadOptions::new()
        .with_ttl(Ttl::seconds(100))
        .with_refresh(Refresh::at(0.8).unwrap());
    for (wait, calls) in [(0, 1), (75, 1), (10, 2), (10, 2)] {
        advance(secs(wait)).await;
        let loader = origin.now();
        let cached = handle.fetch_with::<String, _, _, _, _>("file_tree", &options, |_| loader());
        cached.await.unwrap();
        settle().await;
        assert_eq!(origin.calls(), calls, "after {wait} s more");
    }
    assert_eq!(
        handle.get::<String>("file_tree").await.unwrap().as_deref(),
        Some("v0")
    );
}
