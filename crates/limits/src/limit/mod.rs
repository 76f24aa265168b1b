//! What a limit is: an algorithm, its numbers, and a name.

mod algorithm;
mod rate;

use std::time::Duration;

use cachekit_keys::Segment;
use cachekit_store::Result;

pub(crate) use self::algorithm::Algorithm;
use self::{
    algorithm::{check_range, micros},
    rate::Rate,
};
use crate::{error::invalid, name::Name, period::Period, script::MAX_SLIDING};

/// The largest limit: numbers of scripts are exact up to 2^53.
const MAX_LIMIT: u64 = 1 << 52;
/// The largest bucket.
const MAX_CAPACITY: u64 = 1 << 40;
/// The longest log. Each admission in it costs a server some hundred bytes.
const MAX_LOG: u64 = 10_000;

/// A limit: how many units (requests, tokens, bytes) a subject may take in how much time, by which algorithm.
///
/// | constructor | exact | state on the server | burst |
/// |---|---|---|---|
/// | [`token_bucket`](Self::token_bucket) | yes | one number | up to the capacity, then at the rate |
/// | [`fixed_window`](Self::fixed_window), [`aligned_window`](Self::aligned_window) | per window | one number | twice the limit around a boundary |
/// | [`sliding_window`](Self::sliding_window) | no: takes the previous window as even | four numbers | up to the limit |
/// | [`sliding_log`](Self::sliding_log) | yes, in any window | one entry an admission | up to the limit |
/// | [`daily`](Self::daily), [`monthly`](Self::monthly) | per window | a number per window | twice the limit around a boundary |
///
/// All of them decide in one round trip, by the server's clock, in whole microseconds. A denied call takes nothing.
/// Durations lie between 1 microsecond and 3 650 days. The default name is `requests`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_limits::Limit;
///
/// let steady = Limit::token_bucket(100, Duration::from_secs(60))?;
/// let uploads = Limit::sliding_log(5, Duration::from_secs(3600))?.named("uploads")?;
/// assert_eq!((steady.name(), steady.limit()), ("requests", 100));
/// assert_eq!((uploads.name(), uploads.limit()), ("uploads", 5));
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    segment: Segment,
    name: Name,
    algorithm: Algorithm,
    /// Microseconds; 0 without a penalty.
    penalty: i64,
}

impl Limit {
    fn of(name: &str, algorithm: Algorithm) -> Result<Self> {
        Ok(Self {
            segment: Segment::new(name)?,
            name: name.into(),
            algorithm,
            penalty: 0,
        })
    }

    /// A bucket of `capacity` tokens that is filled evenly, from empty to full in `period`. It is full at first.
    ///
    /// The algorithm is the generic cell rate algorithm (ITU-T I.371): one number is stored, and time flows without steps. The
    /// rate is exact, whatever it is: three tokens a second do not become one every 333 333 microseconds.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a capacity of 0 or above 2^40, a period out of range, or
    /// a rate too uneven to be calculated exactly.
    ///
    /// # Examples
    /// See [`Limit`].
    pub fn token_bucket(capacity: u64, period: Duration) -> Result<Self> {
        Self::token_bucket_refilling(capacity, capacity, period)
    }

    /// A bucket of `capacity` tokens into which `refill` tokens flow in every `period`, evenly.
    ///
    /// # Errors
    /// As for [`token_bucket`](Self::token_bucket); also for a `refill` of 0, or a bucket that takes more than 3 650 days to fill.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_limits::Limit;
    ///
    /// // 100 at once, and 10 a minute from then on.
    /// let limit = Limit::token_bucket_refilling(100, 10, Duration::from_secs(60))?;
    /// assert_eq!(limit.limit(), 100);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn token_bucket_refilling(capacity: u64, refill: u64, period: Duration) -> Result<Self> {
        let capacity = check_range("capacity", capacity, MAX_CAPACITY)?;
        let refill = check_range("refill", refill, MAX_LIMIT)?;
        let rate = Rate::new(capacity, refill, micros(period)?)?;
        Self::of("requests", Algorithm::Bucket { capacity, rate })
    }

    /// `limit` units in a window of `window` that begins with its first hit.
    ///
    /// Windows of many subjects end at many times, so no herd comes at once. Around a window's end up to twice the limit can
    /// pass within one window's length.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit of 0 or above 2^52, or a window out of range.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_limits::Limit;
    ///
    /// assert!(Limit::fixed_window(100, Duration::from_secs(60)).is_ok());
    /// assert!(Limit::fixed_window(0, Duration::from_secs(60)).is_err());
    /// ```
    pub fn fixed_window(limit: u64, window: Duration) -> Result<Self> {
        Self::window(limit, window, false)
    }

    /// `limit` units in a window of `window`, where windows begin at multiples of their width since the Unix epoch (UTC).
    ///
    /// # Errors
    /// As for [`fixed_window`](Self::fixed_window).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_limits::Limit;
    ///
    /// // From one full minute to the next.
    /// assert!(Limit::aligned_window(100, Duration::from_secs(60)).is_ok());
    /// ```
    pub fn aligned_window(limit: u64, window: Duration) -> Result<Self> {
        Self::window(limit, window, true)
    }

    fn window(limit: u64, window: Duration, aligned: bool) -> Result<Self> {
        let limit = check_range("limit", limit, MAX_LIMIT)?;
        let width = micros(window)?;
        Self::of(
            "requests",
            Algorithm::Window {
                limit,
                width,
                aligned,
            },
        )
    }

    /// `limit` units in the last `window`, estimated from two counters.
    ///
    /// The previous bucket counts by the part of it that lies in the window, as if its hits had come evenly; the comparison is
    /// in whole numbers. Constant in memory, and close: the estimate errs by how uneven the previous bucket was.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit of 0 or above 2^26 (67 108 864), or a window out of
    /// range.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_limits::Limit;
    ///
    /// assert!(Limit::sliding_window(100, Duration::from_secs(60)).is_ok());
    /// assert!(Limit::sliding_window(u64::MAX, Duration::from_secs(60)).is_err());
    /// ```
    pub fn sliding_window(limit: u64, window: Duration) -> Result<Self> {
        let limit = check_range("limit", limit, MAX_SLIDING.unsigned_abs())?;
        let width = micros(window)?;
        Self::of("requests", Algorithm::Sliding { limit, width })
    }

    /// `limit` units in the last `window`, exactly, from a log of what was admitted.
    ///
    /// No window of that length ever holds more than the limit. It costs an entry for each admission (not for each unit), some
    /// hundred bytes on a server beyond 128 entries; a decision stays logarithmic.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit of 0 or above 10 000, or a window out of range.
    ///
    /// # Examples
    /// See [`Limit`].
    pub fn sliding_log(limit: u64, window: Duration) -> Result<Self> {
        let limit = check_range("limit", limit, MAX_LOG)?;
        let width = micros(window)?;
        Self::of("requests", Algorithm::Log { limit, width })
    }

    /// `limit` requests a day of UTC, counted under `ratelimit:{user}:requests:{date}` as other services do.
    ///
    /// A limit stored for a subject under `ratelimit:{user}:daily_limit` takes the place of `limit`; see
    /// [`Limiter::set_limit`](crate::Limiter::set_limit). Its name is `daily`, whatever else is said.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit of 0 or above 2^52.
    ///
    /// # Examples
    /// ```
    /// use cachekit_limits::Limit;
    ///
    /// assert_eq!(Limit::daily(100)?.name(), "daily");
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn daily(limit: u64) -> Result<Self> {
        Self::calendar(limit, Period::Day)
    }

    /// `limit` requests a month of UTC, counted under `ratelimit:{user}:requests:monthly:{year}-{month}`.
    ///
    /// A limit stored for a subject under `ratelimit:{user}:monthly_limit` takes the place of `limit`. Its name is `monthly`.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit of 0 or above 2^52.
    ///
    /// # Examples
    /// ```
    /// use cachekit_limits::Limit;
    ///
    /// assert_eq!(Limit::monthly(1_000)?.name(), "monthly");
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn monthly(limit: u64) -> Result<Self> {
        Self::calendar(limit, Period::Month)
    }

    fn calendar(limit: u64, period: Period) -> Result<Self> {
        let limit = check_range("limit", limit, MAX_LIMIT)?;
        Self::of(period.name(), Algorithm::Calendar { limit, period })
    }

    /// Gives the limit another name. It stands in the key and in decisions: limits of one algorithm and one name share their
    /// state.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an empty or too long name, or for a daily or monthly limit,
    /// whose key has no place for one.
    ///
    /// # Examples
    /// See [`Limit`].
    pub fn named(mut self, name: &str) -> Result<Self> {
        if matches!(self.algorithm, Algorithm::Calendar { .. }) {
            return Err(invalid(
                "limit",
                "a daily or monthly limit has its name from its period",
            ));
        }
        self.segment = Segment::new(name)?;
        self.name = name.into();
        Ok(self)
    }

    /// Refuses everything for `penalty` once a call was denied. Calls meanwhile do not prolong it.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a duration out of range.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_limits::Limit;
    ///
    /// let limit = Limit::fixed_window(5, Duration::from_secs(60))?
    ///     .named("logins")?
    ///     .with_penalty(Duration::from_secs(900))?;
    /// assert_eq!(limit.penalty(), Some(Duration::from_secs(900)));
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn with_penalty(mut self, penalty: Duration) -> Result<Self> {
        self.penalty = micros(penalty)?;
        Ok(self)
    }

    /// The name, `requests` by default.
    ///
    /// # Examples
    /// See [`Limit`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many units pass at most: the capacity of a bucket, else the units of a window.
    ///
    /// # Examples
    /// See [`Limit`].
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.algorithm.limit().unsigned_abs()
    }

    /// For how long everything is refused after a denial.
    ///
    /// # Examples
    /// See [`Limit::with_penalty`].
    #[must_use]
    pub fn penalty(&self) -> Option<Duration> {
        (self.penalty > 0).then(|| Duration::from_micros(self.penalty.unsigned_abs()))
    }

    /// The part of this limit that one of so many processes has: at least one unit.
    pub(crate) fn share(&self, processes: u32) -> Result<Self> {
        let mut share = self.clone();
        share.algorithm = self.algorithm.share(processes)?;
        Ok(share)
    }

    /// In what time the whole limit may be used: an empty bucket's time to fill, or a window. A month has no fixed length.
    #[cfg(feature = "tower")]
    pub(crate) fn window_length(&self) -> Option<Duration> {
        let micros = self.algorithm.window_micros()?;
        Some(Duration::from_micros(micros.unsigned_abs()))
    }

    pub(crate) fn penalty_micros(&self) -> i64 {
        self.penalty
    }

    pub(crate) fn shared_name(&self) -> Name {
        self.name.clone()
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }
}
