//! A write that races with a clearing survives together with its member, or is cleared.

use std::sync::Arc;

use cachekit_keys::KeySchema;
use cachekit_patterns::WriteOptions;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    hooked::Hooked,
    support::{Bed, everywhere, session_id, tag_of},
};

/// One party whose calls a test lets through one by one.
struct Stepped {
    bed: Bed,
    steps: mpsc::UnboundedSender<()>,
}

impl Stepped {
    fn new(bed: &Bed) -> Self {
        let (steps, allowed) = mpsc::unbounded_channel();
        let allowed = Arc::new(tokio::sync::Mutex::new(allowed));
        let hooked = Hooked::new(Arc::clone(&bed.store), move |_| {
            let allowed = Arc::clone(&allowed);
            async move {
                allowed.lock().await.recv().await;
                Ok(())
            }
        });
        Self {
            bed: bed.through(Arc::new(hooked)),
            steps,
        }
    }
}

/// All orders in which `left` calls of one party and `right` of another can take place; true is the first party's.
fn orders(left: usize, right: usize) -> Vec<Vec<bool>> {
    if left == 0 || right == 0 {
        return vec![[vec![true; left], vec![false; right]].concat()];
    }
    let first = orders(left - 1, right)
        .into_iter()
        .map(|rest| [vec![true], rest].concat());
    let second = orders(left, right - 1)
        .into_iter()
        .map(|rest| [vec![false], rest].concat());
    first.chain(second).collect()
}

/// Lets the calls of a write and a clearing pass in this order, and looks at what is left.
async fn race(bed: &Bed, order: &[bool], existing: bool) {
    let session = bed.session("a");
    if existing {
        session.set("x", &1).await.unwrap();
    }
    let (writer, clearer) = (Stepped::new(bed), Stepped::new(bed));
    let (writing, clearing) = (writer.bed.session("a"), clearer.bed.session("a"));
    let write = tokio::spawn(async move { writing.set("x", &2).await });
    let clear = tokio::spawn(async move { clearing.clear().await });
    for is_write in order {
        let party = if *is_write { &writer } else { &clearer };
        let _ = party.steps.send(());
        // Time for the call to take place: the parties run on this thread.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    for party in [&writer, &clearer] {
        for _ in 0..5 {
            let _ = party.steps.send(());
        }
    }
    write.await.unwrap().unwrap();
    clear.await.unwrap().unwrap();

    let survived = session.get::<u32>("x").await.unwrap();
    assert_ne!(
        survived,
        Some(1),
        "{order:?}: the old value outlived the write"
    );
    let found = session.clear().await.unwrap();
    assert_eq!(
        found,
        u64::from(survived.is_some()),
        "{order:?}: what survived is listed"
    );
    assert!(bed.names().await.is_empty(), "{order:?}");
    let root = bed.schema.session_root(&session_id("a"));
    assert!(bed.members(&root).await.is_empty(), "{order:?}");
}

#[tokio::test]
async fn in_every_order_of_steps_what_survives_is_listed() {
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        for order in orders(3, 3) {
            for existing in [false, true] {
                race(&Bed::cluster(schema.clone()), &order, existing).await;
            }
        }
    }
}

/// Many tasks write and clear; when all have ended, one clearing leaves nothing.
async fn storm(bed: &Bed, rounds: usize) {
    let mut tasks = JoinSet::new();
    for task in 0..8_usize {
        let bed = bed.clone();
        tasks.spawn(async move {
            let tagged = WriteOptions::new().with_tags([tag_of("t")]);
            for round in 0..rounds {
                let session = bed.session("a");
                let name = format!("n{}", (round * 7 + task) % 40);
                match (task + round) % 4 {
                    0 => session.set(&name, &round).await.unwrap(),
                    1 => session
                        .set_with(&name, &round, &tagged)
                        .await
                        .map(drop)
                        .unwrap(),
                    2 => {
                        let values = [(name.as_str(), round), ("shared", task)];
                        session.set_many(&values).await.unwrap();
                    }
                    _ if task % 2 == 0 => session.clear().await.map(drop).unwrap(),
                    _ => drop(bed.invalidate("t").await),
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let left = bed.names().await.len() as u64;
    assert_eq!(bed.session("a").clear().await.unwrap(), left, "{bed:?}");
    assert!(bed.names().await.is_empty(), "{bed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_storm_of_writes_and_clearings_nothing_is_unlisted() {
    everywhere(|bed| async move { storm(&bed, 300).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_do_not_keep_a_clearing_from_ending() {
    everywhere(|bed| async move {
        let values: Vec<(String, u32)> = (0..1_500).map(|n| (format!("n{n}"), n)).collect();
        bed.session("a").set_many(&values).await.unwrap();
        let mut writers = JoinSet::new();
        for writer in 0..2 {
            let session = bed.session("a");
            writers.spawn(async move {
                for round in 0_u64.. {
                    let name = |n: u64| format!("w{writer}:{}", round * 1_000 + n);
                    let values: Vec<(String, u64)> = (0..1_000).map(|n| (name(n), n)).collect();
                    let brief = WriteOptions::new().with_ttl(cachekit_keys::Ttl::seconds(20));
                    session.set_many_with(&values, &brief).await.unwrap();
                    // A memory store never waits, and what never waits cannot be ended.
                    tokio::task::yield_now().await;
                }
            });
        }
        assert!(bed.session("a").clear().await.unwrap() >= 1_500, "{bed:?}");
        writers.shutdown().await;
    })
    .await;
}
