//! Tasks that end in order, are cut off, panic, or go with the last handle.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::Tasks;
use crate::{ErrorKind, Event, Observer, Observers};

const DEADLINE: Duration = Duration::from_secs(5);

/// Sets a flag when dropped, so that the end of a task can be seen.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn flag() -> (Ends, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (Ends(Arc::clone(&flag)), flag)
}

async fn let_others_run() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_tasks_that_end_by_themselves() {
    let tasks = Tasks::new();
    let (end, ended) = flag();
    let task = async move {
        sleep(Duration::from_secs(3)).await;
        drop(end);
    };
    tasks.spawn("short", task).unwrap();
    let start = Instant::now();
    assert!(tasks.shutdown(DEADLINE).await.cut_off.is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert!(ended.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_listens_for_the_end_ends_in_good_order() {
    let tasks = Tasks::new();
    let (sender, mut receiver) = oneshot::channel();
    let task = |stop: super::StopSignal| async move {
        assert!(!stop.is_stopped());
        stop.stopped().await;
        assert!(stop.is_stopped());
        sleep(Duration::from_secs(1)).await;
        sender.send("flushed").unwrap();
    };
    tasks.spawn_until_stopped("worker", task).unwrap();
    let_others_run().await;
    let start = Instant::now();
    assert!(tasks.shutdown(DEADLINE).await.cut_off.is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(receiver.try_recv(), Ok("flushed"));
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_the_deadline_is_cut_off_and_named_oldest_first() {
    let tasks = Tasks::new();
    let (end, ended) = flag();
    let stubborn = async move {
        let _end = end;
        pending().await
    };
    tasks.spawn("stubborn", stubborn).unwrap();
    tasks.spawn("short", sleep(Duration::from_secs(1))).unwrap();
    tasks
        .spawn_until_stopped(format!("deaf {}", 2), |_| pending())
        .unwrap();
    assert_eq!(tasks.running(), 3);
    let start = Instant::now();
    let report = tasks.shutdown(DEADLINE).await;
    assert_eq!(start.elapsed(), DEADLINE);
    assert_eq!(report.cut_off, ["stubborn", "deaf 2"]);
    let_others_run().await;
    assert!(ended.load(Ordering::SeqCst));
    assert_eq!(tasks.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_may_be_repeated_and_refuses_later_tasks() {
    let tasks = Tasks::new();
    tasks.spawn("stubborn", pending()).unwrap();
    let (first, second) = tokio::join!(tasks.shutdown(DEADLINE), tasks.shutdown(DEADLINE * 2));
    assert_eq!(first.cut_off, ["stubborn"]);
    assert!(second.cut_off.is_empty());
    assert!(tasks.shutdown(Duration::ZERO).await.cut_off.is_empty());
    let (end, ended) = flag();
    let late = tasks.spawn("late", async move { drop(end) });
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    assert!(ended.load(Ordering::SeqCst), "the future was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_shutdown_has_told_the_tasks_and_can_be_called_again() {
    let tasks = Tasks::new();
    let task = |stop: super::StopSignal| async move {
        stop.stopped().await;
        sleep(Duration::from_secs(3)).await;
    };
    tasks.spawn_until_stopped("worker", task).unwrap();
    let early = tokio::time::timeout(Duration::from_secs(1), tasks.shutdown(DEADLINE)).await;
    assert!(early.is_err());
    let start = Instant::now();
    assert!(tasks.shutdown(DEADLINE).await.cut_off.is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn the_drop_of_the_last_handle_cuts_everything_off() {
    let tasks = Tasks::new();
    let clone = tasks.clone();
    let (end, ended) = flag();
    let task = async move {
        let _end = end;
        pending().await
    };
    clone.spawn("endless", task).unwrap();
    let_others_run().await;
    drop(tasks);
    let_others_run().await;
    assert!(!ended.load(Ordering::SeqCst), "a handle is left");
    drop(clone);
    let_others_run().await;
    assert!(ended.load(Ordering::SeqCst));
}

#[derive(Debug, Default)]
struct Panics(Mutex<Vec<String>>);

impl Observer for Panics {
    fn observe(&self, event: &Event<'_>) {
        if let Event::TaskPanicked { name } = event {
            self.0.lock().push((*name).to_owned());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_task_is_counted_and_told() {
    let panics = Arc::new(Panics::default());
    let tasks = Tasks::observed(Observers::none().with(Arc::clone(&panics) as _));
    tasks
        .spawn("broken", async { panic!("on purpose") })
        .unwrap();
    tasks.spawn("sound", sleep(Duration::from_secs(1))).unwrap();
    let_others_run().await;
    assert_eq!((tasks.panics(), tasks.running()), (1, 1));
    assert_eq!(*panics.0.lock(), ["broken"]);
    assert!(tasks.shutdown(DEADLINE).await.cut_off.is_empty());
}

#[test]
fn a_task_spawned_while_its_runtime_ends_leaves_the_books() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let tasks = Tasks::new();
    let _context = handle.enter();
    tasks.spawn("too late", pending()).unwrap();
    assert_eq!(tasks.running(), 0);
}
