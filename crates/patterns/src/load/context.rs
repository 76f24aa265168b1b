//! What a loader may know.

use std::fmt;

use cachekit_keys::Key;

/// What a loader is told: the key, and the value that is to be replaced.
///
/// # Examples
/// See [`Cache::get_or_load_with`](crate::Cache::get_or_load_with).
pub struct LoadContext<V> {
    key: Key,
    stale: Option<V>,
}

impl<V> LoadContext<V> {
    pub(super) const fn new(key: Key, stale: Option<V>) -> Self {
        Self { key, stale }
    }

    /// The key as it is stored.
    ///
    /// # Examples
    /// See [`Cache::get_or_load_with`](crate::Cache::get_or_load_with).
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The value that is stored now and no longer fresh, or about to be so, to ask the origin whether it changed; see
    /// [`Loaded::not_modified`](super::Loaded::not_modified).
    ///
    /// # Examples
    /// See [`Cache::get_or_load_with`](crate::Cache::get_or_load_with).
    #[must_use]
    pub const fn stale(&self) -> Option<&V> {
        self.stale.as_ref()
    }
}

impl<V> fmt::Debug for LoadContext<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadContext")
            .field("key", &self.key)
            .field("has_stale", &self.stale.is_some())
            .finish()
    }
}
