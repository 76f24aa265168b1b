//! What the tests share: limits to choose from, steps to take, and a limiter on a memory store whose time stands still.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use cachekit_keys::{KeySchema, UserId};
use cachekit_limits::{Limit, Limiter};
use cachekit_store::MemoryStore;
use proptest::prelude::{Strategy, prop_oneof};

/// A moment with an odd number of microseconds: 2023-11-14T22:13:20.123457Z.
pub(crate) const START: u64 = 1_700_000_000_123_457;

pub(crate) fn user() -> UserId {
    UserId::new("user123").expect("a short id")
}

pub(crate) fn at(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

/// A limit as plain numbers, so that models can be made from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) algorithm: Algorithm,
    pub(crate) limit: u64,
    /// For buckets.
    pub(crate) refill: u64,
    /// Microseconds.
    pub(crate) width: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Bucket,
    FirstHit,
    Aligned,
    Sliding,
    Log,
}

pub(crate) const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Bucket,
    Algorithm::FirstHit,
    Algorithm::Aligned,
    Algorithm::Sliding,
    Algorithm::Log,
];

impl Spec {
    pub(crate) fn limit(self) -> Limit {
        let width = Duration::from_micros(self.width);
        let limit = match self.algorithm {
            Algorithm::Bucket => Limit::token_bucket_refilling(self.limit, self.refill, width),
            Algorithm::FirstHit => Limit::fixed_window(self.limit, width),
            Algorithm::Aligned => Limit::aligned_window(self.limit, width),
            Algorithm::Sliding => Limit::sliding_window(self.limit, width),
            Algorithm::Log => Limit::sliding_log(self.limit, width),
        };
        limit.expect("numbers in range")
    }
}

/// Limits of all sizes, with rates that divide evenly and rates that do not.
pub(crate) fn spec(algorithm: Algorithm, widths: &'static [u64]) -> impl Strategy<Value = Spec> {
    let limit = prop_oneof![3 => 1_u64..12, 1 => 1_u64..5_000];
    let refill = prop_oneof![3 => 1_u64..12, 1 => 1_u64..3_000_000];
    (limit, refill, proptest::sample::select(widths)).prop_map(move |(limit, refill, width)| Spec {
        algorithm,
        limit,
        // A bucket that fills within a microsecond is none, nor is one that takes more than ten years.
        refill: refill
            .min(limit * width)
            .max(limit * width / 315_000_000_000_000 + 1),
        width,
    })
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Costs are per cent of the limit, rounded up.
    Check(u64),
    AtMost(u64),
    Peek(u64),
    /// Of the last decision.
    Refund(u64),
    Reset,
    /// Per cent of the width.
    Advance(u64),
    AdvanceMicros(u64),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let share = || prop_oneof![4 => 0_u64..40, 1 => 0_u64..=100];
    prop_oneof![
        8 => share().prop_map(Step::Check),
        2 => (0_u64..150).prop_map(Step::AtMost),
        2 => share().prop_map(Step::Peek),
        2 => share().prop_map(Step::Refund),
        1 => proptest::strategy::Just(Step::Reset),
        5 => (0_u64..60).prop_map(Step::Advance),
        1 => (0_u64..350).prop_map(Step::Advance),
        2 => (0_u64..10).prop_map(Step::AdvanceMicros),
    ]
}

pub(crate) fn share_of(limit: u64, percent: u64) -> u64 {
    (limit * percent).div_ceil(100)
}

/// A limiter on a memory store whose wall clock shows [`START`]. Its time is tokio's, which the test holds still.
pub(crate) fn limiter(limits: Vec<Limit>) -> (Limiter, MemoryStore) {
    let store = MemoryStore::new();
    store.set_wall_clock(at(START));
    let limiter = Limiter::all_of(Arc::new(store.clone()), KeySchema::plain(), limits);
    (limiter.expect("limits of different names"), store)
}

/// Runs a test under paused time.
pub(crate) fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test)
}
