//! Loaders that fail, and entries that cannot be read.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_codec::ValueFormat;
use cachekit_keys::Ttl;
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, MemoryStore, Store, StoreExt};
use futures_util::future::join_all;
use tokio::time::{Instant, advance};

use super::support::{Origins, builder, builder_over, cache, faulty, key, secs, stored, tree};
use crate::{Loaded, Origin, lease::lease_of};

/// How long a failure is told again.
const HOLD: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_loaders_error_reaches_all_who_wait_as_it_was_and_a_later_call_loads_again() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let key = tree();
    let calls = (0..5).map(|_| cache.get_or_load(&key, origin.failing()));
    for result in join_all(calls).await {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoadFailed);
        assert!(!error.is_retryable());
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.unwrap().kind(), io::ErrorKind::ConnectionRefused);
    }
    assert_eq!(origin.calls(), 1);
    advance(HOLD).await;
    let value = cache.get_or_load(&tree(), origin.now()).await.unwrap();
    assert_eq!((value.as_str(), origin.calls()), ("v0", 2));
    let counts = cache.counts();
    assert_eq!((counts.loads, counts.load_errors), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_down_is_asked_seldom_also_where_nothing_stale_can_be_served() {
    let plan = FaultPlan::new();
    let store = builder_over(faulty(&Arc::default(), &plan));
    let with_store = store.stale_for(Ttl::seconds(60)).build().unwrap();
    for is_away in [false, true] {
        if is_away {
            plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
        }
        let (origin, wanted) = (Origins::default(), key(u32::from(is_away)));
        let mut told = 0;
        for _ in 0..1_000 {
            let error = with_store.get_or_load(&wanted, origin.failing()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LoadFailed);
            assert!(error.source().unwrap().is::<io::Error>(), "as it was");
            told += u32::from(error.to_string().contains("as the last load did"));
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(origin.calls(), 10, "the store is away: {is_away}");
        assert_eq!(told, 990);
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_failures_hold_is_the_caches_choice_and_each_key_has_its_own() {
    let (store, origin) = (Arc::default(), Origins::default());
    let never = builder(&store)
        .failure_hold(Duration::ZERO)
        .build()
        .unwrap();
    for _ in 0..5 {
        never
            .get_or_load(&tree(), origin.failing())
            .await
            .unwrap_err();
    }
    assert_eq!(origin.calls(), 5);
    let long = builder(&store).failure_hold(secs(10)).build().unwrap();
    long.get_or_load(&tree(), origin.failing())
        .await
        .unwrap_err();
    advance(secs(9)).await;
    long.get_or_load(&tree(), origin.now()).await.unwrap_err();
    assert_eq!(long.get_or_load(&key(1), origin.now()).await.unwrap(), "v0");
    advance(secs(1)).await;
    assert_eq!(long.get_or_load(&tree(), origin.now()).await.unwrap(), "v0");
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_gives_its_lease_back_and_wakes_the_other_process() {
    let (store, origin) = (Arc::default(), Origins::default());
    let (one, other) = (cache(&store), cache(&store));
    let failing = || async {
        tokio::time::sleep(secs(1)).await;
        Err::<String, _>(io::Error::other("down"))
    };
    let (key, start) = (tree(), Instant::now());
    let (failed, loaded) = tokio::join!(
        one.get_or_load(&key, failing),
        other.get_or_load(&key, origin.now()),
    );
    assert!(failed.is_err());
    assert_eq!(loaded.unwrap(), "v0");
    assert_eq!(start.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_callers_and_nobody_else() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let panics_later = || async { panic!("no") as Result<String, io::Error> };
    let error = cache.get_or_load(&tree(), panics_later).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    assert!(error.to_string().contains("the loader panicked"), "{error}");
    advance(HOLD).await;
    fn panics_at_once() -> std::future::Ready<Result<String, io::Error>> {
        panic!("no")
    }
    let error = cache
        .get_or_load(&tree(), panics_at_once)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    advance(HOLD).await;
    assert_eq!(
        cache.get_or_load(&tree(), origin.now()).await.unwrap(),
        "v0"
    );
    assert!(!store.exists(&lease_of(&stored()).unwrap()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_load_ends_at_its_hard_time_out() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = builder(&store).hard_timeout(secs(3)).build().unwrap();
    let start = Instant::now();
    let error = cache.get_or_load(&tree(), origin.after(secs(60))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::LoadFailed);
    assert_eq!(start.elapsed(), secs(3));
    advance(HOLD).await;
    assert_eq!(
        cache.get_or_load(&tree(), origin.now()).await.unwrap(),
        "v0"
    );
}

#[tokio::test(start_paused = true)]
async fn not_modified_without_a_value_is_a_failed_load() {
    let store = Arc::default();
    let loader = || async { Ok::<_, io::Error>(Loaded::<String>::not_modified()) };
    let error = cache(&store).fetch(&tree(), loader).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_entry_is_healed_by_the_load() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let damaged = Bytes::from_static(b"{ damaged");
    store
        .set_ttl(&stored(), damaged, Ttl::seconds(60))
        .await
        .unwrap();
    let cached = cache.fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(cached.origin, Origin::Loaded);
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("v0"));
    assert_eq!(cache.counts().corrupt, 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_a_newer_version_is_left_alone() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let mut newer = ValueFormat::json().encode_negative(&cachekit_codec::Meta::default());
    let newer = newer.as_mut().map(|bytes| {
        let mut bytes = bytes.to_vec();
        bytes[2] = 200; // the version
        Bytes::from(bytes)
    });
    let newer = newer.unwrap();
    store
        .set_ttl(&stored(), newer.clone(), Ttl::seconds(60))
        .await
        .unwrap();
    let cached = cache.fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(
        (cached.origin, cached.value.as_deref()),
        (Origin::Uncached, Some("v0"))
    );
    assert_eq!(store.get(&stored()).await.unwrap(), Some(newer));
    assert_eq!(cache.counts().newer, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_type_is_an_error() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    store.put_foreign(&stored());
    let error = cache(&store)
        .fetch(&tree(), origin.now())
        .await
        .unwrap_err();
    assert_eq!((error.kind(), origin.calls()), (ErrorKind::WrongType, 0));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_is_served_and_not_stored() {
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::builder().max_value_size(100).build());
    let loader = || async { Ok::<_, io::Error>("x".repeat(200)) };
    let cached = cache(&store).fetch(&tree(), loader).await.unwrap();
    assert_eq!(cached.origin, Origin::Uncached);
    assert!(!store.exists(&stored()).await.unwrap());
    assert!(!store.exists(&lease_of(&stored()).unwrap()).await.unwrap());
}
