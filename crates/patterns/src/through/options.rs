//! How one write through the cache differs from the defaults.

use std::time::Duration;

use cachekit_store::{Condition, Error, ErrorKind, Result};

use crate::WriteOptions;

/// What is written first.
///
/// # Examples
/// ```
/// use cachekit_patterns::WriteOrder;
/// assert_eq!(WriteOrder::default(), WriteOrder::DatabaseFirst);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WriteOrder {
    /// The database, then the cache: no reader is given a value that the database has not taken. While the database is written, the
    /// cache holds nothing, and loads wait.
    #[default]
    DatabaseFirst,
    /// The cache, then the database: readers are given the new value at once, also where the database refuses it in the end. It is
    /// taken back then.
    CacheFirst,
}

/// Options of one write through the cache.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::{ThroughOptions, WriteOptions, WriteOrder};
///
/// let options = ThroughOptions::new()
///     .with_order(WriteOrder::CacheFirst)
///     .with_entry(WriteOptions::new().with_ttl(Ttl::seconds(60)))
///     .with_timeout(Duration::from_secs(5));
/// assert_eq!(options.order, WriteOrder::CacheFirst);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThroughOptions {
    /// What is written first; the database by default.
    pub order: WriteOrder,
    /// Lifetime, jitter and tags of the entry. A condition is refused.
    pub entry: WriteOptions,
    /// How long the database may take, up to an hour; as long as a load by default. Then the persister is dropped.
    pub timeout: Option<Duration>,
    /// Whether to write the database although the cache does not answer; by default not.
    pub without_cache: bool,
}

impl ThroughOptions {
    /// The longest time that a persister may take.
    ///
    /// # Examples
    /// ```
    /// use cachekit_patterns::ThroughOptions;
    /// assert_eq!(ThroughOptions::MAX_TIMEOUT.as_secs(), 3_600);
    /// ```
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

    /// The database first, and everything else as the handle has it.
    ///
    /// # Examples
    /// See [`ThroughOptions`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is written first.
    ///
    /// # Examples
    /// See [`ThroughOptions`].
    #[must_use]
    pub const fn with_order(mut self, order: WriteOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets lifetime, jitter and tags of the entry.
    ///
    /// # Examples
    /// See [`ThroughOptions`].
    #[must_use]
    pub fn with_entry(mut self, entry: WriteOptions) -> Self {
        self.entry = entry;
        self
    }

    /// Sets how long the database may take.
    ///
    /// # Examples
    /// See [`ThroughOptions`].
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Writes the database also where the cache does not answer, so that its outage is none of the writes. What the cache holds
    /// may then be older than the database until it expires: the call ends with [`Written::Behind`](crate::Written::Behind)
    /// where the cache is still away afterwards.
    ///
    /// # Examples
    /// ```
    /// use cachekit_patterns::ThroughOptions;
    /// assert!(ThroughOptions::new().also_without_cache().without_cache);
    /// ```
    #[must_use]
    pub const fn also_without_cache(mut self) -> Self {
        self.without_cache = true;
        self
    }

    /// # Errors
    /// `InvalidInput` for a condition, or a time-out out of its range.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse =
            |why: &str| Err(Error::new(ErrorKind::InvalidInput, "write_through").with_detail(why));
        if self.entry.condition != Condition::Always {
            return refuse("the database decides whether a write takes place, not a condition");
        }
        match self.timeout {
            Some(timeout) if timeout.is_zero() || timeout > Self::MAX_TIMEOUT => {
                refuse("the time-out is zero, or longer than an hour")
            }
            _ => Ok(()),
        }
    }
}
