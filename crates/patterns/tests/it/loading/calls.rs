//! How many calls of the store loads cost.

use std::{collections::HashMap, io, sync::Arc};

use cachekit_keys::{KeyPath, KeySchema, ProjectKey, Ttl};
use cachekit_patterns::{Cache, Refresh};
use cachekit_store::{MemoryStore, Store};

use super::support::{Trees, project, tag, tree};
use crate::hooked::Hooked;

fn cache() -> (Arc<Hooked>, Trees) {
    let store = Arc::new(Hooked::watching(Arc::new(MemoryStore::new())));
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let cache = Cache::builder(shared, KeySchema::plain())
        .ttl(Ttl::seconds(100))
        .tags(|_| Ok(vec![tag()]))
        .refresh(Refresh::at(0.8).unwrap());
    (store, cache.build().unwrap())
}

fn keys(count: usize) -> Vec<ProjectKey> {
    let path = |n| KeyPath::new(format!("n:{n}")).unwrap();
    (0..count)
        .map(|n| ProjectKey::new(project(), path(n)))
        .collect()
}

async fn load_all(keys: Vec<ProjectKey>) -> Result<HashMap<ProjectKey, String>, io::Error> {
    let values = keys.into_iter().map(|key| (key, "loaded".to_owned()));
    Ok(values.collect())
}

#[tokio::test(start_paused = true)]
async fn a_miss_costs_one_read_and_one_run_each_for_its_lease_and_its_value() {
    let (store, cache) = cache();
    let loader = || async { Ok::<_, io::Error>("loaded".to_owned()) };
    cache.get_or_load(&tree(), loader).await.unwrap();
    assert_eq!(
        store.take_calls(),
        ["get_entries", "lease_take", "lease_fill"]
    );
    cache.get_or_load(&tree(), loader).await.unwrap();
    assert_eq!(store.take_calls(), ["get_entries"], "and a hit one read");
}

#[tokio::test(start_paused = true)]
async fn many_misses_cost_no_more_round_trips_than_one() {
    let (store, cache) = cache();
    for answer in cache.get_or_load_many(&keys(100), load_all).await.unwrap() {
        assert_eq!(answer.unwrap().value.as_deref(), Some("loaded"));
    }
    let once = ["get_entries", "lease_take", "lease_fill"];
    assert_eq!(store.take_calls(), once);
    // So does a refresh of all of them.
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    cache.get_or_load_many(&keys(100), load_all).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    assert_eq!(store.take_calls(), once);
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_of_many_gives_all_leases_back_at_once() {
    let (store, cache) = cache();
    let failing = |_| async { Err::<HashMap<ProjectKey, String>, _>(io::Error::other("down")) };
    let answers = cache.get_or_load_many(&keys(100), failing).await.unwrap();
    assert!(answers.iter().all(Result::is_err));
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    assert_eq!(
        store.take_calls(),
        ["get_entries", "lease_take", "lease_release"]
    );
}
