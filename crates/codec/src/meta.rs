//! What an entry says about itself next to its value: freshness, age, cost of loading, negative.
//!
//! Times are plain numbers given by the caller: this crate reads no clock.

use std::time::Duration;

/// Facts about an entry that travel in its header.
///
/// [`Meta::default()`] is empty, and an entry with an empty meta needs no header.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_codec::Meta;
///
/// let meta = Meta::default()
///     .with_created_at(1_700_000_000_000)
///     .with_fresh_until(1_700_000_060_000)
///     .with_load_time(Duration::from_millis(12));
/// assert!(!meta.is_empty());
/// assert_eq!(meta.fresh_until, Some(1_700_000_060_000));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Until when the value is fresh, in milliseconds since the Unix epoch. Later it is stale but
    /// may be served.
    pub fresh_until: Option<u64>,
    /// When the value was made, in milliseconds since the Unix epoch.
    pub created_at: Option<u64>,
    /// How long the loader took: the cost of a miss. Stored in whole microseconds.
    pub load_time: Option<Duration>,
    /// The entry says that the value does not exist. It has no body.
    pub negative: bool,
}

impl Meta {
    /// Sets until when the value is fresh, in milliseconds since the Unix epoch.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Meta;
    /// assert_eq!(Meta::default().with_fresh_until(5).fresh_until, Some(5));
    /// ```
    #[must_use]
    pub fn with_fresh_until(mut self, millis_since_epoch: u64) -> Self {
        self.fresh_until = Some(millis_since_epoch);
        self
    }

    /// Sets when the value was made, in milliseconds since the Unix epoch.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Meta;
    /// assert_eq!(Meta::default().with_created_at(5).created_at, Some(5));
    /// ```
    #[must_use]
    pub fn with_created_at(mut self, millis_since_epoch: u64) -> Self {
        self.created_at = Some(millis_since_epoch);
        self
    }

    /// Sets how long the loader took. Cut to whole microseconds here, so that what is read back
    /// equals what was set. At most `u64::MAX` microseconds; more becomes that.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use cachekit_codec::Meta;
    /// let meta = Meta::default().with_load_time(Duration::from_nanos(2_999));
    /// assert_eq!(meta.load_time, Some(Duration::from_micros(2)));
    /// ```
    #[must_use]
    pub fn with_load_time(mut self, load_time: Duration) -> Self {
        self.load_time = Some(Duration::from_micros(whole_micros(load_time)));
        self
    }

    /// Marks the entry as negative (or not).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Meta;
    /// assert!(Meta::default().with_negative(true).negative);
    /// ```
    #[must_use]
    pub fn with_negative(mut self, negative: bool) -> Self {
        self.negative = negative;
        self
    }

    /// Whether nothing is set, so that no header is needed on account of the meta.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Meta;
    /// assert!(Meta::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(crate) fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
