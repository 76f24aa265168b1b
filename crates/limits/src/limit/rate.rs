//! The time that a token takes, as a fraction of whole numbers.

use cachekit_store::Result;

use super::algorithm::MAX_MICROS;
use crate::error::invalid;

/// Products of scripts stay below it, and so their sums below 2^53.
const MAX_PRODUCT: i128 = 1 << 52;

/// `micros + part / parts` microseconds a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) micros: i64,
    pub(crate) part: i64,
    pub(crate) parts: i64,
}

impl Rate {
    /// The rate of `refill` tokens in `period` microseconds, for a bucket of `capacity`.
    pub(super) fn new(capacity: i64, refill: i64, period: i64) -> Result<Self> {
        let divisor = gcd(period, refill);
        let (period, refill) = (period / divisor, refill / divisor);
        let rate = Self {
            micros: period / refill,
            part: period % refill,
            parts: refill,
        };
        let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
        let full = product(capacity, period) / i128::from(refill);
        if full > i128::from(MAX_MICROS) {
            return Err(invalid(
                "limit",
                "the bucket takes more than 3650 days to fill",
            ));
        }
        if full == 0 {
            return Err(invalid("limit", "the bucket fills in less than 1 us"));
        }
        if product(capacity, rate.part) > MAX_PRODUCT || product(1, refill) > MAX_PRODUCT / 4 {
            let detail =
                "the rate cannot be calculated exactly: choose a period that the refill divides";
            return Err(invalid("limit", detail));
        }
        Ok(rate)
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
