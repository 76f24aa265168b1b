//! What a quota allows: its windows, their limits, and what happens beyond them.

use cachekit_store::Result;

use super::script::MAX_AMOUNT;
use crate::{
    calendar::{Unit, Zone},
    error::invalid,
    period::Period,
};

/// What happens where a commit is more than was reserved.
///
/// # Examples
/// ```
/// use cachekit_limits::{Overrun, QuotaPlan, Unit};
///
/// let plan = QuotaPlan::per(Unit::Month, 1_000)?.with_overrun(Overrun::Cap);
/// assert_ne!(plan, QuotaPlan::per(Unit::Month, 1_000)?);
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overrun {
    /// All of it is charged, beyond the limit if need be: what was used was used. The default.
    #[default]
    Charge,
    /// Only what was reserved is charged.
    Cap,
    /// Nothing is charged, and the reservation stands: see [`Settlement::Rejected`](crate::Settlement::Rejected).
    Reject,
}

/// The windows of a quota in one time zone, UTC unless it is said. Amounts are whole numbers up to 2^52: for money, take
/// millionths.
///
/// # Examples
/// ```
/// use cachekit_limits::{QuotaPlan, Unit, Zone};
///
/// let plan = QuotaPlan::per(Unit::Day, 1_000)?
///     .and_per(Unit::Billing { day: 15 }, 20_000)?
///     .in_zone(Zone::named("Europe/Berlin")?);
/// assert_eq!(plan.units(), [Unit::Day, Unit::Billing { day: 15 }]);
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaPlan {
    zone: Zone,
    /// Each kind of unit once; none for a gauge.
    windows: Vec<(Unit, Limits)>,
    gauge: Option<Limits>,
    overdraft: i64,
    overrun: Overrun,
    stored: bool,
}

/// The most that may be in use; none where it is only counted.
type Limits = Option<i64>;

impl QuotaPlan {
    fn new(windows: Vec<(Unit, Limits)>, gauge: Option<Limits>) -> Self {
        Self {
            zone: Zone::utc(),
            windows,
            gauge,
            overdraft: 0,
            overrun: Overrun::Charge,
            stored: false,
        }
    }

    /// Up to `limit` in each `unit`.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit above 2^52, or a billing day outside of 1 to 31.
    ///
    /// # Examples
    /// See [`QuotaPlan`].
    pub fn per(unit: Unit, limit: u64) -> Result<Self> {
        Self::new(Vec::new(), None).and_per(unit, limit)
    }

    /// Counts in each `unit`, without a limit.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a billing day outside of 1 to 31.
    ///
    /// # Examples
    /// ```
    /// use cachekit_limits::{QuotaPlan, Unit};
    ///
    /// assert!(QuotaPlan::unlimited(Unit::Day).is_ok());
    /// assert!(QuotaPlan::unlimited(Unit::Billing { day: 32 }).is_err());
    /// ```
    pub fn unlimited(unit: Unit) -> Result<Self> {
        Self::new(Vec::new(), None).with_window(unit, None)
    }

    /// Up to `limit` in use at any time, in no window: bytes stored, seats taken. What is given back is
    /// [decremented](crate::Quota::decrement). Its key has no TTL, as what is stored does not go away by itself.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit above 2^52.
    ///
    /// # Examples
    /// ```
    /// use cachekit_limits::QuotaPlan;
    ///
    /// assert!(QuotaPlan::gauge(5 << 30)?.units().is_empty());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn gauge(limit: u64) -> Result<Self> {
        Ok(Self::new(Vec::new(), Some(Some(check(limit)?))))
    }

    /// Also up to `limit` in each `unit`: all windows are charged, or none.
    ///
    /// # Errors
    /// As for [`per`](Self::per), and for a second window of one kind, or a window beside a gauge.
    ///
    /// # Examples
    /// See [`QuotaPlan`].
    pub fn and_per(self, unit: Unit, limit: u64) -> Result<Self> {
        let limit = check(limit)?;
        self.with_window(unit, Some(limit))
    }

    fn with_window(mut self, unit: Unit, limit: Limits) -> Result<Self> {
        if matches!(unit, Unit::Billing { day } if !(1..=31).contains(&day)) {
            return Err(invalid("quota", "a billing day lies between 1 and 31"));
        }
        let same = |(other, _): &(Unit, Limits)| other.word() == unit.word();
        if self.gauge.is_some() || self.windows.iter().any(same) {
            return Err(invalid(
                "quota",
                "a quota has one window of a kind, and a gauge none",
            ));
        }
        self.windows.push((unit, limit));
        Ok(self)
    }

    /// Days, weeks and months begin at midnight of this zone.
    ///
    /// # Examples
    /// See [`QuotaPlan`].
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Lets every window be exceeded by up to `amount`. Decisions still tell the limit itself.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an amount above 2^51.
    ///
    /// # Examples
    /// ```
    /// use cachekit_limits::{QuotaPlan, Unit};
    ///
    /// assert!(QuotaPlan::per(Unit::Day, 100)?.with_overdraft(10).is_ok());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn with_overdraft(mut self, amount: u64) -> Result<Self> {
        if amount > 1 << 51 {
            return Err(invalid("quota", "an overdraft is at most 2^51"));
        }
        self.overdraft = check(amount)?;
        Ok(self)
    }

    /// What happens where a commit is more than was reserved. Default: [`Overrun::Charge`].
    ///
    /// # Examples
    /// See [`Overrun`].
    #[must_use]
    pub fn with_overrun(mut self, overrun: Overrun) -> Self {
        self.overrun = overrun;
        self
    }

    /// Honours limits of a subject's own, stored under `ratelimit:{user}:daily_limit` and `monthly_limit`, in place of the
    /// limits of days and months: those that [`Limiter::set_limit`](crate::Limiter::set_limit) and
    /// [`Quota::set_limit`](crate::Quota::set_limit) set, and other programs. They hold for every quota and limiter that
    /// honours them, whatever it counts: so take it for requests. An amount above such a limit is denied.
    ///
    /// # Examples
    /// See [`Quota::set_limit`](crate::Quota::set_limit).
    #[must_use]
    pub fn with_stored_limits(mut self) -> Self {
        self.stored = true;
        self
    }

    /// The windows' units; empty for a gauge.
    ///
    /// # Examples
    /// See [`QuotaPlan`].
    #[must_use]
    pub fn units(&self) -> Vec<Unit> {
        self.windows.iter().map(|(unit, _)| *unit).collect()
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The period whose stored limit takes the place of the unit's.
    pub(super) fn stored(&self, unit: Unit) -> Option<Period> {
        match unit {
            Unit::Day if self.stored => Some(Period::Day),
            Unit::Month if self.stored => Some(Period::Month),
            _ => None,
        }
    }

    pub(super) fn overrun(&self) -> Overrun {
        self.overrun
    }

    /// Every window with its unit and limit; a gauge is one without a unit.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Option<Unit>, Limits)> {
        let windows = self
            .windows
            .iter()
            .map(|(unit, limit)| (Some(*unit), *limit));
        windows.chain(self.gauge.map(|limit| (None, limit)))
    }

    /// The most of used and held together, as the script takes it.
    pub(super) fn most(&self, limit: Limits) -> i64 {
        limit.map_or(-1, |limit| limit + self.overdraft)
    }
}

impl Unit {
    /// The word by which the script and the records know it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week { .. } => "week",
            Self::Month => "month",
            Self::Billing { .. } => "period",
        }
    }
}

/// An amount as the script takes it.
pub(super) fn check(amount: u64) -> Result<i64> {
    i64::try_from(amount)
        .ok()
        .filter(|amount| *amount <= MAX_AMOUNT)
        .ok_or_else(|| invalid("quota", "an amount is at most 2^52"))
}
