//! Runs from many threads at once: none waits for another in a circle, and none sees half of another.

use bytes::Bytes;
use cachekit_keys::{Key, Pattern};
use tokio::task::JoinSet;

use super::{books::assert_level, key, numbered, used, volatile};
use crate::{
    Expiration, MemoryStore, Reply, Result, ScanRequest, Script, ScriptCall, SetOptions, Store,
    Transaction,
};

const COUNTERS: usize = 40;

/// Adds one to each key.
const COUNT_ALL: Script = Script::new("count-all", "").with_body(count_all);

fn count_all(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    for key in keys {
        tx.incrby(key, 1)?;
    }
    Ok(Reply::Nil)
}

/// Moves one from a number to another: their sum is always the same.
const MOVE: Script = Script::new("move", "").with_body(|tx, keys, _| {
    tx.incrby(&keys[0], -1)?;
    tx.incrby(&keys[1], 1)?;
    Ok(Reply::Nil)
});

const SUM: Script = Script::new("sum", "").with_body(|tx, keys, _| {
    let mut sum = 0;
    for key in keys {
        sum += tx.incrby(key, 0)?;
    }
    Ok(Reply::Integer(sum))
});

fn counter(number: usize) -> Key {
    key(format!("counter:{number}"))
}

async fn run(store: &MemoryStore, script: &Script, keys: Vec<Key>) -> Reply {
    let call = ScriptCall::new(keys, Vec::new());
    store.run_script(script, &[call]).await.unwrap().remove(0)
}

/// Runs over random sets of keys in random orders, beside writes that evict, scans and deletions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_runs_in_any_order_finish_and_lose_nothing() {
    let store = MemoryStore::builder().byte_budget(100_000).build();
    let mut tasks = JoinSet::new();
    for task in 0..8_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            let mut counted = 0;
            for _ in 0..400 {
                let mut keys: Vec<Key> = (0..COUNTERS).map(counter).collect();
                random.shuffle(&mut keys);
                keys.truncate(random.usize(1..=8));
                counted += keys.len() as i64;
                run(&store, &COUNT_ALL, keys).await;
                let filler = vec![0; random.usize(..3_000)];
                let name = numbered(random.usize(..200));
                store.set(&name, filler.into(), volatile()).await.unwrap();
                if random.u8(..10) == 0 {
                    let everything = ScanRequest::new(Pattern::everything());
                    store.scan(&everything).await.unwrap();
                }
            }
            counted
        });
    }
    let counted: i64 = tasks.join_all().await.into_iter().sum();
    let counters: Vec<Key> = (0..COUNTERS).map(counter).collect();
    let sum = run(&store, &SUM, counters).await;
    assert_eq!(sum, Reply::Integer(counted));
    assert!(used(&store).await <= 100_000);
    assert_level(&store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_run_sees_half_of_another() {
    let store = MemoryStore::new();
    let (a, b) = (counter(0), counter(1));
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let store = store.clone();
        let mut keys = vec![a.clone(), b.clone()];
        if task % 2 == 1 {
            keys.reverse();
        }
        tasks.spawn(async move {
            for _ in 0..1_000 {
                run(&store, &MOVE, keys.clone()).await;
                assert_eq!(run(&store, &SUM, keys.clone()).await, Reply::Integer(0));
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_is_closed_among_runs_keeps_nothing() {
    for round in 0..50 {
        let store = MemoryStore::new();
        let mut tasks = JoinSet::new();
        for task in 0..4 {
            let store = store.clone();
            tasks.spawn(async move {
                for number in 0..20 {
                    let keys = (0..5).map(|next| counter(round + task + number + next));
                    let call = ScriptCall::new(keys.collect(), Vec::new());
                    let forever = SetOptions::new(Expiration::Never);
                    let _ = store.run_script(&COUNT_ALL, &[call]).await;
                    let _ = store.set(&counter(number), "1".into(), forever).await;
                }
            });
        }
        store.close().await;
        tasks.join_all().await;
        assert_eq!(store.keyspace().budget.used(), 0);
    }
}
