//! Many tasks on one store.

use std::sync::Arc;

use cachekit_keys::Ttl;
use tokio::task::JoinSet;

use super::{key, numbered, used, volatile};
use crate::{Condition, MemoryStore, SetOptions, Store, StoreExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost_among_many_tasks() {
    let store = MemoryStore::new();
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..500 {
                store
                    .increment_one(&key("c"), 1, Ttl::seconds(60))
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(
        store.get(&key("c")).await.unwrap().as_deref(),
        Some(&b"8000"[..])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_conditional_writers_wins() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let once = SetOptions::ttl(Ttl::seconds(60)).with_condition(Condition::IfAbsent);
    for round in 0..200 {
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            tasks
                .spawn(async move { store.set(&numbered(round), "v".into(), once).await.unwrap() });
        }
        let won = tasks
            .join_all()
            .await
            .into_iter()
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1);
    }
}

/// Writers, readers, scans and evictions at once: the budget holds, and the books are level in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_budget_holds_among_many_writers() {
    let store = MemoryStore::builder().byte_budget(200_000).build();
    let mut tasks = JoinSet::new();
    for task in 0..8_usize {
        let store = store.clone();
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task as u64);
            for _ in 0..2_000 {
                let name = numbered(random.usize(..1_000));
                let value = vec![0; random.usize(..2_000)];
                assert!(store.set(&name, value.into(), volatile()).await.unwrap());
                store.get(&numbered(random.usize(..1_000))).await.unwrap();
                store
                    .delete(&[numbered(random.usize(..1_000))])
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert!(used(&store).await <= 200_000);
    let names: Vec<_> = (0..1_000).map(numbered).collect();
    store.delete(&names).await.unwrap();
    assert_eq!(used(&store).await, 0);
}
