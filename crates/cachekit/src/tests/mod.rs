//! The wiring: that what the builder was told reaches what is behind it.

#[cfg(feature = "patterns")]
mod handles;
#[cfg(feature = "insight")]
mod insight;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "redis")]
mod redis;
mod stuck;

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_store::{Event, StopSignal, SubscribeRequest};

use crate::{
    CacheKit, CacheKitBuilder, ErrorKind, KeyFormat, MemoryStore, Observer, ShutdownReport,
    tests::stuck::StuckStore,
};

const fn assert_shared<T: Send + Sync + 'static>() {}

fn assert_send<T: Send>(_: T) {}

const _: () = {
    assert_shared::<CacheKit>();
    assert_shared::<CacheKitBuilder>();
    assert_shared::<ShutdownReport>();
};

#[expect(dead_code, reason = "only type-checked")]
fn futures_are_send(kit: &CacheKit) {
    assert_send(kit.get_stats());
    assert_send(kit.shutdown(Duration::ZERO));
    #[cfg(feature = "insight")]
    assert_send(kit.cache_stats());
    #[cfg(feature = "redis")]
    assert_send(CacheKit::connect("redis://127.0.0.1"));
    #[cfg(feature = "patterns")]
    assert_send(kit.delete_by_pattern("session:*"));
}

#[test]
fn keys_are_sharded_where_the_store_is_clustered_unless_the_builder_says_otherwise() {
    let clustered = || Arc::new(MemoryStore::builder().clustered(true).build());
    let format = |builder: CacheKitBuilder| builder.build().unwrap().schema().format();

    assert_eq!(format(CacheKit::builder()), KeyFormat::Plain);
    assert_eq!(
        format(CacheKit::builder().store(clustered())),
        KeyFormat::Sharded
    );
    let plain = CacheKit::builder()
        .store(clustered())
        .key_format(KeyFormat::Plain);
    assert_eq!(format(plain), KeyFormat::Plain);
}

#[tokio::test]
async fn the_statistics_are_the_stores() {
    let facts = CacheKit::memory().get_stats().await.unwrap();
    assert_eq!(facts.product, "memory");
}

#[tokio::test]
async fn shutdown_closes_the_store_of_every_clone_and_can_be_repeated() {
    let kit = CacheKit::memory();
    let clone = kit.clone();
    assert!(kit.shutdown(Duration::from_secs(1)).await.completed);
    assert_eq!(
        clone.get_stats().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert!(clone.shutdown(Duration::from_secs(1)).await.completed);
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_at_its_deadline_and_says_so() {
    let kit = CacheKit::builder()
        .store(Arc::new(StuckStore))
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert!(!report.completed && !report.store_closed);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_tasks_before_the_store() {
    let kit = CacheKit::memory();
    let store = Arc::clone(kit.store());
    let flushed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flushed);
    let worker = |stop: StopSignal| async move {
        stop.stopped().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        seen.store(store.time().await.is_ok(), Ordering::SeqCst);
    };
    kit.tasks().spawn_until_stopped("flush", worker).unwrap();
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert!(report.completed && report.store_closed);
    assert!(
        flushed.load(Ordering::SeqCst),
        "the store was open for the task"
    );
}

#[tokio::test(start_paused = true)]
async fn one_deadline_holds_for_tasks_and_store_and_the_report_names_what_was_left() {
    let kit = CacheKit::builder()
        .store(Arc::new(StuckStore))
        .build()
        .unwrap();
    kit.tasks().spawn("stubborn", future::pending()).unwrap();
    let start = tokio::time::Instant::now();
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(report.cut_off_tasks, ["stubborn"]);
    assert!(!report.completed && !report.store_closed);
}

#[tokio::test]
async fn a_store_is_closed_even_where_its_tasks_used_up_the_deadline() {
    let kit = CacheKit::memory();
    kit.tasks().spawn("stubborn", future::pending()).unwrap();
    let report = kit.shutdown(Duration::ZERO).await;
    assert!(!report.completed && report.store_closed);
    assert_eq!(kit.get_stats().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn the_drop_of_the_last_clone_cuts_the_tasks_off() {
    let kit = CacheKit::memory();
    let clone = kit.clone();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let task = async move {
        let _sender = sender;
        future::pending().await
    };
    kit.tasks().spawn("endless", task).unwrap();
    drop(kit);
    assert_eq!(clone.tasks().running(), 1);
    drop(clone);
    assert!(receiver.await.is_err(), "the task is gone");
}

#[derive(Debug, Default)]
struct Counts {
    panics: AtomicUsize,
    gaps: AtomicUsize,
}

impl Observer for Counts {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::TaskPanicked { .. } => self.panics.fetch_add(1, Ordering::SeqCst),
            Event::Gap { .. } => self.gaps.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
    }
}

#[tokio::test]
async fn an_observer_hears_of_the_tasks_and_of_the_store() {
    let counts = Arc::new(Counts::default());
    let kit = CacheKit::builder()
        .observer(Arc::clone(&counts) as _)
        .build()
        .unwrap();
    let broken = async { panic!("on purpose") };
    kit.tasks().spawn("broken", broken).unwrap();
    let request = SubscribeRequest::channel("system:health_check");
    let mut subscription = kit.store().subscribe(request).await.unwrap();
    subscription.next().await.unwrap();
    assert!(kit.shutdown(Duration::from_secs(5)).await.completed);
    assert_eq!(counts.panics.load(Ordering::SeqCst), 1);
    assert_eq!(counts.gaps.load(Ordering::SeqCst), 1);
}
