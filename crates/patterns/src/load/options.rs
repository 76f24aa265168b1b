//! How one load differs from the cache's defaults.

use std::time::Duration;

use cachekit_codec::Codec;
use cachekit_keys::{Jitter, Tag, Ttl};

use super::Refresh;

/// Options of one call that may load. What is not set follows the cache.
///
/// A load is shared by all who wait for it, in this process and others: what is set here holds for the load that this call
/// starts. The time-outs hold for the call too, whosever load it waits for.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::LoadOptions;
///
/// let options = LoadOptions::new().with_ttl(Ttl::seconds(30));
/// assert_eq!(options.ttl, Some(Ttl::seconds(30)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The lifetime of what is loaded, in place of the cache's. A lifetime that the loader chooses goes before it.
    pub ttl: Option<Ttl>,
    /// How much of the lifetime may be taken away at random, in place of the cache's; not of one that the loader chooses.
    pub jitter: Option<Jitter>,
    /// How long it is kept that there is no value, in place of the cache's.
    pub negative_ttl: Option<Ttl>,
    /// How long past its fresh time a value may still be served to this call. Of use only where it is less than the cache's
    /// [`stale_for`](crate::CacheBuilder::stale_for), after which an entry is gone.
    pub stale_for: Option<Ttl>,
    /// When the value is loaded anew while it is still fresh, in place of the cache's.
    pub refresh: Option<Refresh>,
    /// What the entry has in common with others, beside the tags that the cache declares.
    pub tags: Vec<Tag>,
    /// What a loaded value is written in, in place of the cache's; entries are read in whichever they were written.
    pub codec: Option<Codec>,
    /// How long the call waits where a stale value can be served, in place of the cache's.
    pub soft_timeout: Option<Duration>,
    /// How long the load may take, and the call waits, in place of the cache's.
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
            jitter: None,
            negative_ttl: None,
            stale_for: None,
            refresh: None,
            tags: Vec::new(),
            codec: None,
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

    /// Sets how much of the lifetime may be taken away at random, so that what is loaded together does not expire together.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_keys::Jitter;
    /// let options = LoadOptions::new().with_jitter(Jitter::fraction(0.1)?);
    /// assert!(options.jitter.is_some());
    /// # Ok::<(), cachekit_keys::TtlError>(())
    /// ```
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets how long it is kept that there is no value.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_keys::Ttl;
    /// let options = LoadOptions::new().with_negative_ttl(Ttl::seconds(5));
    /// assert_eq!(options.negative_ttl, Some(Ttl::seconds(5)));
    /// ```
    #[must_use]
    pub const fn with_negative_ttl(mut self, ttl: Ttl) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// Sets how long past its fresh time a value may still be served to this call; no longer than the cache keeps it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_keys::Ttl;
    /// let options = LoadOptions::new().with_stale_for(Ttl::seconds(5));
    /// assert_eq!(options.stale_for, Some(Ttl::seconds(5)));
    /// ```
    #[must_use]
    pub const fn with_stale_for(mut self, bound: Ttl) -> Self {
        self.stale_for = Some(bound);
        self
    }

    /// Sets when the value is loaded anew while it is still fresh: by this call, in the background. The same is to be said by
    /// all calls for a key, since whoever loads it writes down what such a refresh needs to know.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_patterns::Refresh;
    /// let options = LoadOptions::new().with_refresh(Refresh::at(0.8)?);
    /// assert!(options.refresh.is_some());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub const fn with_refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// Whether reads need to know how long an entry has to live.
    pub(crate) fn reads_expiry(&self) -> bool {
        self.refresh.is_some_and(|refresh| !refresh.is_never())
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

    /// Sets the codec that a loaded value is written in. Before it loads, the call fails with
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for one that is not built in, and with
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) where the cache writes plain JSON.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::LoadOptions;
    /// use cachekit_codec::Codec;
    ///
    /// let options = LoadOptions::new().with_codec(Codec::Bincode);
    /// assert_eq!(options.codec, Some(Codec::Bincode));
    /// ```
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
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

    /// Sets how long the load may take until it is ended, which is an error for those who wait for it; and how long the call
    /// waits at most, also for a load that another one started and that may take longer.
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
