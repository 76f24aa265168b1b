//! Warming on the memory store, under paused time.

mod keep;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_codec::ValueFormat;
use cachekit_keys::{Key, KeySchema, ProjectId, ProjectKey, Tag, Ttl};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, KeyExpiry, LayerExt, MemoryStore, Store, StoreExt,
};
use futures_util::stream;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{WarmOptions, each};
use crate::{Cache, CacheBuilder, Invalidation, Loaded};

type Numbers = Cache<ProjectKey, u64>;

fn builder(store: Arc<dyn Store>) -> CacheBuilder<ProjectKey, u64> {
    Cache::builder(store, KeySchema::plain())
}

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

fn key(number: u64) -> ProjectKey {
    ProjectKey::file_tree(ProjectId::new(format!("p{number}")).unwrap())
}

fn keys(count: u64) -> Vec<ProjectKey> {
    (0..count).map(key).collect()
}

fn stored(number: u64) -> Key {
    KeySchema::plain().key(&key(number))
}

/// Counts its calls, and how many run at once.
#[derive(Clone, Default)]
struct Origins(Arc<Counts>);

#[derive(Default)]
struct Counts {
    calls: AtomicU32,
    running: AtomicU32,
    most: AtomicU32,
}

impl Origins {
    async fn load(self, _: ProjectKey) -> io::Result<u64> {
        let calls = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        Ok(calls.into())
    }

    fn loader(
        &self,
    ) -> impl Fn(ProjectKey) -> futures_util::future::BoxFuture<'static, io::Result<u64>> + use<>
    {
        let this = self.clone();
        move |key| Box::pin(this.clone().load(key))
    }

    fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_fresh_is_skipped_and_the_rest_is_loaded_within_the_concurrency() {
    let cache = builder(memory()).build().unwrap();
    cache.set_many(&[(key(3), 7), (key(17), 7)]).await.unwrap();
    let origin = Origins::default();
    let options = WarmOptions::new().with_concurrency(4).with_batch(7);
    let start = Instant::now();
    let report = cache
        .warm_with(each(keys(22)), &options, origin.loader(), |_| {})
        .await;
    assert_eq!(
        (
            report.progress.stored,
            report.progress.skipped,
            report.progress.failed
        ),
        (20, 2, 0)
    );
    assert!(report.completed && report.first_error.is_none());
    assert_eq!(origin.0.most.load(Ordering::SeqCst), 4);
    // Twenty loads of 100 ms, four at a time.
    assert_eq!(start.elapsed().as_millis(), 500);
    assert!(
        cache
            .get_many(&keys(22))
            .await
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
    assert_eq!(cache.get(&key(3)).await.unwrap(), Some(7));

    let again = cache.warm(each(keys(22)), origin.loader()).await;
    assert_eq!((again.progress.skipped, origin.calls()), (22, 20));
    assert_eq!(cache.counts().requests(), 23, "warming asks for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_rate_spreads_the_loads_and_not_the_looks() {
    let cache = builder(memory()).build().unwrap();
    let values: Vec<_> = keys(100).into_iter().map(|key| (key, 1)).collect();
    cache.set_many(&values).await.unwrap();
    let began = Arc::new(Mutex::new(Vec::new()));
    let (seen, start) = (Arc::clone(&began), Instant::now());
    let loader = move |_| {
        seen.lock().push(start.elapsed().as_millis());
        async { Ok::<_, io::Error>(1) }
    };
    let options = WarmOptions::new().with_loads_per_second(20);
    let report = cache
        .warm_with(each(keys(105)), &options, loader, |_| {})
        .await;
    assert_eq!((report.progress.skipped, report.progress.stored), (100, 5));
    assert_eq!(*began.lock(), [0, 50, 100, 150, 200]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_the_rest_goes_on_or_stops() {
    let cache = builder(memory()).build().unwrap();
    let loader = |key: ProjectKey| async move {
        match key == self::key(1) || key == self::key(4) {
            true => Err(io::Error::other("no such tree")),
            false => Ok(1),
        }
    };
    let report = cache.warm(each(keys(6)), loader).await;
    assert_eq!(
        (
            report.progress.stored,
            report.progress.failed,
            report.progress.position
        ),
        (4, 2, 6)
    );
    let error = report.first_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    assert!(report.completed);

    let other = builder(memory()).build().unwrap();
    let options = WarmOptions::new().with_concurrency(1).stopping_after(2);
    let report = other
        .warm_with(each(keys(1_000)), &options, loader, |_| {})
        .await;
    assert!(!report.completed);
    assert_eq!((report.progress.failed, report.progress.position), (2, 5));
    assert_eq!(other.get(&key(5)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_later_run_goes_on_where_a_dropped_one_was() {
    let cache = builder(memory()).build().unwrap();
    let (origin, position) = (Origins::default(), Mutex::new(0));
    let options = WarmOptions::new().with_concurrency(2).with_batch(3);
    let warming = cache.warm_with(each(keys(20)), &options, origin.loader(), |progress| {
        assert_eq!(progress.done(), progress.stored);
        *position.lock() = progress.position;
    });
    // Two at a time: three pairs are done, the fourth is on its way.
    tokio::time::timeout(Duration::from_millis(350), warming)
        .await
        .unwrap_err();
    let position = *position.lock();
    assert_eq!((position, origin.calls()), (6, 8));
    // The loads that ran go on, and are not run again.
    sleep(Duration::from_millis(100)).await;
    let report = cache
        .warm_with(
            each(keys(20)),
            &options.starting_at(position),
            origin.loader(),
            |_| {},
        )
        .await;
    assert_eq!((report.progress.skipped, report.progress.stored), (2, 12));
    assert_eq!((report.progress.position, origin.calls()), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn keys_are_taken_as_they_come() {
    let cache = builder(memory()).build().unwrap();
    let slow = Box::pin(stream::unfold(0, |number| async move {
        sleep(Duration::from_secs(1)).await;
        (number < 3).then(|| (key(number), number + 1))
    }));
    let first = cache.clone();
    let check = async move {
        sleep(Duration::from_millis(1_500)).await;
        assert!(
            first.get(&key(0)).await.unwrap().is_some(),
            "loaded before the second comes"
        );
    };
    let (report, ()) = tokio::join!(cache.warm(slow, Origins::default().loader()), check);
    assert_eq!(report.progress.stored, 3);
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_warm_the_same_keys_load_each_once() {
    let store = memory();
    let process = || {
        builder(Arc::clone(&store) as Arc<dyn Store>)
            .build()
            .unwrap()
    };
    let (left, right, origin) = (process(), process(), Origins::default());
    let (one, other) = tokio::join!(
        left.warm(each(keys(50)), origin.loader()),
        right.warm(each(keys(50)), origin.loader())
    );
    assert_eq!(origin.calls(), 50);
    assert_eq!(one.progress.done() + other.progress.done(), 100);
    assert_eq!(one.progress.failed + other.progress.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_while_it_is_being_warmed_does_not_come_back() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .build()
        .unwrap();
    let invalidation = Invalidation::new(store, KeySchema::plain());
    let invalidate = async {
        sleep(Duration::from_millis(50)).await;
        invalidation
            .clear_project(&ProjectId::new("p1").unwrap())
            .await
            .unwrap();
    };
    let (report, ()) = tokio::join!(
        cache.warm(each(keys(3)), Origins::default().loader()),
        invalidate
    );
    assert_eq!(report.progress.done(), 3);
    assert_eq!(cache.get(&key(1)).await.unwrap(), None);
    assert!(cache.get(&key(2)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn stale_and_damaged_entries_are_replaced_and_newer_ones_left_alone() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .ttl(Ttl::seconds(10))
        .stale_for(Ttl::seconds(60))
        .build()
        .unwrap();
    cache.set(&key(0), &1).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    store
        .set_ttl(&stored(1), "{ damaged".into(), Ttl::seconds(60))
        .await
        .unwrap();
    let newer: &[u8] = &[0xC1, 0x6B, 9, 1, 0, 0, 0, b'1'];
    store
        .set_ttl(&stored(2), newer.into(), Ttl::seconds(60))
        .await
        .unwrap();
    let report = cache
        .warm(each(keys(3)), |_| async { Ok::<_, io::Error>(9) })
        .await;
    assert_eq!(
        (report.progress.stored, report.progress.skipped),
        (2, 1),
        "{report:?}"
    );
    assert_eq!(cache.get_many(&keys(2)).await.unwrap(), [Some(9), Some(9)]);
    assert_eq!(store.get(&stored(2)).await.unwrap().unwrap(), newer);
}

#[tokio::test(start_paused = true)]
async fn where_the_store_is_away_the_origin_is_left_alone() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)));
    let cache = builder(MemoryStore::new().with_faults(&plan))
        .build()
        .unwrap();
    let origin = Origins::default();
    let report = cache.warm(each(keys(3)), origin.loader()).await;
    assert_eq!((report.progress.failed, origin.calls()), (3, 0));
    assert_eq!(report.first_error.unwrap().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_does_not_want_its_value_stored_has_failed_to_warm() {
    let cache = builder(memory()).build().unwrap();
    let loader = |_| async { Ok::<_, io::Error>(Loaded::uncached(1)) };
    let report = cache.warm(each(keys(1)), loader).await;
    assert_eq!(report.progress.failed, 1);
    let none = |_| async { Ok::<_, io::Error>(None) };
    let report = cache.warm(each(keys(1)), none).await;
    assert_eq!(
        report.progress.stored, 1,
        "that there is no value is stored too"
    );
}

#[tokio::test(start_paused = true)]
async fn ready_values_are_stored_with_their_indices_and_lifetime() {
    let store = memory();
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>)
        .build()
        .unwrap();
    let tag = Tag::new("release-7").unwrap();
    let options = WarmOptions::new()
        .with_batch(30)
        .with_ttl(Ttl::seconds(9))
        .with_tags([tag.clone()]);
    let (values, mut told) = (keys(100).into_iter().zip(0..), Vec::new());
    let report = cache
        .warm_values_with(each(values), &options, |progress| {
            told.push(progress.position)
        })
        .await;
    assert_eq!((report.progress.stored, report.completed), (100, true));
    assert_eq!(told.last(), Some(&100));
    assert_eq!(
        cache.expiry(&key(7)).await.unwrap(),
        KeyExpiry::In(Duration::from_secs(9))
    );
    let invalidation = Invalidation::new(store, KeySchema::plain());
    assert_eq!(invalidation.invalidate_tag(&tag).await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn ready_values_do_not_replace_what_is_there_unless_told() {
    let cache = builder(memory()).build().unwrap();
    cache.set(&key(1), &100).await.unwrap();
    let values = || each(keys(3).into_iter().zip(0..));
    let report = cache.warm_values(values()).await;
    assert_eq!((report.progress.stored, report.progress.skipped), (2, 1));
    assert_eq!(cache.get(&key(1)).await.unwrap(), Some(100));
    let report = cache
        .warm_values_with(values(), &WarmOptions::new().overwriting(), |_| {})
        .await;
    assert_eq!(report.progress.stored, 3);
    assert_eq!(cache.get(&key(1)).await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_stored_takes_no_other_with_it() {
    let store: Arc<dyn Store> = memory();
    let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
        .format(ValueFormat::json().with_max_size(100))
        .build()
        .unwrap();
    let values = (0..5).map(|number| (key(number), "x".repeat(if number == 2 { 200 } else { 9 })));
    let report = cache.warm_values(each(values)).await;
    assert_eq!(
        (
            report.progress.stored,
            report.progress.failed,
            report.progress.position
        ),
        (4, 1, 5)
    );
    assert_eq!(report.first_error.unwrap().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn ready_values_stop_for_a_store_that_is_away() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)));
    let cache = builder(MemoryStore::new().with_faults(&plan))
        .build()
        .unwrap();
    let options = WarmOptions::new()
        .with_batch(10)
        .with_concurrency(1)
        .stopping_after(15);
    let values = each(keys(1_000).into_iter().zip(0..));
    let report = cache.warm_values_with(values, &options, |_| {}).await;
    assert_eq!((report.progress.failed, report.completed), (20, false));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_found_the_store_busy_is_written_again() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Timeout)).times(2));
    let cache = builder(MemoryStore::new().with_faults(&plan))
        .build()
        .unwrap();
    let report = cache.warm_values(each(keys(3).into_iter().zip(0..))).await;
    assert_eq!(
        (report.progress.stored, report.progress.failed),
        (3, 0),
        "{report:?}"
    );
}
