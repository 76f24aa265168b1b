//! The days and months of daily and monthly limits, in UTC.

use cachekit_keys::{CivilDate, RateLimitKey, UserId};
use cachekit_store::Result;

use crate::calendar::{Span, Unit, Zone};

/// The period of a [daily](crate::Limit::daily) or [monthly](crate::Limit::monthly) limit.
///
/// # Examples
/// ```
/// use cachekit_limits::Period;
///
/// assert_eq!(Period::Day.name(), "daily");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Period {
    /// The name of the limit: `daily` or `monthly`.
    ///
    /// # Examples
    /// See [`Period`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Month => "monthly",
        }
    }

    /// The key of a limit that is stored for the subject.
    pub(crate) fn limit_key(self, user: UserId) -> RateLimitKey {
        match self {
            Self::Day => RateLimitKey::DailyLimit { user },
            Self::Month => RateLimitKey::MonthlyLimit { user },
        }
    }

    /// The windows around the moment `micros`.
    pub(crate) fn windows(self, micros: i64) -> Result<Vec<Span>> {
        let unit = match self {
            Self::Day => Unit::Day,
            Self::Month => Unit::Month,
        };
        unit.around(&Zone::utc(), micros)
    }

    /// The key of the counter of the window that begins on `first`.
    pub(crate) fn counter_key(self, user: UserId, first: CivilDate) -> RateLimitKey {
        match self {
            Self::Day => RateLimitKey::Requests { user, date: first },
            Self::Month => RateLimitKey::MonthlyRequests {
                user,
                month: first.civil_month(),
            },
        }
    }
}
