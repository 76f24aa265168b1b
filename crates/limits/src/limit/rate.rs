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
        Self::of_fraction(capacity, period.into(), refill.into())
    }

    /// The rate of a bucket of `capacity` in which a token takes as many times as long.
    pub(super) fn slower(self, capacity: i64, times: u32) -> Result<Self> {
        let wide = |number: i64| i128::from(number);
        let token = wide(self.micros) * wide(self.parts) + wide(self.part);
        Self::of_fraction(capacity, token * i128::from(times), wide(self.parts))
    }

    /// The time that so many tokens take, rounded up. It is in range for a bucket's own capacity.
    #[cfg(feature = "tower")]
    pub(super) fn micros_for(self, tokens: i64) -> i64 {
        let parts = (tokens * self.part).unsigned_abs();
        tokens * self.micros + parts.div_ceil(self.parts.unsigned_abs()).cast_signed()
    }

    /// A token takes `period / refill` microseconds.
    fn of_fraction(capacity: i64, period: i128, refill: i128) -> Result<Self> {
        let divisor = gcd(period, refill);
        let (period, refill) = (period / divisor, refill / divisor);
        let capacity = i128::from(capacity);
        let full = capacity * period / refill;
        if full > i128::from(MAX_MICROS) {
            return Err(invalid(
                "limit",
                "the bucket takes more than 3650 days to fill",
            ));
        }
        if full == 0 {
            return Err(invalid("limit", "the bucket fills in less than 1 us"));
        }
        let part = period % refill;
        if capacity * part > MAX_PRODUCT || refill > MAX_PRODUCT / 4 {
            let detail =
                "the rate cannot be calculated exactly: choose a period that the refill divides";
            return Err(invalid("limit", detail));
        }
        let narrow = |number: i128| {
            i64::try_from(number).map_err(|_| invalid("limit", "the rate is out of range"))
        };
        Ok(Self {
            micros: narrow(period / refill)?,
            part: narrow(part)?,
            parts: narrow(refill)?,
        })
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
