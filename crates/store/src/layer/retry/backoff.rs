//! How long to wait before a repetition.

use std::time::Duration;

use parking_lot::Mutex;

/// Exponential back-off with full jitter: a pause evenly drawn from zero to min(max, first · 2^(n-1)).
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    /// Taken only after a failure.
    random: Mutex<fastrand::Rng>,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration, seed: Option<u64>) -> Self {
        let random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            first,
            max,
            random: Mutex::new(random),
        }
    }

    /// The longest pause before repetition `number`, which counts from 1.
    pub(super) fn limit(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }

    /// The pause before repetition `number`, which counts from 1.
    pub(super) fn pause(&self, number: u32) -> Duration {
        let limit = u64::try_from(self.limit(number).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.lock().u64(0..=limit))
    }
}
