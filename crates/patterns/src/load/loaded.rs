//! What a loader answers.

use std::{fmt, sync::Arc};

use cachekit_keys::{Tag, Ttl};
use cachekit_store::{Error, ErrorKind};

use super::BoxError;

/// A loader's answer: a value, or what else it has to say, with options for storing it.
///
/// A plain value converts into it, and so does an `Option`, in which `None` is a [negative](Self::negative) answer, and a
/// `Result`, whose error is a [failure](Self::failed).
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
    pub(super) tags: Vec<Tag>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Answer<V> {
    Value(V),
    Negative,
    NotModified,
    Uncached(V),
    Failed(Failure),
}

/// Why a loader has no answer for a key.
#[derive(Clone)]
pub(super) struct Failure(Arc<Error>);

impl Failure {
    pub(super) fn into_error(self) -> Error {
        Error::clone(&self.0)
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Failure {}

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

    /// There is no answer for want of one: the load of this key failed. In [`get_or_load_many`](crate::Cache::get_or_load_many)
    /// the other keys are not concerned. It is the same as an error of the loader of a single key.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Loaded;
    /// let failed = Loaded::<u32>::failed(std::io::Error::other("the row is locked"));
    /// assert_ne!(failed, Loaded::negative());
    /// ```
    pub fn failed(error: impl Into<BoxError>) -> Self {
        let error = Error::new(ErrorKind::LoadFailed, "load").with_boxed_source(error.into());
        Self::new(Answer::Failed(Failure(Arc::new(error))))
    }

    /// Names what the entry has in common with others, where that is known only now, beside the tags of the cache and the call;
    /// at most [`WriteOptions::MAX_TAGS`](crate::WriteOptions::MAX_TAGS) together.
    ///
    /// An invalidation of such a tag during the load is noticed, and what was loaded is not stored. That takes two round trips
    /// more, so that tags which are known before are better named there. A load that took longer than an hour, or whose server
    /// had its clock set forward meanwhile, is not covered; the former is not stored.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Loaded;
    /// use cachekit_keys::Tag;
    ///
    /// let loaded = Loaded::value(7).with_tags([Tag::new("author-42")?]);
    /// assert_ne!(loaded, Loaded::value(7));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// Sets the lifetime, in place of the cache's or the call's; taken as it is, without jitter.
    ///
    /// # Examples
    /// See [`Loaded`].
    pub const fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Tells a failure from the other answers.
    pub(super) fn into_result(self) -> Result<Self, Error> {
        match self.answer {
            Answer::Failed(failure) => Err(failure.into_error()),
            _ => Ok(self),
        }
    }

    const fn new(answer: Answer<V>) -> Self {
        Self {
            answer,
            ttl: None,
            tags: Vec::new(),
        }
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

impl<V, E: Into<BoxError>> From<Result<V, E>> for Loaded<V> {
    fn from(value: Result<V, E>) -> Self {
        value.map_or_else(Self::failed, Self::value)
    }
}

impl<V> fmt::Debug for Loaded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.answer {
            Answer::Value(_) => "value",
            Answer::Negative => "negative",
            Answer::NotModified => "not modified",
            Answer::Uncached(_) => "uncached value",
            Answer::Failed(_) => "failed",
        };
        f.debug_struct("Loaded")
            .field("answer", &answer)
            .field("ttl", &self.ttl)
            .field("tags", &self.tags)
            .finish()
    }
}
