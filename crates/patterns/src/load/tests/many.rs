//! Many keys at once.

use std::{
    collections::HashMap,
    error::Error as _,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use cachekit_keys::{Pattern, ProjectKey, Ttl};
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, KeyExpiry, MemoryStore, Store};
use futures_util::future::BoxFuture;
use tokio::time::advance;

use super::support::{Origins, Trees, builder, builder_over, cache, faulty, key, secs, settle};
use crate::{Cached, LoadOptions, Loaded, Origin, Refresh};

fn keys(numbers: impl IntoIterator<Item = u32>) -> Vec<ProjectKey> {
    numbers.into_iter().map(key).collect()
}

type Found = Result<HashMap<ProjectKey, Loaded<String>>, io::Error>;

/// Remembers what it was asked for.
#[derive(Clone, Default)]
struct Source {
    asked: Arc<Mutex<Vec<Vec<ProjectKey>>>>,
}

impl Source {
    fn loader(
        &self,
        delay: u64,
    ) -> impl Fn(Vec<ProjectKey>) -> BoxFuture<'static, Found> + Send + Sync + 'static {
        let asked = Arc::clone(&self.asked);
        move |keys| {
            asked.lock().unwrap().push(keys.clone());
            Box::pin(async move {
                tokio::time::sleep(secs(delay)).await;
                let values = keys.into_iter().filter(|wanted| *wanted != key(99));
                Ok(values
                    .map(|key| (key.clone(), Loaded::value(format!("{key:?}"))))
                    .collect())
            })
        }
    }

    fn asked(&self) -> Vec<Vec<ProjectKey>> {
        self.asked.lock().unwrap().clone()
    }
}

async fn load(cache: &Trees, numbers: &[u32], source: &Source) -> Vec<Cached<String>> {
    let keys = keys(numbers.iter().copied());
    let answers = cache.get_or_load_many(&keys, source.loader(1)).await;
    answers.unwrap().into_iter().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn the_loader_is_called_once_with_just_what_is_missing() {
    let (store, source) = (Arc::default(), Source::default());
    let cache = cache(&store);
    cache.set(&key(1), &"one".to_owned()).await.unwrap();
    let answers = load(&cache, &[0, 1, 99, 2], &source).await;
    assert_eq!(source.asked(), [keys([0, 99, 2])]);
    let origins: Vec<_> = answers.iter().map(|answer| answer.origin).collect();
    let loaded = Origin::Loaded;
    assert_eq!(origins, [loaded, Origin::Fresh, loaded, loaded]);
    assert_eq!(answers[1].value.as_deref(), Some("one"));
    assert!(answers[2].is_negative());

    let answers = load(&cache, &[0, 1, 99, 2], &source).await;
    assert!(answers.iter().all(|answer| answer.origin == Origin::Fresh));
    assert_eq!(source.asked().len(), 1);
    assert!(
        cache
            .get_or_load_many(&[], source.loader(0))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn what_others_load_is_waited_for() {
    let (store, left, right) = (Arc::default(), Source::default(), Source::default());
    let (one, other) = (cache(&store), cache(&store));
    let first = tokio::spawn({
        let left = left.clone();
        async move { load(&one, &[1, 2, 3], &left).await }
    });
    settle().await;
    let second = load(&other, &[2, 3, 4, 4], &right).await;
    assert_eq!(first.await.unwrap().len(), 3);
    assert_eq!(
        (left.asked(), right.asked()),
        (vec![keys([1, 2, 3])], vec![keys([4])])
    );
    assert!(second.iter().all(|answer| answer.value.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_outcome_of_the_keys_that_were_to_be_loaded() {
    let store = Arc::default();
    let cache = cache(&store);
    cache.set(&key(1), &"one".to_owned()).await.unwrap();
    let failing = |_| async { Err::<HashMap<_, String>, _>(io::Error::other("down")) };
    let answers = cache
        .get_or_load_many(&keys([0, 1, 2]), failing)
        .await
        .unwrap();
    assert!(answers[1].is_ok());
    for place in [0, 2] {
        let error = answers[place].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoadFailed);
    }
    advance(Duration::from_millis(100)).await;
    let source = Source::default();
    load(&cache, &[0, 1, 2], &source).await;
    assert_eq!(source.asked(), [keys([0, 2])]);
    let panics = |_| async { panic!("no") as Found };
    let answers = cache.get_or_load_many(&keys([7]), panics).await.unwrap();
    let text = answers[0].as_ref().unwrap_err().to_string();
    assert!(text.contains("the loader panicked"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_fails_in_part_fails_those_keys_alone() {
    let store = Arc::default();
    let cache = cache(&store);
    let loader = |missing: Vec<ProjectKey>| async move {
        let rows = missing.into_iter().map(|wanted| {
            let row = match wanted == key(1) {
                true => Err(io::Error::new(io::ErrorKind::TimedOut, "one")),
                false => Ok("found".to_owned()),
            };
            (wanted, row)
        });
        Ok::<_, io::Error>(rows.collect::<HashMap<_, _>>())
    };
    let keys = keys([0, 1, 2]);
    let options = LoadOptions::new().with_ttl(Ttl::seconds(7));
    let answers = cache.get_or_load_many_with(&keys, &options, loader).await;
    let answers = answers.unwrap();
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    let source = error.source().unwrap().downcast_ref::<io::Error>();
    assert_eq!(source.unwrap().kind(), io::ErrorKind::TimedOut);
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let stored = cache.get_many(&keys).await.unwrap();
    assert!(stored[0].is_some() && stored[1].is_none() && stored[2].is_some());
    assert!(
        matches!(cache.expiry(&keys[0]).await.unwrap(), KeyExpiry::In(left) if left <= secs(7))
    );

    // A later call asks for that key alone, and its lease is free.
    advance(Duration::from_millis(100)).await;
    let source = Source::default();
    load(&cache, &[0, 1, 2], &source).await;
    assert_eq!(source.asked(), [vec![key(1)]]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_invalidated_meanwhile_does_not_come_back_and_the_others_stay() {
    let (store, source) = (Arc::<MemoryStore>::default(), Source::default());
    let cache = builder(&store).build().unwrap();
    let loading = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { load(&cache, &[1, 2], &source).await }
    });
    settle().await;
    cache.remove(&key(1)).await.unwrap();
    assert_eq!(loading.await.unwrap().len(), 2);
    assert_eq!(cache.get(&key(1)).await.unwrap(), None);
    assert!(cache.get(&key(2)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn when_a_single_loads_holder_fails_the_key_is_loaded_alone() {
    let (store, origin, source) = (Arc::default(), Origins::default(), Source::default());
    let (one, other) = (cache(&store), cache(&store));
    let loader = origin.after(secs(1));
    let failing = || async move {
        loader().await?;
        Err::<String, _>(io::Error::other("down"))
    };
    let key = key(1);
    let (failed, answers) = tokio::join!(
        one.get_or_load(&key, failing),
        load(&other, &[1, 2], &source)
    );
    assert!(failed.is_err());
    assert_eq!(source.asked(), [keys([2]), keys([1])]);
    assert!(answers.iter().all(|answer| answer.origin == Origin::Loaded));
}

#[tokio::test(start_paused = true)]
async fn what_another_processs_failed_batch_leaves_is_loaded_in_batches() {
    let (store, source) = (Arc::default(), Source::default());
    let (one, other) = (cache(&store), cache(&store));
    let numbers: Vec<u32> = (100..300).collect();
    let wanted = keys(numbers.clone());
    let first = tokio::spawn(async move {
        let failing = |_| async {
            tokio::time::sleep(secs(1)).await;
            Err::<HashMap<ProjectKey, String>, _>(io::Error::other("down"))
        };
        one.get_or_load_many(&wanted, failing).await.unwrap()
    });
    settle().await;
    let answers = load(&other, &numbers, &source).await;
    assert!(first.await.unwrap().iter().all(Result::is_err));
    assert!(answers.iter().all(|answer| answer.origin == Origin::Loaded));
    assert!(source.asked().len() <= 3, "{} calls", source.asked().len());
    let asked: usize = source.asked().iter().map(Vec::len).sum();
    assert_eq!(asked, 200);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_free_one_after_the_other_is_loaded_by_few_calls_at_once() {
    let (store, source) = (Arc::default(), Source::default());
    let other = cache(&store);
    let holders = (100..140).map(|n| {
        let one = cache(&store);
        tokio::spawn(async move {
            let failing = move || async move {
                tokio::time::sleep(Duration::from_millis(u64::from(n) * 10)).await;
                Err::<String, _>(io::Error::other("down"))
            };
            one.get_or_load(&key(n), failing).await.unwrap_err()
        })
    });
    let holders: Vec<_> = holders.collect();
    settle().await;
    let numbers: Vec<u32> = (100..140).collect();
    let answers = load(&other, &numbers, &source).await;
    assert!(answers.iter().all(|answer| answer.origin == Origin::Loaded));
    assert!(source.asked().len() <= 8, "{} calls", source.asked().len());
    for holder in holders {
        holder.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_refreshed_by_one_call_in_the_fleet() {
    let (store, source) = (Arc::default(), Source::default());
    let build = || builder(&store).refresh(Refresh::at(0.8).unwrap());
    let (one, other) = (build().build().unwrap(), build().build().unwrap());
    let numbers: Vec<u32> = (100..300).collect();
    load(&one, &numbers, &source).await;
    advance(secs(85)).await;
    let ask = |cache: &Trees| {
        let (cache, wanted, loader) = (cache.clone(), keys(numbers.clone()), source.loader(1));
        async move { cache.get_or_load_many(&wanted, loader).await.unwrap() }
    };
    for cache in [&one, &other, &one] {
        let answers = ask(cache).await;
        let is_fresh = |answer: &Result<Cached<String>, _>| {
            answer
                .as_ref()
                .is_ok_and(|answer| answer.origin == Origin::Fresh)
        };
        assert!(answers.iter().all(is_fresh), "nobody waits");
        settle().await;
    }
    advance(secs(1)).await;
    settle().await;
    assert_eq!(
        source.asked(),
        [keys(numbers.clone()), keys(numbers.clone())]
    );
    advance(secs(50)).await;
    let left = other.get_many(&keys(numbers)).await.unwrap();
    assert!(left.iter().all(Option::is_some), "they have another life");
}

#[tokio::test(start_paused = true)]
async fn on_a_cluster_only_the_keys_of_nodes_that_are_away_do_without_the_store() {
    for fault in [
        Fault::Refuse(ErrorKind::Unavailable),
        Fault::LoseAnswer(ErrorKind::Timeout),
    ] {
        for operation in [None, Some("lease_take")] {
            let store: Arc<MemoryStore> = Arc::new(MemoryStore::builder().clustered(true).build());
            let (plan, source) = (FaultPlan::new(), Source::default());
            let cache = builder_over(faulty(&store, &plan)).build().unwrap();
            let down = FaultRule::new(fault).naming(Pattern::raw("*n:2??").unwrap());
            plan.add(match operation {
                Some(operation) => down.on(operation),
                None => down,
            });
            let numbers: Vec<u32> = (190..210).collect();
            let answers = load(&cache, &numbers, &source).await;
            for (n, answer) in numbers.iter().zip(&answers) {
                let expected = match *n < 200 {
                    true => Origin::Loaded,
                    false => Origin::Uncached,
                };
                assert_eq!(answer.origin, expected, "{n}, {fault:?} {operation:?}");
            }
            let mut asked: Vec<ProjectKey> = source.asked().concat();
            asked.sort();
            assert_eq!(asked, keys(numbers.clone()), "each once");
            assert_eq!(source.asked().len(), 2, "with two calls");
            // Nobody waits for leases that were granted and never heard of.
            tokio::time::sleep(secs(1)).await;
            let start = tokio::time::Instant::now();
            let other = builder_over(Arc::clone(&store) as Arc<dyn Store>)
                .build()
                .unwrap();
            load(&other, &numbers, &source).await;
            assert_eq!(start.elapsed(), secs(1));
            assert_eq!(source.asked()[2], keys(200..210));
        }
    }
}
