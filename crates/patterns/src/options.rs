//! How one write differs from the handle's defaults.

use cachekit_codec::Codec;
use cachekit_keys::{Jitter, Tag, Ttl};
use cachekit_store::Condition;

/// Options of one write, for the methods that end in `_with`. What is not set follows the handle.
///
/// There is no "never expires": every key of a cache has a lifetime.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::WriteOptions;
/// use cachekit_store::Condition;
///
/// let options = WriteOptions::new().with_ttl(Ttl::seconds(30)).with_condition(Condition::IfAbsent);
/// assert_eq!(options.ttl, Some(Ttl::seconds(30)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// The lifetime, in place of the handle's.
    pub ttl: Option<Ttl>,
    /// How much of the lifetime may be taken away at random, in place of the handle's.
    pub jitter: Option<Jitter>,
    /// When the write takes place at all; by default in any case.
    pub condition: Condition,
    /// What the written entries have in common with others; at most [`MAX_TAGS`](Self::MAX_TAGS), none by default.
    pub tags: Vec<Tag>,
    /// What the values are written in, in place of the handle's; entries are read in whichever they were written.
    pub codec: Option<Codec>,
}

impl WriteOptions {
    /// Most tags of one write: each is one more index to be kept.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_patterns::WriteOptions::MAX_TAGS, 16);
    /// ```
    pub const MAX_TAGS: usize = 16;

    /// Everything as the handle has it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// assert_eq!(WriteOptions::new().ttl, None);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: None,
            jitter: None,
            condition: Condition::Always,
            tags: Vec::new(),
            codec: None,
        }
    }

    /// Sets the lifetime of what is written.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// # use cachekit_keys::Ttl;
    /// assert_eq!(WriteOptions::new().with_ttl(Ttl::seconds(5)).ttl, Some(Ttl::seconds(5)));
    /// ```
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets how much of the lifetime may be taken away at random, so that entries written together do not expire together.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// # use cachekit_keys::Jitter;
    /// let options = WriteOptions::new().with_jitter(Jitter::fraction(0.1)?);
    /// assert_ne!(options.jitter, Some(Jitter::NONE));
    /// # Ok::<(), cachekit_keys::TtlError>(())
    /// ```
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets when the write takes place at all.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// use cachekit_store::Condition;
    ///
    /// let options = WriteOptions::new().with_condition(Condition::IfPresent);
    /// assert_eq!(options.condition, Condition::IfPresent);
    /// ```
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Names what the written entries have in common with others, so that
    /// [`Invalidation::invalidate_tag`](crate::Invalidation::invalidate_tag) finds them, whoever owns them.
    ///
    /// A tag stays with an entry for the lifetime that this write gives it; a later write without the tag does not take it
    /// away. The write fails with [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for more than
    /// [`MAX_TAGS`](Self::MAX_TAGS), and with [`Unsupported`](cachekit_store::ErrorKind::Unsupported) on a store that runs
    /// no scripts. On a cluster each tag has a slot of its own, so that the write takes two more round trips.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// use cachekit_keys::Tag;
    ///
    /// let options = WriteOptions::new().with_tags([Tag::new("release-7")?, Tag::new("beta")?]);
    /// assert_eq!(options.tags.len(), 2);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// Sets the codec that the values are written in. The write fails with
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for one that is not built in, and with
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) where the handle writes plain JSON.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::WriteOptions;
    /// use cachekit_codec::Codec;
    ///
    /// let options = WriteOptions::new().with_codec(Codec::Bincode);
    /// assert_eq!(options.codec, Some(Codec::Bincode));
    /// ```
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }
}

/// How long a handle's entries live unless a write says otherwise, and how that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// How long an entry is fresh.
    pub(crate) ttl: Ttl,
    pub(crate) jitter: Jitter,
    /// How long it may be served after that.
    pub(crate) stale_for: Option<Ttl>,
    /// Whether entries say themselves until when they are fresh.
    pub(crate) has_header: bool,
    /// Whether reads ask for the rest of an entry's life.
    pub(crate) reads_expiry: bool,
    /// Whether an entry may have a header, where its life tells a reader something wrong.
    pub(crate) may_have_header: bool,
}

impl Lifetime {
    pub(crate) const fn new(ttl: Ttl, jitter: Jitter) -> Self {
        Self {
            ttl,
            jitter,
            stale_for: None,
            has_header: false,
            reads_expiry: false,
            may_have_header: false,
        }
    }

    /// How long one entry is fresh. Each call draws anew, so that a batch spreads too.
    pub(crate) fn of(&self, options: &WriteOptions) -> Ttl {
        self.drawn(options.ttl, options.jitter)
    }

    pub(crate) fn drawn(&self, ttl: Option<Ttl>, jitter: Option<Jitter>) -> Ttl {
        let ttl = ttl.unwrap_or(self.ttl);
        let jitter = jitter.unwrap_or(self.jitter);
        if jitter == Jitter::NONE {
            ttl
        } else {
            ttl.jittered(jitter, fastrand::u64(..))
        }
    }

    /// Whether an entry that is fresh for so long has to say so itself: a reader who derives its age from what is left of its
    /// life takes it for one of the handle's lifetime.
    pub(crate) fn needs_header(&self, fresh: Ttl) -> bool {
        self.has_header || (self.reads_expiry && self.is_unusual(fresh) && self.may_have_header)
    }

    /// Whether no entry of the handle is fresh for so long unless it is told to be.
    pub(crate) fn is_unusual(&self, fresh: Ttl) -> bool {
        let shortest = self.ttl.jittered(self.jitter, 0);
        let shortest = shortest.min(self.ttl.jittered(self.jitter, u64::MAX));
        fresh < shortest || fresh > self.ttl
    }

    /// Whether an entry without a header ceases to be fresh while its key still lives.
    pub(crate) const fn is_by_expiry(&self) -> bool {
        self.stale_for.is_some() && !self.has_header
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifetime, WriteOptions};
    use cachekit_keys::{Jitter, Ttl};

    const LIFETIME: Lifetime = Lifetime::new(Ttl::seconds(100), Jitter::NONE);

    #[test]
    fn what_a_write_does_not_say_follows_the_handle() {
        assert_eq!(LIFETIME.of(&WriteOptions::new()), Ttl::seconds(100));
        let options = WriteOptions::new().with_ttl(Ttl::seconds(7));
        assert_eq!(LIFETIME.of(&options), Ttl::seconds(7));
    }

    #[test]
    fn jitter_shortens_by_no_more_than_its_fraction_and_spreads() {
        let options = WriteOptions::new().with_jitter(Jitter::fraction(0.2).unwrap());
        let millis: Vec<u64> = (0..200)
            .map(|_| LIFETIME.of(&options).as_millis())
            .collect();
        assert!(
            millis
                .iter()
                .all(|millis| (80_000..=100_000).contains(millis)),
            "{millis:?}"
        );
        assert!(millis.iter().any(|other| *other != millis[0]), "{millis:?}");
    }
}
