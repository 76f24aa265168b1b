//! Lifetimes: never zero, never endless, in whole milliseconds, with jitter.
//!
//! The clock is elsewhere. So is randomness: [`Ttl::jittered`] takes a random number as an argument.

use std::{fmt, num::NonZeroU64, time::Duration};

/// How long an entry lives: from one millisecond to 200 years, in whole milliseconds.
///
/// The upper bound keeps the sum of a wall clock in microseconds and a lifetime below 2^53 for decades to come, so that it
/// is exact in a script's floating-point numbers; it is far below what a server takes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use cachekit_keys::Ttl;
///
/// const HOUR: Ttl = Ttl::seconds(3600);
/// assert_eq!(Ttl::new(Duration::from_secs(3600))?, HOUR);
/// assert!(Ttl::new(Duration::ZERO).is_err());
/// assert!(Ttl::from_secs(-1).is_err());
/// # Ok::<(), cachekit_keys::TtlError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(NonZeroU64);

const MAX_MILLIS: u64 = 200 * 365 * 86_400_000;

impl Ttl {
    /// One millisecond.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Ttl::MIN.as_millis(), 1);
    /// ```
    pub const MIN: Self = Self(NonZeroU64::MIN);

    /// 200 years of 365 days.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Ttl::MAX.as_millis(), 6_307_200_000_000);
    /// ```
    pub const MAX: Self = Self(NonZeroU64::new(MAX_MILLIS).expect("200 years are not zero"));

    /// Takes a duration. A remainder below a millisecond is rounded up, so that no lifetime becomes zero.
    ///
    /// # Errors
    ///
    /// [`TtlError::Zero`], or [`TtlError::TooLong`] beyond [`Ttl::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cachekit_keys::{Ttl, TtlError};
    /// assert_eq!(Ttl::new(Duration::from_nanos(1))?, Ttl::MIN);
    /// assert_eq!(Ttl::new(Duration::ZERO), Err(TtlError::Zero));
    /// assert_eq!(Ttl::new(Duration::MAX), Err(TtlError::TooLong));
    /// # Ok::<(), TtlError>(())
    /// ```
    pub fn new(duration: Duration) -> Result<Self, TtlError> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        u64::try_from(millis)
            .map_err(|_| TtlError::TooLong)
            .and_then(Self::checked)
    }

    /// Takes seconds.
    ///
    /// # Errors
    ///
    /// [`TtlError::Negative`], [`TtlError::Zero`], or [`TtlError::TooLong`] beyond [`Ttl::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Ttl, TtlError};
    /// assert_eq!(Ttl::from_secs(300)?.as_millis(), 300_000);
    /// assert_eq!(Ttl::from_secs(-1), Err(TtlError::Negative));
    /// # Ok::<(), TtlError>(())
    /// ```
    pub fn from_secs(seconds: i64) -> Result<Self, TtlError> {
        let seconds = u64::try_from(seconds).map_err(|_| TtlError::Negative)?;
        Self::checked(seconds.saturating_mul(1000))
    }

    /// Takes milliseconds.
    ///
    /// # Errors
    ///
    /// [`TtlError::Negative`], [`TtlError::Zero`], or [`TtlError::TooLong`] beyond [`Ttl::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Ttl, TtlError};
    /// assert_eq!(Ttl::from_millis(1)?, Ttl::MIN);
    /// assert_eq!(Ttl::from_millis(0), Err(TtlError::Zero));
    /// # Ok::<(), TtlError>(())
    /// ```
    pub fn from_millis(millis: i64) -> Result<Self, TtlError> {
        u64::try_from(millis)
            .map_err(|_| TtlError::Negative)
            .and_then(Self::checked)
    }

    /// Takes seconds, for constants. Every `u32` but zero is in range.
    ///
    /// # Panics
    ///
    /// On zero; in a constant, that is an error of compilation.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Ttl;
    /// const DAY: Ttl = Ttl::seconds(86_400);
    /// assert_eq!(DAY.as_duration().as_secs(), 86_400);
    /// ```
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        // `u64::from` is not const; the cast widens.
        Self(
            NonZeroU64::new(seconds as u64 * 1000).expect("a lifetime is at least one second here"),
        )
    }

    /// The duration.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Ttl::seconds(2).as_duration(), std::time::Duration::from_secs(2));
    /// ```
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0.get())
    }

    /// The milliseconds, from 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Ttl::seconds(2).as_millis(), 2000);
    /// ```
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.get()
    }

    /// Shortens the lifetime by a random part of at most the jitter's fraction, so that entries written together do not
    /// expire together. The result is never longer than `self`, and never below one millisecond.
    ///
    /// `random` is uniform over all of `u64`; the result is then uniform over the whole milliseconds of the range.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Jitter, Ttl};
    /// let ttl = Ttl::seconds(100);
    /// let jitter = Jitter::fraction(0.1)?;
    /// assert_eq!(ttl.jittered(jitter, 0), ttl);
    /// assert!(ttl.jittered(jitter, u64::MAX) >= Ttl::seconds(90));
    /// assert_eq!(ttl.jittered(Jitter::NONE, u64::MAX), ttl);
    /// # Ok::<(), cachekit_keys::TtlError>(())
    /// ```
    #[must_use]
    pub fn jittered(self, jitter: Jitter, random: u64) -> Self {
        let millis = u128::from(self.0.get());
        let most = millis * u128::from(jitter.0) / u128::from(Jitter::WHOLE);
        let cut = ((most + 1) * u128::from(random)) >> 64;
        // The cut is at most `millis`, so the difference fits; only a whole cut leaves zero.
        let left = u64::try_from(millis - cut).unwrap_or(u64::MAX);
        NonZeroU64::new(left).map_or(Self::MIN, Self)
    }

    fn checked(millis: u64) -> Result<Self, TtlError> {
        match NonZeroU64::new(millis) {
            None => Err(TtlError::Zero),
            Some(millis) if millis.get() > MAX_MILLIS => Err(TtlError::TooLong),
            Some(millis) => Ok(Self(millis)),
        }
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ttl({:?})", self.as_duration())
    }
}

impl fmt::Display for Ttl {
    /// As [`Duration`] shows itself: `300s`, `1.5s`, `20ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_duration(), f)
    }
}

impl TryFrom<Duration> for Ttl {
    type Error = TtlError;

    fn try_from(duration: Duration) -> Result<Self, TtlError> {
        Self::new(duration)
    }
}

impl From<Ttl> for Duration {
    fn from(ttl: Ttl) -> Self {
        ttl.as_duration()
    }
}

/// How much of a lifetime chance may take away: a fraction from 0 to 1, kept to nine decimal places.
///
/// # Examples
///
/// ```
/// use cachekit_keys::Jitter;
///
/// assert_eq!(Jitter::default(), Jitter::NONE);
/// assert_eq!(Jitter::fraction(0.0)?, Jitter::NONE);
/// assert!(Jitter::fraction(1.5).is_err());
/// # Ok::<(), cachekit_keys::TtlError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jitter(u32);

impl Jitter {
    /// No jitter: the default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Jitter, Ttl};
    /// assert_eq!(Ttl::MIN.jittered(Jitter::NONE, 7), Ttl::MIN);
    /// ```
    pub const NONE: Self = Self(0);

    /// The unit of the inner number: fixed point keeps the arithmetic exact, and the type `Eq` and `Hash`.
    const WHOLE: u32 = 1_000_000_000;

    /// Takes away up to this fraction: `0.1` leaves 90 to 100 percent of a lifetime.
    ///
    /// # Errors
    ///
    /// [`TtlError::JitterOutOfRange`] outside 0 to 1, and for NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Jitter;
    /// assert!(Jitter::fraction(0.25).is_ok());
    /// assert!(Jitter::fraction(f64::NAN).is_err());
    /// ```
    pub fn fraction(fraction: f64) -> Result<Self, TtlError> {
        if (0.0..=1.0).contains(&fraction) {
            return Ok(Self((fraction * f64::from(Self::WHOLE)).round() as u32));
        }
        Err(TtlError::JitterOutOfRange)
    }
}

/// A lifetime or a jitter out of range.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Ttl, TtlError};
///
/// assert_eq!(Ttl::from_secs(0), Err(TtlError::Zero));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TtlError {
    /// The lifetime is zero: the entry would be gone before it is read. Remove the key instead.
    #[error("a lifetime of zero would store nothing: remove the key instead")]
    Zero,
    /// The lifetime is negative.
    #[error("a lifetime cannot be negative")]
    Negative,
    /// The lifetime is beyond [`Ttl::MAX`].
    #[error("a lifetime is at most 200 years")]
    TooLong,
    /// The jitter is not a fraction from 0 to 1.
    #[error("a jitter is a fraction from 0 to 1")]
    JitterOutOfRange,
}
