//! A store that cannot help: away, or one that takes no writes.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_codec::{Meta, ValueFormat};
use cachekit_keys::Ttl;
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, MemoryStore, StoreExt};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::support::{
    Origins, Trees, builder_over, cache, faulty, key, secs, settle, stored, tree,
};
use crate::{Loaded, Origin};

/// A cache over a store whose calls go wrong as planned, and the store itself.
fn planned(plan: &FaultPlan) -> (Arc<MemoryStore>, Trees) {
    let store = Arc::default();
    let cache = builder_over(faulty(&store, plan)).build().unwrap();
    (store, cache)
}

/// A server without memory refuses what writes, and still removes.
fn without_memory() -> FaultRule {
    FaultRule::new(Fault::Refuse(ErrorKind::OutOfMemory)).on("lease_take")
}

#[tokio::test(start_paused = true)]
async fn without_memory_who_comes_after_a_removal_is_not_given_what_was_loaded_before() {
    let (plan, origin) = (FaultPlan::new(), Origins::default());
    let (store, here) = planned(&plan);
    let there = cache(&store);
    plan.add(without_memory());
    for remover in [&here, &there] {
        let before = origin.value();
        let (starter, loader) = (here.clone(), origin.gated());
        let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await.unwrap() });
        origin.began().await;
        origin.change();
        remover.remove(&tree()).await.unwrap();
        let late = (0..10).map(|_| {
            let (late, loader) = (here.clone(), origin.after(secs(1)));
            tokio::spawn(async move { late.fetch(&tree(), loader).await.unwrap() })
        });
        let late: Vec<_> = late.collect();
        settle().await;
        let asked = origin.calls();
        origin.open();
        assert_eq!(first.await.unwrap().value, Some(before));
        for late in join_all(late).await {
            let late = late.unwrap();
            assert_eq!(late.origin, Origin::Uncached);
            assert_eq!(late.value, Some(origin.value()), "removed before it came");
        }
        assert_eq!(origin.calls(), asked + 1, "the late ones share one load");
        assert_eq!(origin.most_at_once(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_memory_not_modified_keeps_nothing_for_who_comes_after_a_removal() {
    let (plan, origin) = (FaultPlan::new(), Origins::default());
    let store = Arc::default();
    let build = |store| {
        let cache = builder_over(store).stale_for(Ttl::seconds(500));
        cache.build().unwrap()
    };
    let (here, there) = (build(faulty(&store, &plan)), build(store));
    super::support::old(&here).await;
    tokio::time::advance(secs(110)).await;
    plan.add(without_memory());
    let starter = here.clone();
    let first = tokio::spawn(async move {
        let same = || async {
            tokio::time::sleep(secs(2)).await;
            Ok::<_, io::Error>(Loaded::not_modified())
        };
        starter.fetch(&tree(), same).await.unwrap()
    });
    settle().await;
    assert!(there.remove(&tree()).await.unwrap());
    let late = here.fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(late.value.as_deref(), Some("v0"));
    assert_eq!(first.await.unwrap().value.as_deref(), Some("old"));
}

#[tokio::test(start_paused = true)]
async fn beside_a_newer_entry_who_comes_after_a_removal_is_not_given_what_was_loaded_before() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let cache = cache(&store);
    let meta = Meta::default().with_created_at(1);
    let mut newer = ValueFormat::json().encode("newer", &meta).unwrap().to_vec();
    newer[2] = 99; // the version
    let newer = Bytes::from(newer);
    let key = stored();
    let put = || store.set_ttl(&key, newer.clone(), Ttl::seconds(60));
    put().await.unwrap();
    let (starter, loader) = (cache.clone(), origin.gated());
    let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await.unwrap() });
    origin.began().await;
    origin.change();
    assert!(cache.remove(&tree()).await.unwrap());
    put().await.unwrap();
    let (late, loader) = (cache.clone(), origin.now());
    let late = tokio::spawn(async move { late.fetch(&tree(), loader).await.unwrap() });
    settle().await;
    origin.open();
    assert_eq!(first.await.unwrap().value.as_deref(), Some("v0"));
    assert_eq!(late.await.unwrap().value.as_deref(), Some("v1"));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_no_more_loads_run_at_once_than_may_and_the_rest_is_refused() {
    let plan = FaultPlan::new();
    let cache = builder_over(faulty(&Arc::default(), &plan)).loads_without_store(4);
    let cache = cache.hard_timeout(secs(3)).build().unwrap();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let origin = Origins::default();
    let start = Instant::now();
    let calls = (0..20).map(|n| {
        let (cache, loader) = (cache.clone(), origin.after(secs(2)));
        async move { cache.fetch(&key(n), loader).await }
    });
    let answers = join_all(calls).await;
    assert_eq!(origin.most_at_once(), 4);
    assert!(start.elapsed() < Duration::from_millis(3_100));
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 4);
    let overloaded = refused.into_iter().map(Result::unwrap_err);
    let overloaded = overloaded.filter(|error| error.kind() == ErrorKind::Overloaded);
    assert!(overloaded.count() >= 8);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_many_keys_cost_one_call_of_the_loader() {
    for (what, fault) in [
        (
            "reads too",
            FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)),
        ),
        ("writes alone", without_memory()),
    ] {
        let plan = FaultPlan::new();
        let (store, cache) = planned(&plan);
        plan.add(fault);
        let origin = Origins::default();
        let keys: Vec<_> = (0..50).map(key).collect();
        let load = || {
            let (cache, keys, origin) = (cache.clone(), keys.clone(), origin.clone());
            tokio::spawn(async move {
                let loader = move |keys: Vec<_>| {
                    let answer = origin.after(secs(1))();
                    async move {
                        let value = answer.await?;
                        let values = keys.into_iter().map(|key| (key, value.clone()));
                        Ok::<_, io::Error>(values.collect::<HashMap<_, _>>())
                    }
                };
                cache.get_or_load_many(&keys, loader).await.unwrap()
            })
        };
        let (one, other) = (load(), load());
        for answers in [one.await.unwrap(), other.await.unwrap()] {
            for answer in answers {
                let answer = answer.unwrap();
                assert_eq!(answer.value.as_deref(), Some("v0"), "{what}");
                assert_eq!(answer.origin, Origin::Uncached, "{what}");
            }
        }
        assert_eq!(origin.calls(), 1, "{what}");
        assert_eq!(cache.counts().misses, 100, "{what}");
        assert!(!store.exists(&stored()).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_not_modified_is_a_failed_load_of_many_too() {
    let plan = FaultPlan::new();
    let (_store, cache) = planned(&plan);
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let loader = |keys: Vec<_>| async move {
        let answers = keys
            .into_iter()
            .map(|key| (key, Loaded::<String>::not_modified()));
        Ok::<_, io::Error>(answers.collect::<HashMap<_, _>>())
    };
    let answers = cache.get_or_load_many(&[tree()], loader).await.unwrap();
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
}
