//! When is warned, how often, and that nobody waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit_codec::Envelope;
use cachekit_keys::{Channel, KeySchema, QuotaMetric, UserId};
use cachekit_store::{
    ErrorKind, Event, Fault, FaultPlan, FaultRule, Faults, MemoryStore, Observer, Observers,
    PubSubItem, Store, SubscribeRequest, Subscription, Tasks,
};
use futures_util::{FutureExt, future::join_all};

use super::{QuotaWarning, QuotaWarnings};
use crate::{Coalescing, Leasing, Limit, Limiter, Quota, QuotaPlan, Unit};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn user() -> UserId {
    UserId::new("user:1 ü").unwrap()
}

async fn listen(store: &dyn Store) -> Subscription {
    let channel = KeySchema::plain().channel_name(&Channel::QUOTA_WARNING);
    let request = SubscribeRequest::channel(channel);
    store.subscribe(request).await.unwrap()
}

/// What was published so far: name or metric, threshold and usage.
fn heard(subscription: &mut Subscription) -> Vec<QuotaWarning> {
    let mut heard = Vec::new();
    while let Some(Some(item)) = subscription.next().now_or_never() {
        if let PubSubItem::Message { payload, .. } = item {
            let event = Envelope::from_json(&payload).unwrap();
            heard.push(QuotaWarning::from_event(&event).unwrap());
        }
    }
    heard
}

fn brief(warnings: &[QuotaWarning]) -> Vec<(&str, u8, u64)> {
    let brief = |warning: &QuotaWarning| (warning.percent, warning.used);
    let named = warnings.iter().map(|warning| {
        let (percent, used) = brief(warning);
        (warning.counted.as_str(), percent, used)
    });
    named.collect()
}

fn warnings(store: &MemoryStore) -> QuotaWarnings {
    QuotaWarnings::new(Arc::new(store.clone()), KeySchema::plain())
}

fn limiter(store: &MemoryStore, limit: Limit) -> Limiter {
    Limiter::new(Arc::new(store.clone()), KeySchema::plain(), limit)
}

fn ten_an_hour() -> Limit {
    Limit::fixed_window(10, HOUR).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_threshold_is_told_once_by_the_call_that_crosses_it() {
    for limit in [
        ten_an_hour(),
        Limit::token_bucket(10, HOUR).unwrap(),
        Limit::sliding_window(10, HOUR).unwrap(),
        Limit::sliding_log(10, HOUR).unwrap(),
        Limit::aligned_window(10, 10_000 * HOUR).unwrap(),
        Limit::monthly(10).unwrap(),
    ] {
        let store = MemoryStore::new();
        let mut subscription = listen(&store).await;
        let warnings = warnings(&store).at(&[50, 80, 100]).unwrap();
        let limiter = limiter(&store, limit.clone()).warning(&warnings);
        for cost in [3, 1, 1, 1, 4, 1] {
            let _ = limiter.check(&user(), cost).await.unwrap();
        }
        warnings.settled().await;
        let heard = heard(&mut subscription);
        let name = limit.name();
        assert_eq!(
            brief(&heard),
            [(name, 50, 5), (name, 80, 10), (name, 100, 10)]
        );
        assert!(heard.iter().all(|warning| warning.subject == user()
            && warning.limit == 10
            && warning.origin == warnings.origin()
            && warning.resets_in.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_processes_one_warns() {
    let store = MemoryStore::new();
    let processes: Vec<_> = (0..8).map(|_| warnings(&store)).collect();
    let limit = Limit::fixed_window(100, HOUR).unwrap();
    let checks = (0..100).map(|call| {
        let limiter = limiter(&store, limit.clone()).warning(&processes[call % 8]);
        async move { limiter.check(&user(), 1).await.unwrap() }
    });
    let _ = join_all(checks).await;
    let mut published = 0;
    for warnings in &processes {
        warnings.settled().await;
        published += warnings.counts().published;
    }
    assert_eq!(published, 1);
}

#[tokio::test(start_paused = true)]
async fn coalesced_and_leased_checks_warn_once_too() {
    let store = MemoryStore::new();
    let (warnings, tasks) = (warnings(&store), Tasks::new());
    let together = limiter(&store, ten_an_hour()).coalesced(Coalescing::new());
    let together = together.warning(&warnings);
    let subject = user();
    let _ = join_all((0..12).map(|_| together.check(&subject, 1))).await;
    warnings.settled().await;
    assert_eq!(warnings.counts().published, 1);

    let log = Limit::sliding_log(100, HOUR).unwrap();
    let ahead = limiter(&store, log).warning(&warnings);
    let ahead = ahead.leased(Leasing::up_to(16), &tasks).unwrap();
    for _ in 0..100 {
        assert!(ahead.check(&user(), 1).await.unwrap().is_allowed());
    }
    warnings.settled().await;
    assert_eq!(warnings.counts().published, 2);
}

#[tokio::test(start_paused = true)]
async fn usage_that_fell_warns_when_it_rises_again() {
    let store = MemoryStore::new();
    let warnings = warnings(&store);
    let limiter = limiter(&store, ten_an_hour()).warning(&warnings);
    let mut counts = Vec::new();
    for _ in 0..2 {
        let decision = limiter.check(&user(), 8).await.unwrap();
        limiter.refund(&user(), &decision).await.unwrap();
        let _ = limiter.check(&user(), 8).await.unwrap();
        warnings.settled().await;
        counts.push(warnings.counts().published);
        tokio::time::advance(HOUR).await;
    }
    assert_eq!(counts, [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_quota_warns_of_what_is_charged_and_reserved_in_each_window() {
    let store = MemoryStore::new();
    let mut subscription = listen(&store).await;
    let warnings = warnings(&store);
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    let plan = plan.and_per(Unit::Month, 1_000).unwrap();
    let quota = Quota::cost(Arc::new(store.clone()), KeySchema::plain(), plan).unwrap();
    let quota = quota.warning(&warnings);
    let _ = quota.reserve(&user(), "a", 79, MINUTE).await.unwrap();
    // It crosses, and is repeated.
    for _ in 0..2 {
        let _ = quota.reserve(&user(), "b", 6, MINUTE).await.unwrap();
    }
    // What was held is charged: nothing is crossed. Then it falls below, and a commit of more than was held crosses.
    let _ = quota.commit(&user(), "b", 6).await.unwrap();
    let _ = quota.cancel(&user(), "a").await.unwrap();
    let _ = quota.reserve(&user(), "c", 10, MINUTE).await.unwrap();
    let _ = quota.commit(&user(), "c", 90).await.unwrap();
    let _ = quota.usage(&user()).await.unwrap();
    quota.increment(&user(), 800).await.unwrap();
    warnings.settled().await;
    let heard = heard(&mut subscription);
    assert_eq!(
        brief(&heard),
        [("cost", 80, 85), ("cost", 80, 96), ("cost", 80, 896)]
    );
    let windows: Vec<_> = heard
        .iter()
        .map(|warning| warning.window.as_deref())
        .collect();
    assert_eq!(windows, [Some("day"), Some("day"), Some("month")]);
}

#[tokio::test(start_paused = true)]
async fn a_gauge_warns_and_says_that_it_never_resets() {
    let store = MemoryStore::new();
    let mut subscription = listen(&store).await;
    let warnings = warnings(&store);
    let bytes = QuotaMetric::storage_bytes();
    let plan = QuotaPlan::gauge(1_000).unwrap();
    let quota = Quota::metric(Arc::new(store.clone()), KeySchema::plain(), bytes, plan);
    let quota = quota.warning(&warnings);
    let _ = quota.charge(&user(), 800).await.unwrap();
    quota.decrement(&user(), 100).await.unwrap();
    warnings.settled().await;
    let heard = heard(&mut subscription);
    assert_eq!(brief(&heard), [("storage_bytes", 80, 800)]);
    assert_eq!(heard[0].resets_in, None);
    assert_eq!(heard[0].window.as_deref(), Some("gauge"));
}

#[derive(Debug, Default)]
struct Told {
    crossed: AtomicU64,
    lost: AtomicU64,
}

impl Observer for Told {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::QuotaWarning { .. } => self.crossed.fetch_add(1, Ordering::SeqCst),
            Event::QuotaWarningFailed { .. } => self.lost.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
    }
}

#[tokio::test(start_paused = true)]
async fn no_decision_waits_for_a_warning_or_fails_by_it() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)).on("publish"));
    let store: Arc<dyn Store> = Arc::new(Faults::new(Arc::new(MemoryStore::new()), &plan));
    let told = Arc::new(Told::default());
    let observers = Observers::none().with(Arc::<Told>::clone(&told));
    let warnings = QuotaWarnings::new(Arc::clone(&store), KeySchema::plain());
    let warnings = warnings.with_observers(observers);
    let limiter = Limiter::new(store, KeySchema::plain(), ten_an_hour()).warning(&warnings);
    let start = tokio::time::Instant::now();
    assert!(limiter.check(&user(), 9).await.unwrap().is_allowed());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(told.crossed.load(Ordering::SeqCst), 1);
    warnings.settled().await;
    assert_eq!(
        (warnings.counts().published, warnings.counts().failed),
        (0, 1)
    );
    assert_eq!(told.lost.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_what_is_given_up_is_counted() {
    let store = MemoryStore::new();
    let warnings = warnings(&store);
    let limiter = limiter(&store, Limit::fixed_window(1, HOUR).unwrap()).warning(&warnings);
    for number in 0..300 {
        let user = UserId::new(format!("user{number}")).unwrap();
        // The memory store answers at once: the task that publishes has no turn between these.
        assert!(
            limiter
                .check(&user, 1)
                .now_or_never()
                .unwrap()
                .unwrap()
                .is_allowed()
        );
    }
    warnings.settled().await;
    assert_eq!(
        (warnings.counts().published, warnings.counts().failed),
        (256, 44)
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_trackers_end_decisions_go_on_without_warnings() {
    let store = MemoryStore::new();
    let tasks = Tasks::new();
    let warnings = warnings(&store).with_tasks(tasks.clone());
    let limiter = limiter(&store, ten_an_hour()).warning(&warnings);
    let _ = tasks.shutdown(Duration::ZERO).await;
    assert!(limiter.check(&user(), 9).await.unwrap().is_allowed());
    warnings.settled().await;
    assert_eq!(
        (warnings.counts().published, warnings.counts().failed),
        (0, 1)
    );
}

#[test]
fn thresholds_are_percents() {
    let warnings = warnings(&MemoryStore::new());
    for wrong in [&[][..], &[0], &[101], &[1; 9]] {
        let error = warnings.clone().at(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(warnings.at(&[1, 100]).is_ok());
}

#[test]
fn an_event_of_another_type_or_form_is_no_warning() {
    let event = |kind, data: &str| {
        let event = Envelope::new("1", "/x", kind).unwrap();
        event.with_data(&data).unwrap()
    };
    for event in [event("other", "x"), event(QuotaWarning::EVENT_TYPE, "x")] {
        let error = QuotaWarning::from_event(&event).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_name_that_is_no_part_of_a_source_is_refused_at_once() {
    let warnings = QuotaWarnings::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    let refused = warnings.with_origin("api 7").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}
