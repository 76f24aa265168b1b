//! How one load differs from the cache's defaults.

use std::time::Duration;

use cachekit_keys::{Tag, Ttl};

/// Options of one call that may load. What is not set follows the cache.
///
/// A load is shared by all who wait for it, in this process and others: what is set here holds for the load that this call
/// starts, and the soft time-out for the call alone.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::LoadOptions;
///
/// let options = LoadOptions::new().with_ttl(Ttl::seconds(30));
/// assert_eq!(options.ttl, Some(Ttl::seconds(30)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The lifetime of what is loaded, in place of the cache's. A lifetime that the loader chooses goes before it.
    pub ttl: Option<Ttl>,
    /// What the entry has in common with others, beside the tags that the cache declares.
    pub tags: Vec<Tag>,
    /// How long the call waits where a stale value can be served, in place of the cache's.
    pub soft_timeout: Option<Duration>,
    /// How long the load may take, in place of the cache's.
    pub hard_timeout: Option<Duration>,
}

impl LoadOptions {
    /// Everything as the cache has it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// assert_eq!(LoadOptions::new().ttl, None);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: None,
            tags: Vec::new(),
            soft_timeout: None,
            hard_timeout: None,
        }
    }

    /// Sets the lifetime of what is loaded.
    ///
    /// # Examples
    /// See [`LoadOptions`].
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Names what the entry has in common with others; at most [`WriteOptions::MAX_TAGS`](crate::WriteOptions::MAX_TAGS)
    /// together with those that the cache declares.
    ///
    /// The load is found by an invalidation of such a tag from its beginning.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_keys::Tag;
    /// let options = LoadOptions::new().with_tags([Tag::new("release-7")?]);
    /// assert_eq!(options.tags.len(), 1);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// Sets how long the call waits for a load where a stale value can be served instead. The load goes on.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use std::time::Duration;
    /// let options = LoadOptions::new().with_soft_timeout(Duration::from_millis(50));
    /// assert!(options.soft_timeout.is_some());
    /// ```
    #[must_use]
    pub const fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// Sets how long the load may take until it is ended, which is an error for those who wait for it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use std::time::Duration;
    /// let options = LoadOptions::new().with_hard_timeout(Duration::from_secs(5));
    /// assert!(options.hard_timeout.is_some());
    /// ```
    #[must_use]
    pub const fn with_hard_timeout(mut self, timeout: Duration) -> Self {
        self.hard_timeout = Some(timeout);
        self
    }
}
