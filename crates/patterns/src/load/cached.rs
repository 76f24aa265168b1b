//! What a caller is given.

use std::{fmt, time::Duration};

/// A value, or that there is none, and where it comes from.
///
/// # Examples
/// See [`Cache::fetch`](crate::Cache::fetch).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cached<V> {
    /// The value; `None` where it is known that there is none.
    pub value: Option<V>,
    /// Where it comes from.
    pub origin: Origin,
    /// How long ago it was stored, where that is known: from the entry's header, or where a refresh policy is set; zero for what
    /// this call loaded.
    pub age: Option<Duration>,
}

/// Where an answer comes from.
///
/// # Examples
/// See [`Cache::fetch`](crate::Cache::fetch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// From the store, within its lifetime.
    Fresh,
    /// From the store, past its fresh time and within the bound set for that; the load failed, was slow, or goes on elsewhere.
    Stale,
    /// From the loader, just now, and offered to the store.
    Loaded,
    /// From the loader, just now, and not stored: the loader wanted it so, the store failed, or the entry is not to be
    /// overwritten.
    Uncached,
}

impl<V> Cached<V> {
    pub(crate) const fn new(value: Option<V>, origin: Origin, age: Option<Duration>) -> Self {
        Self { value, origin, age }
    }

    /// Whether it is known that there is no value.
    ///
    /// # Examples
    /// See [`Cache::fetch`](crate::Cache::fetch).
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.value.is_none()
    }
}

impl<V> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("is_negative", &self.is_negative())
            .field("origin", &self.origin)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}
