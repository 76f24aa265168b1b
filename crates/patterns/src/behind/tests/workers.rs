//! Workers that run: what wakes them, how they end, and what they report.

use std::sync::{Arc, Mutex};

use cachekit_store::{
    ErrorKind, Event, Fault, FaultPlan, FaultRule, Faults, Observer, Observers, Tasks,
};

use super::support::{Bed, Behaviour, Worker, key, millis, pass, seconds, text};
use crate::{Cache, DrainReport, SinkError, WriteBehind};

/// Runs a worker on tasks; its report comes when it ends.
fn start(tasks: &Tasks, worker: Worker) -> Arc<Mutex<Option<DrainReport>>> {
    let report: Arc<Mutex<Option<DrainReport>>> = Arc::default();
    let kept = Arc::clone(&report);
    let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
        *kept.lock().unwrap() = Some(worker.run(stop).await);
    });
    spawned.unwrap();
    report
}

#[tokio::test(start_paused = true)]
async fn a_worker_persists_what_is_due_soon_after() {
    for bed in [Bed::new(), Bed::clustered()] {
        let (writes, worker) = bed.builder().window(millis(200)).build().await.unwrap();
        let tasks = Tasks::new();
        start(&tasks, worker);
        tokio::time::sleep(seconds(10)).await;
        writes.put(&key("a"), &text("one")).await.unwrap();
        tokio::time::sleep(millis(150)).await;
        assert_eq!(bed.row(&key("a")), None);
        tokio::time::sleep(millis(300)).await;
        assert_eq!(bed.row(&key("a")), Some(text("one")));
        let _ = tasks.shutdown(seconds(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_end_drains_what_is_not_due_yet() {
    for bed in [Bed::new(), Bed::clustered()] {
        let builder = bed.builder().window(seconds(60)).batch(2).concurrency(2);
        let (writes, worker) = builder.build().await.unwrap();
        let tasks = Tasks::new();
        let report = start(&tasks, worker);
        for id in ["a", "b", "c", "d", "e"] {
            writes.put(&key(id), &text("one")).await.unwrap();
        }
        let ended = tasks.shutdown(seconds(10)).await;
        assert!(ended.cut_off.is_empty());
        assert_eq!(bed.rows.rows.lock().unwrap().len(), 5);
        let left = report.lock().unwrap().unwrap().left.unwrap();
        assert_eq!(left.pending, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_drain_in_time_says_what_is_left() {
    let bed = Bed::new();
    let builder = bed.builder().batch(1).drain_within(seconds(3));
    let (writes, worker) = builder.build().await.unwrap();
    bed.behave(Behaviour::Slow(seconds(1)));
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        writes.put(&key(id), &text("one")).await.unwrap();
    }
    let tasks = Tasks::new();
    let report = start(&tasks, worker);
    let ended = tasks.shutdown(seconds(30)).await;
    assert!(ended.cut_off.is_empty());
    let left = report.lock().unwrap().unwrap().left.unwrap();
    assert!((4..8).contains(&left.pending), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_work_and_give_no_key_to_both() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().batch(3).build().await.unwrap();
    bed.behave(Behaviour::Slow(millis(100)));
    let values: Vec<_> = (0..30)
        .map(|number| (key(&format!("p{number}")), text("one")))
        .collect();
    writes.put_many(&values).await.unwrap();
    let tasks = Tasks::new();
    start(&tasks, worker.clone());
    start(&tasks, worker);
    tokio::time::sleep(seconds(5)).await;
    let items: Vec<_> = bed.take_calls().into_iter().flatten().collect();
    assert_eq!(items.len(), 30);
    let _ = tasks.shutdown(seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_sink_passes_without_dead_letters() {
    let bed = Bed::new();
    let builder = bed.builder().max_attempts(2);
    let (writes, worker) = builder.build().await.unwrap();
    bed.refuse(&key("a"), SinkError::unavailable("away"));
    writes.put(&key("a"), &text("one")).await.unwrap();
    let tasks = Tasks::new();
    start(&tasks, worker);
    tokio::time::sleep(seconds(600)).await;
    let calls = bed.take_calls().len();
    assert!((5..2_000).contains(&calls), "{calls}");
    bed.refuse_no_more();
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(bed.row(&key("a")), Some(text("one")));
    assert_eq!(writes.backlog().await.unwrap().dead_letters, 0);
    let _ = tasks.shutdown(seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_asks_the_store_about_once_a_second() {
    let bed = Bed::new();
    let (_writes, worker) = bed.builder().window(millis(1)).build().await.unwrap();
    let tasks = Tasks::new();
    start(&tasks, worker);
    tokio::time::sleep(seconds(1)).await;
    let before = asked(&bed).await;
    tokio::time::sleep(seconds(60)).await;
    let asked = asked(&bed).await - before;
    assert!((50..300).contains(&asked), "{asked}");
    let _ = tasks.shutdown(seconds(5)).await;
}

async fn asked(bed: &Bed) -> u64 {
    use cachekit_store::Store;
    bed.store.server_facts().await.unwrap().total_commands
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        let text = match event {
            Event::WritesDrained { queue, drained, .. } => format!(
                "{queue} drained {} of {}, {} again, {} dead",
                drained.persisted, drained.writes, drained.retried, drained.dead_letters
            ),
            Event::WriteBacklog {
                queue,
                pending,
                dead_letters,
                ..
            } => format!("{queue} holds {pending} and {dead_letters}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_drained_and_left_is_told_to_observers() {
    let bed = Bed::new();
    let heard = Arc::new(Heard::default());
    let observers = Observers::none().with(Arc::clone(&heard) as Arc<dyn Observer>);
    let cache = Cache::builder(Arc::clone(&bed.store) as _, bed.schema.clone());
    let cache = cache.observers(observers).build().unwrap();
    let queue = WriteBehind::builder(&cache, Arc::clone(&bed.rows)).build();
    let (writes, worker) = queue.await.unwrap();
    bed.refuse(&key("b"), SinkError::permanent("no"));
    bed.refuse(&key("c"), SinkError::transient("no"));
    for id in ["a", "a", "b", "c"] {
        writes.put(&key(id), &text("one")).await.unwrap();
    }
    let tasks = Tasks::new();
    start(&tasks, worker);
    let _ = tasks.shutdown(seconds(5)).await;
    let heard = heard.0.lock().unwrap();
    assert!(
        heard.contains(&text("project drained 1 of 2, 1 again, 1 dead")),
        "{heard:?}"
    );
    assert_eq!(heard.last(), Some(&text("project holds 1 and 1")));
}

#[tokio::test(start_paused = true)]
async fn on_a_cluster_a_slot_that_nobody_noted_is_found() {
    let bed = Bed::clustered();
    let (writes, worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();
    // As if the writer had died, and its note been lost.
    use cachekit_keys::{KeySchema, WriteKey, WriteQueue};
    use cachekit_store::Store;
    let queue = WriteQueue::new("project").unwrap();
    let notes =
        (0..KeySchema::SLOT_PARTS).map(|part| bed.schema.write_key(&queue, WriteKey::Slots(part)));
    assert_eq!(
        bed.store.delete(&notes.collect::<Vec<_>>()).await.unwrap(),
        1
    );
    pass(seconds(1)).await;
    assert!(worker.drain_once().await.unwrap().is_empty());
    let tasks = Tasks::new();
    start(&tasks, worker);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(bed.row(&key("a")), Some(text("one")));
    let _ = tasks.shutdown(seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_outlives_a_store_that_fails_and_persists_what_it_had_claimed() {
    for operation in ["write_claim", "write_begin", "write_ack"] {
        let bed = Bed::new();
        let plan = FaultPlan::new();
        let store = Faults::new(Arc::clone(&bed.store) as _, &plan);
        let cache = Cache::builder(Arc::new(store), bed.schema.clone());
        let cache = cache.build().unwrap();
        let queue = WriteBehind::builder(&cache, Arc::clone(&bed.rows)).build();
        let (writes, worker) = queue.await.unwrap();
        writes.put(&key("a"), &text("one")).await.unwrap();
        let away = Fault::Refuse(ErrorKind::Unavailable);
        plan.add(FaultRule::new(away).on(operation));
        let tasks = Tasks::new();
        start(&tasks, worker);
        tokio::time::sleep(seconds(10)).await;
        assert_eq!(writes.backlog().await.unwrap().pending, 1);
        plan.clear();
        tokio::time::sleep(seconds(40)).await;
        assert_eq!(bed.row(&key("a")), Some(text("one")), "{operation}");
        assert_eq!(writes.backlog().await.unwrap().pending, 0);
        let _ = tasks.shutdown(seconds(5)).await;
    }
}
