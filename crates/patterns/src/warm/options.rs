//! How a cache is warmed.

use cachekit_keys::{Tag, Ttl};
use cachekit_store::Condition;

use crate::{LoadOptions, WriteOptions};

/// Options of [`Cache::warm_with`](crate::Cache::warm_with) and
/// [`Cache::warm_values_with`](crate::Cache::warm_values_with).
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::WarmOptions;
///
/// let options = WarmOptions::new()
///     .with_concurrency(4)
///     .with_loads_per_second(50)
///     .with_ttl(Ttl::seconds(600))
///     .stopping_after(10)
///     .starting_at(20_000); // where the last run stopped
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmOptions {
    concurrency: Option<usize>,
    pub(super) batch: usize,
    pub(super) loads_per_second: Option<u32>,
    pub(super) most_failures: Option<u64>,
    pub(super) start: u64,
    pub(super) overwrite: bool,
    pub(super) ttl: Option<Ttl>,
    pub(super) tags: Vec<Tag>,
}

impl Default for WarmOptions {
    fn default() -> Self {
        Self {
            concurrency: None,
            batch: 500,
            loads_per_second: None,
            most_failures: None,
            start: 0,
            overwrite: false,
            ttl: None,
            tags: Vec::new(),
        }
    }
}

impl WarmOptions {
    /// The largest number of loads or batches at once.
    pub const MAX_CONCURRENCY: usize = 1_024;
    /// The largest batch.
    pub const MAX_BATCH: usize = 10_000;

    /// Eight loads at once, or two batches of ready values; batches of 500, no limit of the rate, and no end for failures.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many loads, or batches of ready values, are under way at once; from 1 to
    /// [`MAX_CONCURRENCY`](Self::MAX_CONCURRENCY). With two batches the store writes one while the next is being prepared; more
    /// of them wait in its queue, and other callers behind them.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub fn with_concurrency(mut self, most: usize) -> Self {
        self.concurrency = Some(most.clamp(1, Self::MAX_CONCURRENCY));
        self
    }

    /// Sets how many keys are looked at, or ready values written, in one round trip; from 1 to
    /// [`MAX_BATCH`](Self::MAX_BATCH).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WarmOptions;
    /// let options = WarmOptions::new().with_batch(100);
    /// ```
    #[must_use]
    pub fn with_batch(mut self, items: usize) -> Self {
        self.batch = items.clamp(1, Self::MAX_BATCH);
        self
    }

    /// Sets how many loads are begun in a second at most, evenly spread; at least 1. Keys that are there already do not count.
    /// Ready values ask no origin, and are not held back.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub fn with_loads_per_second(mut self, most: u32) -> Self {
        self.loads_per_second = Some(most.max(1));
        self
    }

    /// Stops when so many have failed, at least 1. By default failures are counted and the rest goes on.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub fn stopping_after(mut self, failures: u64) -> Self {
        self.most_failures = Some(failures.max(1));
        self
    }

    /// Passes over so many items, which an earlier run has done: the [position](crate::WarmProgress::position) that it
    /// reported. The stream has to yield the same items in the same order.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub const fn starting_at(mut self, position: u64) -> Self {
        self.start = position;
        self
    }

    /// Writes ready values over what is there. By default that stays, and counts as skipped.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WarmOptions;
    /// let options = WarmOptions::new().overwriting();
    /// ```
    #[must_use]
    pub const fn overwriting(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Sets the lifetime of what is stored, in place of the cache's.
    ///
    /// # Examples
    /// See [`WarmOptions`].
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Names what the entries have in common with others, beside the tags that the cache declares.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WarmOptions;
    /// use cachekit_keys::Tag;
    ///
    /// let options = WarmOptions::new().with_tags([Tag::new("release-7")?]);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    pub(super) fn loads_at_once(&self) -> usize {
        self.concurrency.unwrap_or(8)
    }

    pub(super) fn batches_at_once(&self) -> usize {
        self.concurrency.unwrap_or(2)
    }

    pub(super) fn load(&self) -> LoadOptions {
        let options = LoadOptions::new().with_tags(self.tags.clone());
        match self.ttl {
            Some(ttl) => options.with_ttl(ttl),
            None => options,
        }
    }

    pub(super) fn write(&self) -> WriteOptions {
        let options = WriteOptions::new().with_tags(self.tags.clone());
        let options = match self.ttl {
            Some(ttl) => options.with_ttl(ttl),
            None => options,
        };
        match self.overwrite {
            true => options,
            false => options.with_condition(Condition::IfAbsent),
        }
    }
}
