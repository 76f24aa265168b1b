//! Civil dates and months in keys: `2024-12-02` and `2024-12`.
//!
//! They name a day of some calendar, and know no time zone and no clock: which day it is now is the caller's business.

use std::{fmt, str::FromStr};

use crate::{KeyError, error::excerpt};

/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: u64 = 719_468;

/// A month of the Gregorian calendar, years 1 to 9999. Renders as `2024-12`.
///
/// # Examples
///
/// ```
/// use cachekit_keys::CivilMonth;
///
/// let month = CivilMonth::new(2024, 12)?;
/// assert_eq!(month.to_string(), "2024-12");
/// assert_eq!("2024-12".parse::<CivilMonth>()?, month);
/// assert!(CivilMonth::new(2024, 13).is_err());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilMonth {
    year: u16,
    month: u8,
}

/// A day of the Gregorian calendar, years 1 to 9999. Renders as `2024-12-02`.
///
/// # Examples
///
/// ```
/// use cachekit_keys::CivilDate;
///
/// let day = CivilDate::new(2024, 2, 29)?;
/// assert_eq!(day.to_string(), "2024-02-29");
/// assert_eq!("2024-02-29".parse::<CivilDate>()?, day);
/// assert!(CivilDate::new(2023, 2, 29).is_err());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    month: CivilMonth,
    day: u8,
}

impl CivilMonth {
    /// Checks a month.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] for a year outside 1 to 9999 or a month outside 1 to 12.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::CivilMonth;
    /// assert!(CivilMonth::new(2024, 2).is_ok());
    /// assert!(CivilMonth::new(0, 2).is_err());
    /// ```
    pub fn new(year: u16, month: u8) -> Result<Self, KeyError> {
        if (1..=9999).contains(&year) && (1..=12).contains(&month) {
            return Ok(Self { year, month });
        }
        Err(KeyError::Malformed {
            what: "month",
            text: format!("{year:04}-{month:02}"),
        })
    }

    /// The year, 1 to 9999.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilMonth::new(2024, 2)?.year(), 2024);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilMonth::new(2024, 2)?.month(), 2);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    const fn days(self) -> u8 {
        match self.month {
            2 if self.is_in_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    const fn is_in_leap_year(self) -> bool {
        self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400))
    }
}

impl CivilDate {
    /// Checks a day.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] for a day that the calendar does not have, or a year outside 1 to 9999.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::CivilDate;
    /// assert!(CivilDate::new(2024, 4, 30).is_ok());
    /// assert!(CivilDate::new(2024, 4, 31).is_err());
    /// ```
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, KeyError> {
        let civil = CivilMonth::new(year, month)?;
        if (1..=civil.days()).contains(&day) {
            return Ok(Self { month: civil, day });
        }
        Err(KeyError::Malformed {
            what: "date",
            text: format!("{year:04}-{month:02}-{day:02}"),
        })
    }

    /// The year, 1 to 9999.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilDate::new(2024, 12, 2)?.year(), 2024);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn year(self) -> u16 {
        self.month.year
    }

    /// The day so many days after 1970-01-01.
    ///
    /// This is `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms" (2021), for days of the
    /// Unix epoch.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] beyond the year 9999.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::CivilDate;
    ///
    /// let day = CivilDate::from_epoch_day(20_059)?;
    /// assert_eq!(day.to_string(), "2024-12-02");
    /// assert_eq!(day.epoch_day(), 20_059);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn from_epoch_day(days: u64) -> Result<Self, KeyError> {
        let beyond = || KeyError::Malformed {
            what: "date",
            text: format!("day {days} of the Unix epoch"),
        };
        let days = days.checked_add(EPOCH_DAY).ok_or_else(beyond)?;
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Years begin in March here, so that the leap day is the last one.
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, is_next_year) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let year = u16::try_from(year_of_era + era * 400 + is_next_year).map_err(|_| beyond())?;
        let narrow = |number: u64| u8::try_from(number).map_err(|_| beyond());
        Self::new(year, narrow(month)?, narrow(day)?)
    }

    /// How many days it is after 1970-01-01; 0 for every earlier day. Undoes [`from_epoch_day`](Self::from_epoch_day).
    ///
    /// # Examples
    ///
    /// See [`from_epoch_day`](Self::from_epoch_day).
    #[must_use]
    pub const fn epoch_day(self) -> u64 {
        let (year, month) = (self.month.year as u64, self.month.month as u64);
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * month + 2) / 5 + self.day as u64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * ERA_DAYS + day_of_era).saturating_sub(EPOCH_DAY)
    }

    /// The month with its year.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilDate::new(2024, 12, 2)?.civil_month().to_string(), "2024-12");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn civil_month(self) -> CivilMonth {
        self.month
    }

    /// The month, 1 to 12.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilDate::new(2024, 12, 2)?.month(), 12);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month.month
    }

    /// The day of the month, from 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CivilDate::new(2024, 12, 2)?.day(), 2);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }
}

impl fmt::Display for CivilMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.month, self.day)
    }
}

impl FromStr for CivilMonth {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        split::<2>(text)
            .and_then(|[year, month]| Self::new(year, u8::try_from(month).ok()?).ok())
            .ok_or_else(|| KeyError::Malformed {
                what: "month",
                text: excerpt(text),
            })
    }
}

impl FromStr for CivilDate {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        split::<3>(text)
            .and_then(|[year, month, day]| {
                Self::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?).ok()
            })
            .ok_or_else(|| KeyError::Malformed {
                what: "date",
                text: excerpt(text),
            })
    }
}

/// The numbers of `YYYY-MM` or `YYYY-MM-DD`, with all their zeros.
fn split<const N: usize>(text: &str) -> Option<[u16; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split('-');
    for (at, number) in numbers.iter_mut().enumerate() {
        let part = parts.next()?;
        let digits = if at == 0 { 4 } else { 2 };
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
