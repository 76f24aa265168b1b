//! What one call may say in place of the cache.

use std::{io, sync::Arc, time::Duration};

use cachekit_codec::{Codec, ValueFormat};
use cachekit_keys::{Jitter, KeySchema, Ttl};
use cachekit_store::{ErrorKind, KeyExpiry, MemoryStore, Store};
use tokio::time::advance;

use super::support::{Origins, builder, cache, key, old, project, secs, settle, tree};
use crate::{LevelCaches, LoadOptions, Origin, Refresh, WriteOptions};

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

/// Each entry is read in whichever it was written, so that the next reader needs to know nothing.
#[tokio::test(start_paused = true)]
async fn a_call_says_what_its_value_is_written_in() {
    let store: Arc<MemoryStore> = Arc::default();
    let cache = cache(&store);
    let stored = async |n| {
        let key = KeySchema::plain().key(&key(n));
        store.get(&key).await.unwrap().unwrap()
    };
    let loader = |_| async { Ok::<_, io::Error>("x".to_owned()) };
    let binary = LoadOptions::new().with_codec(Codec::Bincode);
    let cached = cache.fetch_with(&key(1), &binary, loader).await;
    let written = WriteOptions::new().with_codec(Codec::Bincode);
    let set = cache.set_with(&key(2), &"x".to_owned(), &written).await;
    if !Codec::Bincode.is_built_in() {
        assert_eq!(cached.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(set.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    assert_eq!(cached.unwrap().value.as_deref(), Some("x"));
    set.unwrap();
    cache.set(&key(3), &"x".to_owned()).await.unwrap();
    assert_eq!(&stored(3).await[..], br#""x""#);
    for n in [1, 2] {
        assert_ne!(stored(n).await, stored(3).await);
        assert_eq!(cache.get(&key(n)).await.unwrap().as_deref(), Some("x"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_contradicts_the_cache_is_refused_before_anything_is_loaded() {
    let store: Arc<MemoryStore> = Arc::default();
    let plain = builder(&store).format(ValueFormat::plain_json());
    let (plain, origin) = (plain.build().unwrap(), Origins::default());
    let (options, loader) = (
        LoadOptions::new().with_codec(Codec::Bincode),
        origin.failing(),
    );
    let refused = plain.fetch_with(&tree(), &options, |_| loader()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(origin.calls(), 0);
    let options = LoadOptions::new().with_codec(Codec::Json);
    let loader = |_| async { Ok::<_, io::Error>("x".to_owned()) };
    assert!(plain.fetch_with(&tree(), &options, loader).await.is_ok());
}
