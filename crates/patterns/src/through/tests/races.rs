//! Two writers and a reader of one key, in every order of their steps: what is left is what the database has, or nothing.

use std::{future::poll_fn, io, sync::Arc, task::Poll};

use tokio::sync::Semaphore;

use super::support::{Row, Trees, cache, saved, stored, tag, tree};
use crate::{Invalidation, ThroughOptions, WriteOrder, Written};
use cachekit_keys::KeySchema;
use cachekit_store::Store;

/// A writer's steps: it begins, the database takes its value, and it learns of that.
const STEPS: usize = 3;

/// Lets everything happen that can happen at once.
async fn rest() {
    for _ in 0..30 {
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Goes on from one step to the next when it is told to.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.add_permits(1);
    }

    async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Writer {
    Puts(WriteOrder),
    Deletes,
}

struct Writing {
    gate: Gate,
    task: tokio::task::JoinHandle<Written>,
}

fn start(writer: Writer, cache: &Trees, row: &Row, value: &'static str) -> Writing {
    let (gate, cache, row) = (Gate::new(), cache.clone(), row.clone());
    let steps = gate.clone();
    let task = tokio::spawn(async move {
        let (begin, row) = (steps.clone(), row);
        begin.pass().await;
        let persist = move || async move {
            steps.pass().await;
            match writer {
                Writer::Puts(_) => row.put(value),
                Writer::Deletes => row.delete(),
            }
            steps.pass().await;
            saved().await
        };
        match writer {
            Writer::Puts(order) => {
                let options = ThroughOptions::new().with_order(order);
                let value = value.to_owned();
                cache
                    .write_through_with(&tree(), &value, &options, persist)
                    .await
                    .unwrap()
            }
            Writer::Deletes => cache.delete_through(&tree(), persist).await.unwrap(),
        }
    });
    Writing { gate, task }
}

/// All orders of two writers' steps, as whose turn it is.
fn orders() -> Vec<[usize; 2 * STEPS]> {
    let all = 0..1_u32 << (2 * STEPS);
    let fair = all.filter(|turns| turns.count_ones() == 3);
    fair.map(|turns| std::array::from_fn(|step| (turns >> step & 1) as usize))
        .collect()
}

/// Writers take their turns; a load begins before one turn, and the loader answers before another one.
async fn race(writers: [Writer; 2], turns: &[usize], load: Option<(usize, usize)>) {
    let what = format!("{writers:?} in turns {turns:?}, a load {load:?}");
    let (store, cache) = cache();
    let row = Row::default();
    row.put("old");
    if load.is_none() {
        cache.set(&tree(), &"old".to_owned()).await.unwrap();
    }
    let [one, two] = [
        start(writers[0], &cache, &row, "one"),
        start(writers[1], &cache, &row, "two"),
    ];
    let (answer, mut loading) = (Gate::new(), None);
    for (step, &turn) in turns.iter().enumerate() {
        if load.is_some_and(|(begin, _)| begin == step) {
            let (cache, row, answer) = (cache.clone(), row.clone(), answer.clone());
            loading = Some(tokio::spawn(async move {
                let loader = || async move {
                    let value = row.get();
                    answer.pass().await;
                    Ok::<_, io::Error>(value)
                };
                cache.fetch(&tree(), loader).await.unwrap();
            }));
            rest().await;
        }
        if load.is_some_and(|(_, end)| end == step) {
            answer.0.add_permits(1_000);
            rest().await;
        }
        [&one, &two][turn].gate.open();
        rest().await;
    }
    answer.0.add_permits(1_000);
    let outcomes = [one.task.await.unwrap(), two.task.await.unwrap()];
    assert!(outcomes.iter().all(Written::is_settled), "{what}");
    if let Some(loading) = loading {
        loading.await.unwrap();
    }
    rest().await;
    if let Some(left) = cache.get(&tree()).await.unwrap() {
        assert_eq!(Some(left), row.get(), "{what}: {outcomes:?}");
    }
    assert_eq!(row.read(&cache).await, row.get(), "{what}: {outcomes:?}");
    let lease = crate::lease::lease_of(&stored()).unwrap();
    assert_eq!(store.get(&lease).await.unwrap(), None, "{what}");
}

const WRITERS: [Writer; 3] = [
    Writer::Puts(WriteOrder::DatabaseFirst),
    Writer::Puts(WriteOrder::CacheFirst),
    Writer::Deletes,
];

#[tokio::test(start_paused = true)]
async fn two_writers_leave_no_older_value_whatever_the_order_of_their_steps() {
    for one in WRITERS {
        for two in WRITERS {
            for turns in orders() {
                race([one, two], &turns, None).await;
            }
        }
    }
}

/// All there are, of which every eighth is run, in different places of each order: the others take minutes.
#[tokio::test(start_paused = true)]
async fn nor_do_they_with_a_load_between_any_two_steps() {
    let pairs = WRITERS.map(|one| WRITERS.map(|two| [one, two]));
    let mut races = Vec::new();
    for writers in pairs.into_iter().flatten() {
        for turns in orders() {
            for begin in 0..turns.len() {
                for end in begin..=turns.len() {
                    races.push((writers, turns, (begin, end)));
                }
            }
        }
    }
    for (writers, turns, load) in races.into_iter().step_by(8) {
        race(writers, &turns, Some(load)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_alone_stores_its_value() {
    for order in [WriteOrder::DatabaseFirst, WriteOrder::CacheFirst] {
        for (begin, end) in [(0, 1), (0, 3), (1, 2), (2, 2)] {
            let turns = [0, 0, 0, 1, 1, 1];
            race(
                [Writer::Puts(order), Writer::Puts(order)],
                &turns,
                Some((begin, end)),
            )
            .await;
        }
        let (_, cache) = cache();
        let options = ThroughOptions::new().with_order(order);
        let (value, key) = ("new".to_owned(), tree());
        let written = cache
            .write_through_with(&key, &value, &options, saved)
            .await;
        assert!(matches!(written.unwrap(), Written::Stored));
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Remove,
    Owner,
    Tag,
    Pattern,
}

/// Another program changes the row after the writer has, and invalidates, all before the writer learns that its write is done.
#[tokio::test(start_paused = true)]
async fn what_is_invalidated_while_it_is_written_is_not_cached() {
    for way in [Way::Remove, Way::Owner, Way::Tag, Way::Pattern] {
        for order in [WriteOrder::DatabaseFirst, WriteOrder::CacheFirst] {
            let (store, cache) = cache();
            let all = Invalidation::new(Arc::clone(&store) as Arc<dyn Store>, KeySchema::plain());
            let (row, by) = (Row::default(), cache.clone());
            let saving = row.clone();
            let persist = move || async move {
                saving.put("ours");
                saving.put("theirs");
                let cleared = match way {
                    Way::Remove => by.remove(&tree()).await.map(drop),
                    Way::Owner => all.clear_owner(&tree()).await.map(drop),
                    Way::Tag => all.invalidate_tag(&tag()).await.map(drop),
                    Way::Pattern => all.delete_by_pattern("project:proj456:*").await.map(drop),
                };
                cleared.unwrap();
                saved().await
            };
            let options = ThroughOptions::new().with_order(order);
            let value = "ours".to_owned();
            let written = cache
                .write_through_with(&tree(), &value, &options, persist)
                .await;
            assert!(
                matches!(written.unwrap(), Written::Uncached),
                "{way:?}, {order:?}"
            );
            assert_eq!(
                row.read(&cache).await.as_deref(),
                Some("theirs"),
                "{way:?}, {order:?}"
            );
        }
    }
}
