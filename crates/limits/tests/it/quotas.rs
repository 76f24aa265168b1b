//! Quotas as the specification has them, and what others got wrong.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, KeySchema, Namespace, QuotaMetric, Ttl};
use cachekit_limits::{Overrun, Period, Quota, QuotaPlan, Settlement, Unit, Zone};
use cachekit_store::{ErrorKind, KeyExpiry, MemoryStore, RedisStore, SetOptions, Store, StoreExt};
use cachekit_testkit::server::{Kind, SharedServer};
use tokio::task::JoinSet;

use crate::support::{START, at, user};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn quota(plan: QuotaPlan) -> (Quota, MemoryStore) {
    let store = MemoryStore::new();
    store.set_wall_clock(at(START));
    let shared = Arc::new(store.clone());
    let quota = Quota::metric(shared, KeySchema::plain(), QuotaMetric::api_calls(), plan);
    (quota, store)
}

async fn text(store: &MemoryStore, key: &str) -> Option<String> {
    let key = Key::from_raw(key.to_owned()).unwrap();
    let value = store.get(&key).await.unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn counters_are_plain_numbers_under_the_keys_of_the_specification() {
    let plan = QuotaPlan::unlimited(Unit::Day).unwrap();
    let (calls, store) = quota(plan);
    assert_eq!(calls.increment(&user(), 1).await.unwrap().used(), 1);
    assert_eq!(calls.increment(&user(), 41).await.unwrap().used(), 42);
    let key = "quota:user123:api_calls:2023-11-14";
    assert_eq!(text(&store, key).await.as_deref(), Some("42"));
    let expiry = store.expiry(&Key::from_raw(key).unwrap()).await.unwrap();
    assert!(matches!(expiry, KeyExpiry::In(left) if left > DAY && left < 5 * DAY));

    let plan = QuotaPlan::per(Unit::Day, 100)
        .unwrap()
        .and_per(Unit::Month, 1_000)
        .unwrap();
    let costs = Quota::cost(Arc::new(store.clone()), KeySchema::plain(), plan).unwrap();
    assert!(costs.charge(&user(), 7).await.unwrap().is_allowed());
    assert_eq!(
        text(&store, "cost:user123:2023-11-14").await.as_deref(),
        Some("7")
    );
    assert_eq!(
        text(&store, "cost:user123:monthly:2023-11")
            .await
            .as_deref(),
        Some("7")
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_after_midnight_is_charged_to_the_day_of_the_reservation() {
    let (quota, store) = quota(QuotaPlan::per(Unit::Day, 100).unwrap());
    assert!(
        quota
            .reserve(&user(), "a", 30, DAY)
            .await
            .unwrap()
            .is_allowed()
    );
    // The hold is over too: what was used is charged all the same.
    for hours in [18, 29] {
        tokio::time::advance(hours * HOUR).await;
        let _ = quota.usage(&user()).await.unwrap();
    }
    assert_eq!(
        quota.commit(&user(), "a", 25).await.unwrap(),
        Settlement::Committed(25)
    );
    assert_eq!(quota.usage(&user()).await.unwrap().used(), 0);
    let key = "quota:user123:api_calls:2023-11-14";
    assert_eq!(text(&store, key).await.as_deref(), Some("25"));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_forgotten_a_day_after_its_end_and_its_hold_with_it() {
    let (quota, store) = quota(QuotaPlan::per(Unit::Month, 10).unwrap());
    assert!(
        quota
            .reserve(&user(), "a", 10, HOUR)
            .await
            .unwrap()
            .is_allowed()
    );
    tokio::time::advance(25 * HOUR).await;
    assert_eq!(
        quota.commit(&user(), "a", 10).await.unwrap(),
        Settlement::Unknown
    );
    assert!(quota.charge(&user(), 10).await.unwrap().is_allowed());
    // Nothing of it is left but the counter.
    assert_eq!(store.server_facts().await.unwrap().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn holds_that_nobody_settles_are_free_again() {
    let (quota, _) = quota(QuotaPlan::per(Unit::Day, 10).unwrap());
    assert!(
        quota
            .reserve(&user(), "a", 10, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
    let denied = quota.charge(&user(), 1).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.binding().held()), (false, 10));
    tokio::time::advance(MINUTE).await;
    assert!(quota.charge(&user(), 10).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn repeating_a_call_of_one_id_changes_nothing_more() {
    let (quota, _) = quota(QuotaPlan::per(Unit::Day, 10).unwrap());
    for _ in 0..3 {
        let decision = quota.reserve(&user(), "a", 6, MINUTE).await.unwrap();
        assert_eq!(
            (decision.is_allowed(), decision.binding().held()),
            (true, 6)
        );
    }
    for actual in [4, 9] {
        let settled = quota.commit(&user(), "a", actual).await.unwrap();
        assert_eq!(settled, Settlement::Committed(4));
    }
    assert_eq!(
        quota.cancel(&user(), "a").await.unwrap(),
        Settlement::Committed(4)
    );
    assert_eq!(quota.usage(&user()).await.unwrap().used(), 4);
    assert!(
        quota
            .reserve(&user(), "b", 6, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
    for _ in 0..2 {
        assert_eq!(
            quota.cancel(&user(), "b").await.unwrap(),
            Settlement::Cancelled
        );
    }
    assert_eq!(
        quota.commit(&user(), "b", 1).await.unwrap(),
        Settlement::Cancelled
    );
    let error = quota.reserve(&user(), "b", 1, MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        quota.commit(&user(), "c", 1).await.unwrap(),
        Settlement::Unknown
    );
}

#[tokio::test(start_paused = true)]
async fn an_overrun_is_charged_capped_or_rejected_as_the_plan_says() {
    for (overrun, settled, used) in [
        (Overrun::Charge, Settlement::Committed(15), 15),
        (Overrun::Cap, Settlement::Committed(5), 5),
        (Overrun::Reject, Settlement::Rejected(5), 0),
    ] {
        let plan = QuotaPlan::per(Unit::Day, 10).unwrap().with_overrun(overrun);
        let (quota, _) = quota(plan);
        assert!(
            quota
                .reserve(&user(), "a", 5, MINUTE)
                .await
                .unwrap()
                .is_allowed()
        );
        assert_eq!(quota.commit(&user(), "a", 15).await.unwrap(), settled);
        assert_eq!(quota.usage(&user()).await.unwrap().used(), used);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overdraft_passes_and_is_told_as_nothing_left() {
    let (quota, _) = quota(
        QuotaPlan::per(Unit::Day, 10)
            .unwrap()
            .with_overdraft(5)
            .unwrap(),
    );
    let decision = quota.charge(&user(), 13).await.unwrap();
    assert_eq!(
        (decision.is_allowed(), decision.usage().remaining()),
        (true, Some(0))
    );
    assert!(!quota.charge(&user(), 3).await.unwrap().is_allowed());
    let error = quota.charge(&user(), 16).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn a_denial_charges_no_window_and_names_the_one_that_is_full() {
    let plan = QuotaPlan::per(Unit::Day, 100)
        .unwrap()
        .and_per(Unit::Month, 15)
        .unwrap();
    let (quota, _) = quota(plan);
    assert!(quota.charge(&user(), 10).await.unwrap().is_allowed());
    let denied = quota.charge(&user(), 10).await.unwrap();
    assert_eq!(denied.binding().unit(), Some(Unit::Month));
    assert_eq!(denied.retry_after(), denied.binding().resets_in());
    let used: Vec<u64> = denied
        .usage()
        .windows()
        .iter()
        .map(|window| window.used())
        .collect();
    assert_eq!(used, [10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_day_ends_at_midnight_of_the_zone_by_the_servers_clock() {
    // 2023-11-14 22:13 in UTC is 23:13 in Berlin, and 07:13 of the next day in Tokyo.
    for (zone, date, left) in [
        ("UTC", "2023-11-14", 6_399_876_543),
        ("Europe/Berlin", "2023-11-14", 2_799_876_543),
        ("Asia/Tokyo", "2023-11-15", 60_399_876_543_u64),
    ] {
        let plan = QuotaPlan::per(Unit::Day, 5)
            .unwrap()
            .in_zone(Zone::named(zone).unwrap());
        let (quota, store) = quota(plan);
        let usage = quota.increment(&user(), 1).await.unwrap();
        assert_eq!(
            usage.windows()[0].resets_in(),
            Some(Duration::from_micros(left))
        );
        let key = format!("quota:user123:api_calls:{date}");
        assert_eq!(text(&store, &key).await.as_deref(), Some("1"), "{zone}");
    }
}

#[tokio::test(start_paused = true)]
async fn sums_that_would_not_be_exact_are_errors_and_change_nothing() {
    let (quota, _) = quota(QuotaPlan::unlimited(Unit::Day).unwrap());
    let most = 1_u64 << 52;
    assert_eq!(quota.increment(&user(), most).await.unwrap().used(), most);
    for amount in [1, most, u64::MAX] {
        let error = quota.increment(&user(), amount).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(quota.usage(&user()).await.unwrap().used(), most);
}

#[tokio::test(start_paused = true)]
async fn what_a_gauge_counts_does_not_go_away_by_itself() {
    let (quota, store) = quota(QuotaPlan::gauge(100).unwrap());
    assert!(quota.charge(&user(), 60).await.unwrap().is_allowed());
    let denied = quota.charge(&user(), 60).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.retry_after()), (false, None));
    tokio::time::advance(400 * DAY).await;
    assert_eq!(quota.usage(&user()).await.unwrap().used(), 60);
    let key = Key::from_raw("quota:user123:api_calls:gauge:current").unwrap();
    assert_eq!(store.expiry(&key).await.unwrap(), KeyExpiry::Never);
    assert_eq!(quota.decrement(&user(), 100).await.unwrap().used(), 0);
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let day = || QuotaPlan::per(Unit::Day, 5).unwrap();
    let store = || Arc::new(MemoryStore::new());
    for refused in [
        QuotaPlan::per(Unit::Billing { day: 0 }, 5),
        QuotaPlan::per(Unit::Day, u64::MAX),
        day().and_per(Unit::Day, 6),
        QuotaPlan::gauge(5).unwrap().and_per(Unit::Day, 6),
        day().with_overdraft(u64::MAX),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let gauge = QuotaPlan::gauge(5).unwrap();
    assert!(Quota::cost(store(), KeySchema::plain(), gauge).is_err());
}

#[tokio::test(start_paused = true)]
async fn ids_and_holds_out_of_range_are_refused() {
    let (quota, _) = quota(QuotaPlan::per(Unit::Day, 5).unwrap());
    let long = "x".repeat(129);
    for (id, hold) in [
        ("", MINUTE),
        (&long[..], MINUTE),
        ("a", Duration::ZERO),
        ("a", 2 * DAY),
    ] {
        let error = quota.reserve(&user(), id, 1, hold).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    // An id is no part of a key: any text will do.
    let odd = "r:1 {}*\n";
    assert!(
        quota
            .reserve(&user(), odd, 1, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
    assert_eq!(
        quota.commit(&user(), odd, 1).await.unwrap(),
        Settlement::Committed(1)
    );
}

#[tokio::test(start_paused = true)]
async fn all_keys_of_a_subject_share_a_slot() {
    let store = MemoryStore::builder().clustered(true).build();
    let plan = QuotaPlan::per(Unit::Day, 5)
        .unwrap()
        .and_per(Unit::Month, 5)
        .unwrap();
    let schema = KeySchema::sharded();
    let quota = Quota::metric(Arc::new(store), schema, QuotaMetric::api_calls(), plan);
    assert!(
        quota
            .reserve(&user(), "a", 5, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_quota_is_reserved_by_many_at_once_on_a_server() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::sharded().with_namespace(space);
    let plan = QuotaPlan::per(Unit::Month, 100)
        .unwrap()
        .and_per(Unit::Day, 1_000)
        .unwrap();
    let mut tasks = JoinSet::new();
    for connection in 0..4 {
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        let quota = Quota::cost(store, schema.clone(), plan.clone()).unwrap();
        for task in 0..5 {
            let quota = quota.clone();
            tasks.spawn(async move {
                let mut passed = 0;
                for call in 0..10 {
                    let id = format!("{connection}-{task}-{call}");
                    if quota
                        .reserve(&user(), &id, 1, DAY)
                        .await
                        .unwrap()
                        .is_allowed()
                    {
                        let settled = quota.commit(&user(), &id, 1).await.unwrap();
                        assert_eq!(settled, Settlement::Committed(1));
                        passed += 1;
                    }
                }
                passed
            });
        }
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_limit_stored_for_a_subject_takes_the_place_of_the_plans() {
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    let plan = plan.and_per(Unit::Month, 1_000).unwrap();
    let plan = plan.with_overdraft(5).unwrap();
    let (ignoring, _) = quota(plan.clone());
    let refused = ignoring.set_limit(&user(), Period::Day, 1).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);

    let (quota, store) = quota(plan.with_stored_limits());
    let full = quota.charge(&user(), 105).await.unwrap();
    assert!(full.is_allowed(), "the limit with the overdraft");
    quota.set_limit(&user(), Period::Day, 200).await.unwrap();
    let stored = text(&store, "ratelimit:user123:daily_limit").await;
    assert_eq!(stored.as_deref(), Some("200"));
    // What was used stays used.
    let more = quota.charge(&user(), 100).await.unwrap();
    assert_eq!(
        (more.is_allowed(), more.binding().limit()),
        (true, Some(200))
    );
    let denied = quota.charge(&user(), 1).await.unwrap();
    assert_eq!(
        (denied.is_allowed(), denied.binding().unit()),
        (false, Some(Unit::Day))
    );
    assert!(denied.retry_after().is_some());
    // More than it ever has is denied for good; the month is another limit.
    let never = quota.charge(&user(), 206).await.unwrap();
    assert_eq!((never.is_allowed(), never.retry_after()), (false, None));
    quota.set_limit(&user(), Period::Month, 0).await.unwrap();
    let none = quota
        .reserve(&user(), "a", 6, Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(
        (none.is_allowed(), none.binding().limit()),
        (false, Some(0))
    );
    quota.clear_limit(&user(), Period::Month).await.unwrap();
    quota.clear_limit(&user(), Period::Day).await.unwrap();
    let usage = quota.usage(&user()).await.unwrap();
    let limits: Vec<_> = usage
        .windows()
        .iter()
        .map(|window| window.limit())
        .collect();
    assert_eq!(limits, [Some(100), Some(1_000)]);
    // Text that is no number is no limit.
    let key = Key::from_raw("ratelimit:user123:daily_limit").unwrap();
    store
        .set(&key, "many".into(), SetOptions::ttl(Ttl::seconds(60)))
        .await
        .unwrap();
    let usage = quota.usage(&user()).await.unwrap();
    assert_eq!(usage.windows()[0].limit(), Some(100));
}
