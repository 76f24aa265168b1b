//! How many repetitions all calls of a layer share.

use std::sync::atomic::{AtomicU64, Ordering};

/// A repetition in the unit that the balance counts in: hundredths, so that a percentage is a whole number.
const REPETITION: u64 = 100;

/// A token bucket that calls fill and repetitions empty.
///
/// It starts full. A call puts a part of a repetition in, a repetition takes a whole one out, and it holds no more than the
/// reserve and one. Without a clock, so that an idle service gains nothing: it needs nothing either.
#[derive(Debug)]
pub(super) struct Budget {
    balance: AtomicU64,
    deposit: u64,
    capacity: u64,
}

impl Budget {
    pub(super) fn new(percent: u32, reserve: u32) -> Self {
        let capacity = u64::from(reserve) * REPETITION;
        Self {
            balance: AtomicU64::new(capacity),
            deposit: u64::from(percent),
            // Without a reserve there must still be room to save up for one repetition.
            capacity: match percent {
                0 => capacity,
                _ => capacity.max(REPETITION),
            },
        }
    }

    /// A call begins.
    pub(super) fn deposit(&self) {
        // A full bucket, which is the rule, is not written to: the cache line stays shared.
        let add = |balance: u64| {
            (balance < self.capacity).then(|| (balance + self.deposit).min(self.capacity))
        };
        let _ = self
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Pays for a repetition, if it can.
    pub(super) fn withdraw(&self) -> bool {
        let take = |balance: u64| balance.checked_sub(REPETITION);
        self.balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}
