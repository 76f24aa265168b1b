//! Windows of the calendar in a time zone: the only module that names the time library.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use cachekit_keys::CivilDate;
use cachekit_store::Result;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::error::invalid;

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
///
/// The rules come from the system's database where it has one, else from the one built in.
///
/// # Examples
/// ```
/// use cachekit_limits::Zone;
///
/// assert_eq!(Zone::named("Europe/Berlin")?.name(), "Europe/Berlin");
/// assert_eq!(Zone::utc().name(), "UTC");
/// assert!(Zone::named("Middle/Earth").is_err());
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: Arc<str>,
    rules: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    ///
    /// # Examples
    /// See [`Zone`].
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".into(),
            rules: TimeZone::UTC,
        }
    }

    /// The zone of this name.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a name that the database does not have.
    ///
    /// # Examples
    /// See [`Zone`].
    pub fn named(name: &str) -> Result<Self> {
        let rules = TimeZone::get(name)
            .map_err(|_| invalid("zone", format!("no time zone is named {name:?}")))?;
        Ok(Self {
            name: name.into(),
            rules,
        })
    }

    /// The name.
    ///
    /// # Examples
    /// See [`Zone`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A day of the week.
///
/// # Examples
/// ```
/// use cachekit_limits::{Unit, Weekday};
///
/// let week = Unit::Week { starts: Weekday::Sunday };
/// assert_ne!(week, Unit::Week { starts: Weekday::Monday });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of the days")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// How long a window of the calendar is, and where it begins. A day begins at midnight, and has 23 or 25 hours where clocks
/// are changed.
///
/// # Examples
/// ```
/// use cachekit_limits::{Unit, Weekday};
///
/// let units = [
///     Unit::Day,
///     Unit::Week { starts: Weekday::Monday },
///     Unit::Month,
///     Unit::Billing { day: 31 }, // the last day of shorter months
/// ];
/// assert_eq!(units.len(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// A day.
    Day,
    /// Seven days.
    Week {
        /// The first day.
        starts: Weekday,
    },
    /// A month.
    Month,
    /// A month that begins on the same day each time: a billing anniversary.
    Billing {
        /// The day of the month, 1 to 31; in months that are too short, their last day.
        day: u8,
    },
}

/// One window: its first day, and from when until when it lasts, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: CivilDate,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Unit {
    /// Two windows before the moment `micros`, the present one, and the next.
    pub(crate) fn around(self, zone: &Zone, micros: i64) -> Result<Vec<Span>> {
        let spans = |dates: [Date; 5]| {
            let pairs = dates.windows(2);
            pairs.map(|pair| span(zone, pair[0], pair[1])).collect()
        };
        self.dates(zone, micros)
            .ok()
            .and_then(spans)
            .ok_or_else(|| invalid("calendar", "the time lies outside of the calendar"))
    }

    /// The first days of five windows: two before the present, the present one, and two more.
    fn dates(self, zone: &Zone, micros: i64) -> Result<[Date; 5], jiff::Error> {
        let now = Timestamp::from_microsecond(micros)?;
        let present = self.first_day(now.to_zoned(zone.rules.clone()).date())?;
        let before = self.first_day(present.yesterday()?)?;
        let earlier = self.first_day(before.yesterday()?)?;
        let next = self.next(present)?;
        Ok([earlier, before, present, next, self.next(next)?])
    }

    /// The first day of the window that holds `date`.
    fn first_day(self, date: Date) -> Result<Date, jiff::Error> {
        match self {
            Self::Day => Ok(date),
            Self::Week { starts } => {
                let since = (date.weekday().to_monday_zero_offset() - starts as i8).rem_euclid(7);
                date.checked_sub(i64::from(since).days())
            }
            Self::Month => Ok(date.first_of_month()),
            Self::Billing { day } => {
                let here = billing_day(date, day)?;
                if here <= date {
                    return Ok(here);
                }
                billing_day(date.first_of_month().yesterday()?, day)
            }
        }
    }

    /// The first day of the window after the one that begins on `first`.
    fn next(self, first: Date) -> Result<Date, jiff::Error> {
        match self {
            Self::Day => first.tomorrow(),
            Self::Week { .. } => first.checked_add(7.days()),
            Self::Month => first.checked_add(1.month()),
            Self::Billing { day } => billing_day(first.last_of_month().tomorrow()?, day),
        }
    }
}

/// The billing day of the month of `date`.
fn billing_day(date: Date, day: u8) -> Result<Date, jiff::Error> {
    let day = i8::try_from(day)
        .unwrap_or(31)
        .clamp(1, date.days_in_month());
    Date::new(date.year(), date.month(), day)
}

/// `None` for a year that the keys' calendar does not have.
fn span(zone: &Zone, first: Date, next: Date) -> Option<Span> {
    // Where clocks skip midnight, the day begins with the first moment that exists.
    let begin = |date: Date| {
        let zoned = date.to_zoned(zone.rules.clone()).ok()?;
        Some(zoned.timestamp().as_microsecond())
    };
    let year = u16::try_from(first.year()).ok()?;
    let (month, day) = (first.month().unsigned_abs(), first.day().unsigned_abs());
    Some(Span {
        first: CivilDate::new(year, month, day).ok()?,
        start: begin(first)?,
        end: begin(next)?,
    })
}
