//! How hits are tracked.

use std::time::Duration;

/// The shortest interval between flushes.
const SHORTEST: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3_600);
/// The longest time for which counts are kept.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// How a [`HitTracker`](crate::HitTracker) flushes, and how long the fleet's counts are kept. All services that share a server
/// and a namespace should keep them for the same time; the longest one holds.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_insight::HitOptions;
///
/// let options = HitOptions::new()
///     .with_interval(Duration::from_secs(2))
///     .with_keep(Duration::from_secs(30 * 86_400));
/// assert_eq!(options.interval(), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options do nothing by themselves"]
pub struct HitOptions {
    interval: Duration,
    keep: Duration,
}

impl HitOptions {
    /// Flushes every 5 seconds, and keeps counts for 7 days.
    ///
    /// # Examples
    /// See [`HitOptions`].
    pub const fn new() -> Self {
        Self {
            interval: Duration::from_secs(5),
            keep: Duration::from_secs(7 * 86_400),
        }
    }

    /// How long to wait between flushes, less up to a fifth at random so that a fleet that was started together does not flush
    /// together. At least 100 ms. It is also how old the fleet's numbers are at most, and what a process that is killed loses.
    ///
    /// # Examples
    /// See [`HitOptions`].
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST);
        self
    }

    /// How long the counts of an hour are kept after it is over: from 1 hour to 366 days.
    ///
    /// # Examples
    /// See [`HitOptions`].
    pub fn with_keep(mut self, keep: Duration) -> Self {
        self.keep = keep.clamp(HOUR, YEAR);
        self
    }

    /// How long to wait between flushes at most.
    ///
    /// # Examples
    /// See [`HitOptions`].
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the counts of an hour are kept after it is over.
    ///
    /// # Examples
    /// ```
    /// let days = cachekit_insight::HitOptions::new().keep().as_secs() / 86_400;
    /// assert_eq!(days, 7);
    /// ```
    #[must_use]
    pub const fn keep(&self) -> Duration {
        self.keep
    }
}

impl Default for HitOptions {
    fn default() -> Self {
        Self::new()
    }
}
