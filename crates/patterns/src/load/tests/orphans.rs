//! Leases whose holder does not know of them, or is no more.

use std::{io, sync::Arc, time::Duration};

use cachekit_keys::KeySchema;
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, MemoryStore, Store, StoreExt, Tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

use super::support::{Origins, builder, builder_over, cache, faulty, secs, settle, stored, tree};
use crate::{Cache, Origin, lease::lease_of};
use cachekit_keys::ProjectKey;

#[tokio::test(start_paused = true)]
async fn a_lease_whose_grant_was_never_heard_of_is_given_back() {
    for many in [false, true] {
        let (store, origin, plan) = (Arc::default(), Origins::default(), FaultPlan::new());
        let lossy = builder_over(faulty(&store, &plan)).build().unwrap();
        plan.add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout)).on("lease_take"));
        let first = match many {
            false => lossy.fetch(&tree(), origin.now()).await,
            true => {
                let origin = origin.clone();
                let loader = move |keys: Vec<ProjectKey>| {
                    let answer = origin.now()();
                    async move {
                        let value = answer.await?;
                        let all = keys.into_iter().map(|key| (key, value.clone()));
                        Ok::<_, io::Error>(all.collect())
                    }
                };
                let mut all = lossy.get_or_load_many(&[tree()], loader).await.unwrap();
                all.remove(0)
            }
        };
        assert_eq!(first.unwrap().origin, Origin::Uncached);
        let start = Instant::now();
        let other = cache(&store).fetch(&tree(), origin.now()).await.unwrap();
        assert_eq!(other.origin, Origin::Loaded);
        let took = start.elapsed();
        assert!(took < Duration::from_millis(100), "many: {many}, {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_a_shutdown_cuts_off_delays_the_others_no_longer_than_a_second() {
    let (store, origin) = (Arc::default(), Origins::default());
    let tasks = Tasks::new();
    let ending = builder(&store).tasks(tasks.clone()).build().unwrap();
    let loader = origin.after(secs(20));
    let call = tokio::spawn(async move { ending.fetch(&tree(), loader).await });
    settle().await;
    let (waiter, loader) = (cache(&store), origin.now());
    let waiter = tokio::spawn(async move {
        let cached = waiter.fetch(&tree(), loader).await.unwrap();
        (cached, Instant::now())
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = tasks.shutdown(secs(3)).await;
    assert_eq!(report.cut_off.len(), 1);
    assert_eq!(origin.calls(), 1, "it is kept until then");
    let start = Instant::now();
    let next = cache(&store).fetch(&tree(), origin.now()).await.unwrap();
    assert_eq!(next.value.as_deref(), Some("v0"));
    let (_, ended) = waiter.await.unwrap();
    for took in [start.elapsed(), ended - start] {
        assert!(took < Duration::from_millis(1_200), "{took:?}");
    }
    assert_eq!(origin.calls(), 2, "the one cut off, and one more");
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_ends_within_a_shutdown_is_stored() {
    let (store, origin) = (Arc::<MemoryStore>::default(), Origins::default());
    let tasks = Tasks::new();
    let ending = builder(&store).tasks(tasks.clone()).build().unwrap();
    let loader = origin.after(secs(3));
    let call = tokio::spawn(async move { ending.fetch(&tree(), loader).await });
    settle().await;
    let report = tasks.shutdown(secs(10)).await;
    assert!(report.cut_off.is_empty());
    assert_eq!(call.await.unwrap().unwrap().origin, Origin::Loaded);
    assert!(store.exists(&stored()).await.unwrap());
}

/// Panics where it is 1.
#[derive(Clone)]
struct Evil(u32);

impl Serialize for Evil {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 1, "evil");
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Evil {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self)
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_it_is_stored_fails_its_callers_and_leaves_no_lease() {
    let store = Arc::<MemoryStore>::default();
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let cache: Cache<ProjectKey, Evil> =
        Cache::builder(shared, KeySchema::plain()).build().unwrap();
    let evil = || async { Ok::<_, io::Error>(Evil(1)) };
    let error = cache
        .get_or_load(&tree(), evil)
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    settle().await;
    assert!(!store.exists(&lease_of(&stored()).unwrap()).await.unwrap());
    let start = Instant::now();
    let good = || async { Ok::<_, io::Error>(Evil(2)) };
    assert_eq!(cache.get_or_load(&tree(), good).await.unwrap().0, 2);
    assert_eq!(start.elapsed(), Duration::ZERO);
}
