//! Edges: first calls at boundaries, years far from now, odd ids and forgotten scripts on servers, listeners without a right.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace, QuotaMetric, UserId};
use cachekit_limits::{
    Coalescing, InFlightLimiter, Limit, Limiter, Origin, Period, Quota, QuotaPlan, Settlement, Unit,
};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, RedisStore, Result, Store, Tasks,
};
use cachekit_testkit::{
    RawClient,
    server::{Deployment, Form, Kind, Server, SharedServer},
};

use crate::{
    stage::on_both,
    support::{limiter, user},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// A moment at which a minute, an hour and a day of UTC begin.
const MIDNIGHT: u64 = 1_700_006_400_000_000;

type Make = fn(u64, Duration) -> Result<Limit>;

const TIMED: [Make; 5] = [
    Limit::token_bucket,
    Limit::fixed_window,
    Limit::aligned_window,
    Limit::sliding_window,
    Limit::sliding_log,
];

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

#[test]
fn a_first_call_at_a_boundary_belongs_to_the_window_that_begins() {
    for (make, time) in [
        (Limit::aligned_window as Make, MINUTE),
        (Limit::aligned_window, DAY),
        (Limit::fixed_window, MINUTE),
        (|units, _| Limit::daily(units), DAY),
    ] {
        on_both(async |stage| {
            let limiter = stage.limiter(vec![make(2, time).unwrap()]);
            (stage.set)(MIDNIGHT);
            let first = limiter.check(&user(), 2).await.unwrap();
            assert_eq!((first.is_allowed(), first.reset_after()), (true, time));
            let denied = limiter.check(&user(), 1).await.unwrap();
            assert_eq!(denied.retry_after(), Some(time));
            // The last microsecond, and the first of the next.
            (stage.set)(MIDNIGHT + micros(time) - 1);
            let denied = limiter.check(&user(), 1).await.unwrap();
            assert_eq!(denied.retry_after(), Some(Duration::from_micros(1)));
            (stage.set)(MIDNIGHT + micros(time));
            let next = limiter.check(&user(), 2).await.unwrap();
            assert_eq!((next.is_allowed(), next.reset_after()), (true, time));
        });
    }
}

#[test]
fn an_amount_at_midnight_is_charged_to_the_day_that_begins() {
    on_both(async |stage| {
        let quota = stage.quota(QuotaPlan::per(Unit::Day, 5).unwrap());
        (stage.set)(MIDNIGHT - 1);
        assert!(quota.charge(&user(), 5).await.unwrap().is_allowed());
        let denied = quota.charge(&user(), 5).await.unwrap();
        assert_eq!(denied.retry_after(), Some(Duration::from_micros(1)));
        (stage.set)(MIDNIGHT);
        let charged = quota.charge(&user(), 5).await.unwrap();
        let left = charged.binding().resets_in();
        assert_eq!((charged.is_allowed(), left), (true, Some(DAY)));
    });
}

/// What is used is no less used because its window was made longer or shorter.
#[test]
fn a_window_can_be_changed_with_what_is_used_kept() {
    let seconds = Duration::from_secs;
    on_both(async |stage| {
        for (number, make) in TIMED[1..].iter().enumerate() {
            for (before, after) in [(60, 7), (60, 20), (20, 60), (7, 60), (60, 600)] {
                let name = format!("{number}, {before} to {after}");
                let of = |width| {
                    let limit = make(10, seconds(width)).unwrap();
                    stage.limiter(vec![limit.named(&name).unwrap()])
                };
                let (old, new) = (of(before), of(after));
                let begin = MIDNIGHT + 3_600_000_000 - 3_000_000;
                (stage.set)(begin);
                assert!(old.check(&user(), 4).await.unwrap().is_allowed());
                // In the next window of most widths.
                (stage.set)(begin + 6_000_000);
                let more = old.check_at_most(&user(), 6).await.unwrap().taken();
                let now = begin + 6_500_000;
                (stage.set)(now);
                let kept = new.check_at_most(&user(), 10).await.unwrap();
                assert!(kept.taken() <= 10 - more, "{name}: {kept:?}");
                // It opens again within two windows, and exactly when it says so.
                let denied = new.check(&user(), 10).await.unwrap();
                let wait = denied.retry_after().unwrap();
                assert!(wait <= 2 * seconds(after.max(before)), "{name}: {wait:?}");
                (stage.set)(now + micros(wait) - 1);
                assert!(!new.check(&user(), 10).await.unwrap().is_allowed());
                (stage.set)(now + micros(wait));
                assert!(new.check(&user(), 10).await.unwrap().is_allowed());
            }
        }
    });
}

/// Times of fifteen digits and of sixteen, and the last years before 2^53 microseconds.
#[test]
fn limits_are_exact_in_every_year_that_scripts_can_tell() {
    for then in [
        915_148_799_999_999,   // the end of 1998
        999_999_999_999_999,   // 2001, where a digit comes in
        1_709_251_199_123_457, // the leap day of 2024
        8_999_999_999_999_999, // 2255
    ] {
        on_both(async |stage| {
            (stage.set)(then);
            let mut limits: Vec<Limit> = Vec::new();
            for (name, make) in TIMED.iter().enumerate() {
                let limit = make(2, MINUTE).unwrap();
                limits.push(limit.named(&name.to_string()).unwrap());
            }
            for limit in limits {
                let limiter = stage.limiter(vec![limit]);
                assert!(limiter.check(&user(), 2).await.unwrap().is_allowed());
                let denied = limiter.check(&user(), 1).await.unwrap();
                let wait = denied.retry_after().unwrap();
                assert!(!wait.is_zero() && wait <= 2 * MINUTE, "{then}: {wait:?}");
                (stage.set)(then + micros(wait) - 1);
                assert!(!limiter.check(&user(), 1).await.unwrap().is_allowed());
                (stage.set)(then + micros(wait));
                assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
                (stage.set)(then);
            }
            let limits = vec![Limit::daily(2).unwrap(), Limit::monthly(3).unwrap()];
            let limiter = stage.limiter(limits);
            assert!(limiter.check(&user(), 2).await.unwrap().is_allowed());
            assert!(!limiter.check(&user(), 2).await.unwrap().is_allowed());
        });
    }
}

/// Ids that break out of keys, patterns, hash tags, Lua or text protocols where these are put together by hand.
const ODD: [&str; 10] = [
    "a:b",
    "{a}",
    "}{",
    "*?[a-z]",
    "a b\t\r\n",
    "\u{0}\u{1}\u{7f}",
    "%25%",
    "ünï 漢字 🦀",
    "'; redis.call('FLUSHALL') --",
    "$-1\r\n+OK",
];

/// Each id has its own of everything, and what is done to one is nothing to the others.
async fn each_id_is_its_own(store: Arc<dyn Store>, schema: KeySchema) {
    let limits = TIMED.iter().enumerate().map(|(index, make)| {
        let limit = make(3, DAY).unwrap();
        limit.named(&format!("odd:{{{index}}}*")).unwrap()
    });
    let limits = limits.chain([Limit::daily(3).unwrap(), Limit::monthly(3).unwrap()]);
    let limiter = Limiter::all_of(Arc::clone(&store), schema.clone(), limits.collect()).unwrap();
    let limiter = limiter.coalesced(Coalescing::new());
    let plan = QuotaPlan::per(Unit::Day, 3).unwrap();
    let plan = plan.and_per(Unit::Month, 3).unwrap();
    let metric = QuotaMetric::new("odd:{metric} *").unwrap();
    let running = InFlightLimiter::new(Arc::clone(&store), schema.clone(), 1, MINUTE).unwrap();
    let quota = Quota::metric(store, schema, metric, plan.with_stored_limits());
    let users = ODD.map(|id| UserId::new(id).unwrap());
    for user in &users {
        let first = limiter.check(user, 2).await.unwrap();
        assert!(first.is_allowed(), "{user:?}");
        assert!(!limiter.check(user, 2).await.unwrap().is_allowed());
        for _ in 0..2 {
            let name = user.decoded();
            let back = limiter.refund_once(user, &first, 2, &name).await;
            assert_eq!(back.unwrap().used(), 0, "{user:?}");
        }
        assert!(limiter.check(user, 3).await.unwrap().is_allowed());
        for id in ODD {
            let reserved = quota.reserve(user, id, 0, MINUTE).await.unwrap();
            assert!(reserved.is_allowed(), "{user:?}, {id:?}");
        }
        let reserved = quota.reserve(user, "one", 3, MINUTE).await.unwrap();
        assert!(reserved.is_allowed(), "{user:?}");
        let settled = quota.commit(user, "one", 3).await.unwrap();
        assert_eq!(settled, Settlement::Committed(3));
        assert!(!quota.charge(user, 1).await.unwrap().is_allowed());
        let lease = running.acquire(user, 1).await.unwrap().lease().unwrap();
        assert!(!running.acquire(user, 1).await.unwrap().is_allowed());
        assert!(lease.release().await.unwrap());
    }
    limiter.reset(&users[0]).await.unwrap();
    limiter.set_limit(&users[1], Period::Day, 9).await.unwrap();
    for (index, user) in users.iter().enumerate() {
        let allowed = limiter.peek(user, 1).await.unwrap().is_allowed();
        assert_eq!(allowed, index == 0, "{user:?}");
        let own = limiter.limit_of(user, Period::Day).await.unwrap();
        assert_eq!(own, (index == 1).then_some(9), "{user:?}");
    }
}

fn own_schema() -> KeySchema {
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    KeySchema::sharded().with_namespace(space)
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_odd_characters_are_ids_on_servers_and_on_a_cluster() {
    let clustered = MemoryStore::builder().clustered(true).build();
    each_id_is_its_own(Arc::new(clustered), own_schema()).await;
    for deployment in [
        Deployment::from(Kind::Redis7),
        Deployment::from(Kind::Valkey8),
        Deployment::new(Kind::Redis7, Form::Cluster),
    ] {
        if let Some(server) = SharedServer::of(deployment).await.unwrap() {
            let store = RedisStore::connect(server.url()).await.unwrap();
            each_id_is_its_own(Arc::new(store), own_schema()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_server_that_forgot_its_scripts_is_done_once() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let mut forget = || drop(raw.text(&["SCRIPT", "FLUSH"]).unwrap());
    let schema = KeySchema::plain();
    let window = Limit::fixed_window(100, DAY).unwrap();
    let limits = vec![
        window.with_penalty(MINUTE).unwrap(),
        Limit::monthly(100).unwrap(),
    ];
    let limiter = Limiter::all_of(Arc::clone(&store), schema.clone(), limits).unwrap();
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    let running = InFlightLimiter::new(Arc::clone(&store), schema.clone(), 1, MINUTE).unwrap();
    let quota = Quota::metric(store, schema, QuotaMetric::api_calls(), plan);

    let user = user();
    for round in 1..=3_u64 {
        let id = round.to_string();
        forget();
        let taken = limiter.check(&user, 10).await.unwrap();
        forget();
        let some = limiter.check_at_most(&user, 10).await.unwrap();
        forget();
        let left = limiter.peek(&user, 1).await.unwrap().remaining();
        assert_eq!((taken.taken(), some.taken(), left), (10, 10, 80));
        forget();
        limiter.refund(&user, &taken).await.unwrap();
        forget();
        let status = limiter.refund_once(&user, &some, 4, &id).await.unwrap();
        assert_eq!(status.used(), 6);
        forget();
        limiter.block(&user, HOUR).await.unwrap();
        forget();
        assert!(!limiter.check(&user, 1).await.unwrap().is_allowed());
        limiter.reset(&user).await.unwrap();

        forget();
        assert!(
            quota
                .reserve(&user, &id, 10, MINUTE)
                .await
                .unwrap()
                .is_allowed()
        );
        forget();
        assert!(quota.extend(&user, &id, MINUTE).await.unwrap());
        forget();
        let part = quota.commit_part(&user, &id, 4).await.unwrap();
        assert_eq!(part, Settlement::Committed(4));
        forget();
        let all = quota.commit(&user, &id, 7).await.unwrap();
        assert_eq!(all, Settlement::Committed(7));
        forget();
        assert!(quota.charge(&user, 2).await.unwrap().is_allowed());
        forget();
        let used = quota.decrement(&user, 1).await.unwrap().used();
        assert_eq!(used, 8 * round);

        forget();
        let lease = running.acquire(&user, 1).await.unwrap().lease().unwrap();
        forget();
        assert!(lease.renew().await.unwrap());
        forget();
        assert!(lease.release().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_listen_remembers_for_as_long_as_was_said() {
    let (plan, tasks) = (FaultPlan::new(), Tasks::new());
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::PermissionDenied)).on("subscribe"));
    let store = Arc::new(Faults::new(Arc::new(MemoryStore::new()), &plan));
    let of = || {
        let limit = Limit::daily(10).unwrap();
        Limiter::new(Arc::<Faults>::clone(&store), KeySchema::plain(), limit)
    };
    let (here, there) = (of().remembering_denials(MINUTE), of());
    let here = here.hearing_of_changes(&tasks).unwrap();
    assert!(here.check(&user(), 10).await.unwrap().is_allowed());
    for expected in [Origin::Server, Origin::DenialCache] {
        assert_eq!(here.check(&user(), 1).await.unwrap().origin(), expected);
    }
    there.reset(&user()).await.unwrap();
    let denied = here.check(&user(), 1).await.unwrap();
    assert_eq!(denied.origin(), Origin::DenialCache);
    tokio::time::advance(MINUTE).await;
    assert!(here.check(&user(), 1).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_passes_costs_one_call_although_others_are_denied() {
    let plan = FaultPlan::new();
    let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
    let limit = Limit::fixed_window(100, MINUTE).unwrap();
    let limiter = Limiter::new(Arc::new(store), KeySchema::plain(), limit);
    let limiter = limiter.remembering_denials(MINUTE);
    let heavy = UserId::new("heavy").unwrap();
    let _ = limiter.check_at_most(&heavy, 100).await.unwrap();
    for _ in 0..2 {
        assert!(!limiter.check(&heavy, 1).await.unwrap().is_allowed());
    }
    let before = plan.calls();
    for _ in 0..50 {
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        assert!(!limiter.check(&heavy, 1).await.unwrap().is_allowed());
    }
    assert_eq!(plan.calls() - before, 50);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_writes_nothing_and_what_costs_nothing_neither() {
    for make in TIMED {
        let (limiter, store) = limiter(vec![make(3, DAY).unwrap()]);
        let looked = limiter.check(&user(), 0).await.unwrap();
        assert_eq!((looked.is_allowed(), looked.remaining()), (true, 3));
        for cost in [4, 1 << 52, 1 << 53, u64::MAX] {
            let error = limiter.check(&user(), cost).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{cost}");
        }
        assert_eq!(store.server_facts().await.unwrap().keys, 0);
    }
}
