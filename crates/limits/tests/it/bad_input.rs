//! What is wrong or odd is a typed error or has a defined result.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, QuotaMetric, UserId};
use cachekit_limits::{InFlightLimiter, Limit, Limiter, Quota, QuotaPlan, Settlement, Unit, Zone};
use cachekit_store::{ErrorKind, MemoryStore, Result, Store};

use crate::support::{limiter, user};

const MINUTE: Duration = Duration::from_secs(60);
/// A hundred years.
const CENTURY: Duration = Duration::from_secs(36_525 * 86_400);
/// The longest window there is.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

fn all(limit: u64, window: Duration) -> Vec<(&'static str, Result<Limit>)> {
    vec![
        ("bucket", Limit::token_bucket(limit, window)),
        ("window", Limit::fixed_window(limit, window)),
        ("aligned", Limit::aligned_window(limit, window)),
        ("sliding", Limit::sliding_window(limit, window)),
        ("log", Limit::sliding_log(limit, window)),
    ]
}

fn refused<T: std::fmt::Debug>(what: &str, result: Result<T>) {
    assert_eq!(
        result.expect_err(what).kind(),
        ErrorKind::InvalidInput,
        "{what}"
    );
}

#[test]
fn a_limit_of_zero_is_refused() {
    for (what, limit) in all(0, MINUTE) {
        refused(what, limit);
    }
    refused("daily", Limit::daily(0));
    refused("monthly", Limit::monthly(0));
    refused("refill", Limit::token_bucket_refilling(10, 0, MINUTE));
    let store = Arc::new(MemoryStore::new());
    let in_flight = InFlightLimiter::new(store, KeySchema::plain(), 0, MINUTE);
    refused("in flight", in_flight);
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_zero_denies_everything() {
    let plan = QuotaPlan::per(Unit::Day, 0).unwrap();
    let store = Arc::new(MemoryStore::new());
    let quota = Quota::metric(store, KeySchema::plain(), QuotaMetric::api_calls(), plan);
    refused("never", quota.charge(&user(), 1).await);
    assert_eq!(
        quota.increment(&user(), 1).await.unwrap().remaining(),
        Some(0)
    );
}

#[test]
fn windows_of_zero_or_a_century_are_refused() {
    for window in [Duration::ZERO, CENTURY, Duration::MAX, LONGEST + MINUTE] {
        for (what, limit) in all(10, window) {
            refused(what, limit);
        }
        refused("penalty", Limit::daily(1).unwrap().with_penalty(window));
    }
}

#[tokio::test(start_paused = true)]
async fn the_shortest_and_the_longest_window_work() {
    for window in [Duration::from_micros(1), Duration::from_millis(1), LONGEST] {
        // A bucket must take a microsecond to fill.
        for (what, limit) in all(1, window) {
            let (limiter, _) = limiter(vec![limit.expect(what)]);
            assert!(
                limiter.check(&user(), 1).await.unwrap().is_allowed(),
                "{what}"
            );
            let denied = limiter.check(&user(), 1).await.unwrap();
            assert!(!denied.is_allowed(), "{what} of {window:?}");
            let wait = denied.retry_after().unwrap();
            assert!(
                wait > Duration::ZERO && wait <= 2 * window,
                "{what}: {wait:?}"
            );
            // Tokio's clock has milliseconds.
            tokio::time::advance(wait.max(Duration::from_millis(1))).await;
            assert!(
                limiter.check(&user(), 1).await.unwrap().is_allowed(),
                "{what}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cost_of_zero_takes_nothing_and_passes_where_nothing_is_left() {
    for (what, limit) in all(3, MINUTE) {
        let (limiter, _) = limiter(vec![limit.unwrap()]);
        let _ = limiter.check(&user(), 3).await.unwrap();
        let nothing = limiter.check(&user(), 0).await.unwrap();
        assert_eq!((nothing.is_allowed(), nothing.taken()), (true, 0), "{what}");
        assert_eq!(nothing.remaining(), 0, "{what}");
        refused("at most", limiter.check_at_most(&user(), 0).await);
    }
}

#[tokio::test(start_paused = true)]
async fn amounts_that_would_overflow_are_refused_and_change_nothing() {
    for (what, limit) in all(10, MINUTE) {
        let (limiter, _) = limiter(vec![limit.unwrap()]);
        refused(what, limiter.check(&user(), u64::MAX).await);
        refused(what, limiter.peek(&user(), u64::MAX).await);
        let most = limiter.check_at_most(&user(), u64::MAX).await.unwrap();
        assert_eq!(most.taken(), 10, "{what}");
        let status = limiter.refund_part(&user(), &most, u64::MAX).await.unwrap();
        assert_eq!(status.used(), 0, "{what}");
    }
    for (what, limit) in all(u64::MAX, MINUTE) {
        refused(what, limit);
    }
    let (daily, _) = limiter(vec![Limit::daily(1).unwrap()]);
    let period = cachekit_limits::Period::Day;
    refused("stored", daily.set_limit(&user(), period, u64::MAX).await);

    let store = Arc::new(MemoryStore::new());
    let plan = QuotaPlan::unlimited(Unit::Month).unwrap();
    let quota = Quota::cost(store, KeySchema::plain(), plan).unwrap();
    let most = 1 << 52;
    assert_eq!(quota.increment(&user(), most).await.unwrap().used(), most);
    refused("sum", quota.increment(&user(), 1).await);
    refused("amount", quota.increment(&user(), most + 1).await);
    refused("decrement", quota.decrement(&user(), u64::MAX).await);
    assert_eq!(quota.usage(&user()).await.unwrap().used(), most);
}

#[tokio::test(start_paused = true)]
async fn ids_of_odd_characters_are_subjects_of_their_own() {
    let odd = [
        "a",
        "A",
        "a:b",
        "a:",
        ":a",
        "{a}",
        "{}",
        "a}",
        "a%3Ab",
        "%",
        "a b",
        "a\tb",
        "a\r\nb",
        "a\0b",
        "*",
        "a*",
        "?",
        "[a]",
        "\\",
        "\"",
        "'",
        "ü",
        "用户",
        "\u{202e}a",
        "😀",
        "ck:x",
        "requests",
        "a,b",
        "h:x=1",
        ".",
        "..",
        "/",
    ];
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let limits = vec![
            Limit::daily(1).unwrap(),
            Limit::token_bucket(1, MINUTE).unwrap().named("b").unwrap(),
        ];
        let limiter = Limiter::all_of(Arc::clone(&store), schema.clone(), limits).unwrap();
        let plan = QuotaPlan::per(Unit::Day, 1).unwrap();
        let quota = Quota::metric(store, schema, QuotaMetric::api_calls(), plan);
        for id in odd {
            let subject = UserId::new(id).unwrap();
            let decision = limiter.check(&subject, 1).await.unwrap();
            assert!(decision.is_allowed(), "{id:?} is another's");
            assert!(!limiter.check(&subject, 1).await.unwrap().is_allowed());
            assert!(
                quota.charge(&subject, 1).await.unwrap().is_allowed(),
                "{id:?}"
            );
            let minute = MINUTE;
            // Ids of reservations and refunds are as odd.
            quota.decrement(&subject, 1).await.unwrap();
            assert!(
                quota
                    .reserve(&subject, id, 1, minute)
                    .await
                    .unwrap()
                    .is_allowed()
            );
            let _ = quota.commit(&subject, id, 1).await.unwrap();
            assert_eq!(quota.usage(&subject).await.unwrap().used(), 1, "{id:?}");
            for _ in 0..2 {
                limiter
                    .refund_once(&subject, &decision, 1, id)
                    .await
                    .unwrap();
            }
        }
    }
    assert!(UserId::new("").is_err());
}

#[test]
fn a_time_zone_that_does_not_exist_is_refused() {
    for name in [
        "Europe/Atlantis",
        "",
        "UTC+99",
        "../../etc/passwd",
        "Europe/Berlin\0",
    ] {
        refused(name, Zone::named(name));
    }
    for day in [0, 32, 127] {
        refused("a billing day", QuotaPlan::per(Unit::Billing { day }, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_would_not_be_exact_is_an_error_and_changes_nothing() {
    let store = MemoryStore::new();
    let plan = QuotaPlan::unlimited(Unit::Month).unwrap();
    let quota = Quota::cost(Arc::new(store), KeySchema::plain(), plan).unwrap();
    let most = 1 << 52;
    for id in ["1", "2"] {
        assert!(
            quota
                .reserve(&user(), id, 1, MINUTE)
                .await
                .unwrap()
                .is_allowed()
        );
    }
    assert_eq!(
        quota.commit(&user(), "1", most).await.unwrap(),
        Settlement::Committed(most)
    );
    let error = quota.commit(&user(), "2", 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let usage = quota.usage(&user()).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (most, 1));
    assert_eq!(
        quota.cancel(&user(), "2").await.unwrap(),
        Settlement::Cancelled
    );
}
