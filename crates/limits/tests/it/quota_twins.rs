//! The two bodies of the scripts of quotas and of leases give the same answers on a real server and in memory.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, QuotaMetric};
use cachekit_limits::{
    InFlightLease, InFlightLimiter, Overrun, Period, Quota, QuotaPlan, Unit, Weekday, Zone,
};
use cachekit_store::Store;
use cachekit_testkit::server::Kind;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
};

use crate::{
    side_by_side::agree_on,
    support::{START, user},
};

#[derive(Clone, Copy, Debug)]
enum QuotaStep {
    Increment(u64),
    Decrement(u64),
    Charge(u64),
    Usage,
    Reserve(u8, u64, u64),
    Commit(u8, u64),
    Part(u8, u64),
    Own(u64),
    Cancel(u8),
    Extend(u8, u64),
}

const HOUR: i64 = 3_600_000_000;

fn quota_step() -> impl Strategy<Value = QuotaStep> {
    let hold = || 1_u64..86_400;
    prop_oneof![
        2 => (0_u64..40).prop_map(QuotaStep::Increment),
        1 => (0_u64..40).prop_map(QuotaStep::Decrement),
        3 => (0_u64..40).prop_map(QuotaStep::Charge),
        1 => Just(QuotaStep::Usage),
        4 => (0_u8..5, 0_u64..40, hold()).prop_map(|(id, amount, hold)| QuotaStep::Reserve(id, amount, hold)),
        3 => (0_u8..5, 0_u64..50).prop_map(|(id, amount)| QuotaStep::Commit(id, amount)),
        3 => (0_u8..5, 0_u64..50).prop_map(|(id, so_far)| QuotaStep::Part(id, so_far)),
        1 => (0_u64..150).prop_map(QuotaStep::Own),
        1 => (0_u8..5).prop_map(QuotaStep::Cancel),
        1 => (0_u8..5, hold()).prop_map(|(id, hold)| QuotaStep::Extend(id, hold)),
    ]
}

/// Steps with how far the clock moves before each, in microseconds.
fn timed<S: std::fmt::Debug>(
    step: impl Strategy<Value = S>,
) -> impl Strategy<Value = Vec<(i64, S)>> {
    let by = prop_oneof![
        6 => 0_i64..1_000_000,
        3 => 0_i64..30 * HOUR,
        1 => -50 * HOUR..80 * HOUR,
    ];
    vec((by, step), 1..40)
}

fn at_times<S: Copy>(steps: &[(i64, S)]) -> Vec<(u64, S)> {
    let mut now = START;
    let mut timed = Vec::new();
    for (by, step) in steps {
        now = now.saturating_add_signed(*by);
        timed.push((now, *step));
    }
    timed
}

fn plan() -> impl Strategy<Value = QuotaPlan> {
    let overrun = prop_oneof![
        Just(Overrun::Charge),
        Just(Overrun::Cap),
        Just(Overrun::Reject)
    ];
    let zone = proptest::sample::select(&["UTC", "Europe/Berlin", "America/St_Johns"]);
    (20_u64..100, 0_u64..30, overrun, zone, 0_u8..4).prop_map(
        |(limit, overdraft, overrun, zone, kind)| {
            let week = Unit::Week {
                starts: Weekday::Sunday,
            };
            let plan = match kind {
                0 => QuotaPlan::gauge(limit).unwrap(),
                1 => QuotaPlan::unlimited(Unit::Billing { day: 31 }).unwrap(),
                2 => QuotaPlan::per(Unit::Day, limit).unwrap(),
                _ => {
                    let day = QuotaPlan::per(Unit::Day, limit).unwrap();
                    let week = day.and_per(week, 2 * limit).unwrap();
                    let month = week.and_per(Unit::Month, 3 * limit).unwrap();
                    month.with_stored_limits()
                }
            };
            plan.in_zone(Zone::named(zone).unwrap())
                .with_overrun(overrun)
                .with_overdraft(overdraft)
                .unwrap()
        },
    )
}

async fn play(quota: &mut Quota, step: &QuotaStep) -> String {
    let user = user();
    let seconds = Duration::from_secs;
    match *step {
        QuotaStep::Increment(amount) => format!("{:?}", quota.increment(&user, amount).await),
        QuotaStep::Decrement(amount) => format!("{:?}", quota.decrement(&user, amount).await),
        QuotaStep::Charge(amount) => format!("{:?}", quota.charge(&user, amount).await),
        QuotaStep::Usage => format!("{:?}", quota.usage(&user).await),
        QuotaStep::Reserve(id, amount, hold) => {
            let id = id.to_string();
            format!(
                "{:?}",
                quota.reserve(&user, &id, amount, seconds(hold)).await
            )
        }
        QuotaStep::Commit(id, amount) => {
            format!("{:?}", quota.commit(&user, &id.to_string(), amount).await)
        }
        QuotaStep::Own(limit) => {
            format!("{:?}", quota.set_limit(&user, Period::Day, limit).await)
        }
        QuotaStep::Part(id, so_far) => {
            let part = quota.commit_part(&user, &id.to_string(), so_far).await;
            format!("{part:?}")
        }
        QuotaStep::Cancel(id) => format!("{:?}", quota.cancel(&user, &id.to_string()).await),
        QuotaStep::Extend(id, hold) => {
            format!(
                "{:?}",
                quota.extend(&user, &id.to_string(), seconds(hold)).await
            )
        }
    }
}

fn quotas_agree_on(kind: Kind, cases: u32) {
    agree_on(
        kind,
        cases,
        (plan(), timed(quota_step())),
        |(_, steps)| at_times(steps),
        |(plan, _), store, schema| {
            Quota::metric(store, schema, QuotaMetric::api_calls(), plan.clone())
        },
        play,
    );
}

#[test]
fn lua_and_rust_agree_on_quotas_on_redis_7() {
    quotas_agree_on(Kind::Redis7, 200);
}

#[test]
fn lua_and_rust_agree_on_quotas_on_valkey_8() {
    quotas_agree_on(Kind::Valkey8, 60);
}

#[derive(Clone, Copy, Debug)]
enum LeaseStep {
    Acquire(u64),
    Renew(usize),
    Release(usize),
    Free,
}

struct Leases {
    limiter: InFlightLimiter,
    held: Vec<InFlightLease>,
}

async fn lease(leases: &mut Leases, step: &LeaseStep) -> String {
    match *step {
        LeaseStep::Acquire(permits) => {
            let admission = leases.limiter.acquire(&user(), permits).await.unwrap();
            let text = format!("{:?} {}", admission.retry_after(), admission.remaining());
            leases.held.extend(admission.lease());
            text
        }
        LeaseStep::Renew(index) => match leases.held.get(index) {
            Some(lease) => format!("{:?}", lease.renew().await),
            None => String::new(),
        },
        LeaseStep::Release(index) if index < leases.held.len() => {
            format!("{:?}", leases.held.remove(index).release().await)
        }
        LeaseStep::Release(_) => String::new(),
        LeaseStep::Free => format!("{:?}", leases.limiter.free(&user()).await),
    }
}

#[test]
fn lua_and_rust_agree_on_leases_on_redis_7() {
    let step = prop_oneof![
        4 => (1_u64..4).prop_map(LeaseStep::Acquire),
        2 => (0_usize..6).prop_map(LeaseStep::Renew),
        2 => (0_usize..6).prop_map(LeaseStep::Release),
        1 => Just(LeaseStep::Free),
    ];
    let by = prop_oneof![8 => 0_i64..HOUR / 2, 1 => -3 * HOUR..3 * HOUR];
    agree_on(
        Kind::Redis7,
        100,
        vec((by, step), 1..40),
        |steps| at_times(steps),
        |_, store: Arc<dyn Store>, schema: KeySchema| Leases {
            limiter: InFlightLimiter::new(store, schema, 6, Duration::from_secs(3_600)).unwrap(),
            held: Vec::new(),
        },
        lease,
    );
}
