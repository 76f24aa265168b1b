//! Deleting by pattern.
//!
//! This is the walk over the whole keyspace that a pattern needs on any server: for operators and for rare events. What a
//! service deletes all day it should delete by key.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use cachekit_keys::{KeySchema, Pattern};
use cachekit_store::{Result, Store, StoreExt};

/// Deletes keys by pattern, within one schema. Cheap to clone.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::KeySchema;
/// use cachekit_patterns::Invalidation;
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
/// assert_eq!(invalidation.delete_by_pattern("project:proj456:*").await?, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Invalidation {
    store: Arc<dyn Store>,
    schema: KeySchema,
}

impl Invalidation {
    /// Deletes in `store` what `schema` names.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Invalidation;
    /// # use cachekit_store::MemoryStore;
    /// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    /// ```
    #[must_use]
    pub fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self { store, schema }
    }

    /// Deletes the keys of a known family that match a text such as `project:proj456:*`; answers how many existed.
    ///
    /// The text is written as in the plain format and without a namespace, and rendered as the schema renders keys, so that
    /// it means the same in every format and never reaches another namespace. The whole keyspace is walked, in bounded
    /// batches; keys under the reserved prefix `ck:` are passed over, and keys written meanwhile may survive.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a text that starts with no built-in family (`*` too)
    /// or can match no key of it; use [`delete_matching`](Self::delete_matching) for others. Else those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Invalidation;
    /// use cachekit_store::{ErrorKind, MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    /// let refused = invalidation.delete_by_pattern("*").await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// # Ok(()) }
    /// ```
    pub async fn delete_by_pattern(&self, text: &str) -> Result<u64> {
        let pattern = self.schema.pattern(text)?;
        self.store.delete_matching(&pattern).await
    }

    /// Deletes the keys that match a pattern made by a [`KeySchema`], with [`Pattern::raw`], or with
    /// [`Pattern::everything`]; answers how many existed.
    ///
    /// A raw pattern is taken as it is, namespace or not, and means the server's keys. [`Pattern::everything`] means
    /// everything of the schema's namespace, or of the server where it has none. Otherwise as
    /// [`delete_by_pattern`](Self::delete_by_pattern).
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_patterns::Invalidation;
    /// use cachekit_keys::{Key, KeySchema, Pattern, Ttl};
    /// use cachekit_store::{MemoryStore, StoreExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// store.set_ttl(&Key::from_raw("theirs:1")?, "x".into(), Ttl::seconds(60)).await?;
    /// let invalidation = Invalidation::new(store, KeySchema::plain());
    /// assert_eq!(invalidation.delete_matching(&Pattern::raw("theirs:*")?).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        if pattern.is_everything() {
            return self.store.delete_matching(&self.schema.all_keys()).await;
        }
        self.store.delete_matching(pattern).await
    }
}

/// Deletes all keys of one owner; answers how many existed. The one place that knows how an owner's keys are found.
pub(crate) async fn clear_owner(store: &dyn Store, keys: &Pattern) -> Result<u64> {
    store.delete_matching(keys).await
}
