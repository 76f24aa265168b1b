//! How long callers wait: as long as they said, and not at all at the cost of the origin.

use std::{sync::Arc, time::Duration};

use cachekit_keys::Ttl;
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, MemoryStore, Tasks};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::support::{Origins, builder, builder_over, cache, faulty, key, secs, settle, tree};
use crate::{LoadOptions, Origin};

const HALF: Duration = Duration::from_millis(500);
/// A little longer than a load may take, so as to hear how it ended.
const GRACE: Duration = Duration::from_millis(60);

#[tokio::test(start_paused = true)]
async fn who_joins_a_longer_load_waits_no_longer_than_it_said() {
    let (store, origin) = (Arc::default(), Origins::default());
    for stale in [false, true] {
        let cache = builder(&store).stale_for(Ttl::seconds(50)).build().unwrap();
        if stale {
            super::support::old(&cache).await;
            tokio::time::advance(secs(110)).await;
        }
        let (starter, loader) = (cache.clone(), origin.after(secs(25)));
        let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await });
        settle().await;
        let start = Instant::now();
        let options = LoadOptions::new().with_hard_timeout(HALF);
        let loader = origin.now();
        let joined = cache.fetch_with(&tree(), &options, |_| loader()).await;
        let took = start.elapsed();
        assert!(took >= HALF && took <= HALF + GRACE, "{took:?}");
        match stale {
            true => assert_eq!(joined.unwrap().origin, Origin::Stale),
            false => assert_eq!(joined.unwrap_err().kind(), ErrorKind::Timeout),
        }
        assert_eq!(first.await.unwrap().unwrap().value.as_deref(), Some("v0"));
        assert!(cache.remove(&tree()).await.unwrap());
    }
    assert_eq!(origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_process_waits_no_longer_than_it_said() {
    let (store, origin) = (Arc::default(), Origins::default());
    let (loading, waiting) = (cache(&store), builder(&store).hard_timeout(secs(1)));
    let loader = origin.after(secs(29));
    let first = tokio::spawn(async move { loading.fetch(&tree(), loader).await });
    settle().await;
    let start = Instant::now();
    let waiting = waiting.build().unwrap();
    let error = waiting.fetch(&tree(), origin.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() <= secs(1) + GRACE, "{:?}", start.elapsed());
    // One whose patience is longer is none the worse for having joined it.
    let (short, patient) = (
        waiting.clone(),
        LoadOptions::new().with_hard_timeout(secs(60)),
    );
    let loader = origin.now();
    let short = tokio::spawn(async move { short.fetch(&tree(), loader).await });
    settle().await;
    let loader = origin.now();
    let found = waiting.fetch_with(&tree(), &patient, |_| loader()).await;
    assert_eq!(found.unwrap().value.as_deref(), Some("v0"));
    assert_eq!(short.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_origin_fails_asks_it_by_one_at_a_time() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let start = Instant::now();
    let calls = (0..40).map(|_| {
        let cache = builder(&store).hard_timeout(secs(2)).build().unwrap();
        let loader = origin.failing_after(Duration::from_millis(350));
        async move { cache.fetch(&tree(), loader).await.unwrap_err() }
    });
    let errors = join_all(calls).await;
    assert_eq!(origin.most_at_once(), 1);
    assert!(origin.calls() <= 7, "{}", origin.calls());
    assert!(start.elapsed() <= secs(4), "{:?}", start.elapsed());
    let out_of_time = errors.iter();
    let out_of_time = out_of_time.filter(|error| error.kind() == ErrorKind::Timeout);
    assert!(out_of_time.count() >= 33);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_long_load_is_killed_asks_the_origin_once_more() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let tasks = Tasks::new();
    let build = || {
        builder(&store)
            .hard_timeout(secs(5))
            .lease_ttl(Ttl::seconds(1))
    };
    let dying = build().tasks(tasks.clone()).build().unwrap();
    let loader = origin.after(secs(4));
    let first = tokio::spawn(async move { dying.fetch(&tree(), loader).await });
    settle().await;
    let calls = (0..40).map(|_| {
        let (cache, loader) = (build().build().unwrap(), origin.after(secs(4)));
        async move { cache.fetch(&tree(), loader).await }
    });
    let killer = async {
        tokio::time::sleep(secs(1)).await;
        let _ = tasks.shutdown(Duration::ZERO).await;
    };
    let (answers, ()) = tokio::join!(join_all(calls), killer);
    assert!(first.await.unwrap().is_err());
    assert_eq!(origin.calls(), 2, "the one that died, and one more");
    for answer in answers {
        match answer {
            Ok(cached) => assert_ne!(cached.origin, Origin::Uncached),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_a_call_waits_once_for_its_turn_and_its_load_together() {
    let plan = FaultPlan::new();
    let store = faulty(&Arc::default(), &plan);
    let cache = builder_over(store)
        .loads_without_store(1)
        .hard_timeout(secs(1));
    let cache = cache.build().unwrap();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let origin = Origins::default();
    let (other, loader) = (cache.clone(), origin.after(Duration::from_millis(900)));
    let first = tokio::spawn(async move { other.fetch(&key(1), loader).await });
    settle().await;
    let start = Instant::now();
    let loader = origin.after(Duration::from_millis(900));
    let error = cache.fetch(&key(2), loader).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    assert!(start.elapsed() <= secs(1) + GRACE, "{:?}", start.elapsed());
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_more_loads_run_at_once_than_may() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = builder(&store)
        .max_concurrent_loads(3)
        .hard_timeout(secs(5));
    let cache = cache.build().unwrap();
    let calls = (0..20).map(|n| {
        let (cache, loader) = (cache.clone(), origin.after(secs(1)));
        async move { cache.fetch(&key(n), loader).await }
    });
    let answers = join_all(calls).await;
    assert_eq!(origin.most_at_once(), 3);
    let (done, failed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(done.len() >= 12, "{}", done.len());
    for error in failed.into_iter().map(Result::unwrap_err) {
        assert!(matches!(
            error.kind(),
            ErrorKind::Overloaded | ErrorKind::LoadFailed
        ));
    }
}
