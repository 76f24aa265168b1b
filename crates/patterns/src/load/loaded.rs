//! What a loader answers.

use std::fmt;

use cachekit_keys::Ttl;

/// A loader's answer: a value, or what else it has to say, with options for storing it.
///
/// A plain value converts into it, and so does an `Option`, in which `None` is a [negative](Self::negative) answer.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_patterns::Loaded;
///
/// let loaded = Loaded::value(7).with_ttl(Ttl::seconds(5));
/// assert_eq!(Loaded::from(7), Loaded::value(7));
/// assert_eq!(Loaded::<u32>::from(None), Loaded::negative());
/// assert_ne!(loaded, Loaded::value(7));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a loader's answer is to be returned"]
pub struct Loaded<V> {
    pub(super) answer: Answer<V>,
    pub(super) ttl: Option<Ttl>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Answer<V> {
    Value(V),
    Negative,
    NotModified,
    Uncached(V),
}

impl<V> Loaded<V> {
    /// A value to be stored and returned.
    ///
    /// # Examples
    /// See [`Loaded`].
    pub const fn value(value: V) -> Self {
        Self::new(Answer::Value(value))
    }

    /// There is no such value, which is stored too, for the cache's negative TTL (60 s by default).
    ///
    /// # Examples
    /// See [`Loaded`].
    pub const fn negative() -> Self {
        Self::new(Answer::Negative)
    }

    /// The value that [`LoadContext::stale`](super::LoadContext::stale) showed is still right: it is stored for another
    /// lifetime. Without such a value this is a failed load.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Loaded;
    /// let same = Loaded::<String>::not_modified();
    /// ```
    pub const fn not_modified() -> Self {
        Self::new(Answer::NotModified)
    }

    /// A value to be returned and not stored.
    ///
    /// Those who wait for this load in the same process share it; other processes load for themselves, one after the other.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Loaded;
    /// assert_ne!(Loaded::uncached(7), Loaded::value(7));
    /// ```
    pub const fn uncached(value: V) -> Self {
        Self::new(Answer::Uncached(value))
    }

    /// Sets the lifetime, in place of the cache's or the call's; taken as it is, without jitter.
    ///
    /// # Examples
    /// See [`Loaded`].
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    const fn new(answer: Answer<V>) -> Self {
        Self { answer, ttl: None }
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::value(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or_else(Self::negative, Self::value)
    }
}

impl<V> fmt::Debug for Loaded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.answer {
            Answer::Value(_) => "value",
            Answer::Negative => "negative",
            Answer::NotModified => "not modified",
            Answer::Uncached(_) => "uncached value",
        };
        f.debug_struct("Loaded")
            .field("answer", &answer)
            .field("ttl", &self.ttl)
            .finish()
    }
}
