//! The session level.

use cachekit_keys::SessionId;
use cachekit_store::Result;

use super::handle::LevelCache;
use crate::invalidation::clear_owner;

/// What one session is working on: names under `session:{id}:`, for five minutes unless set otherwise.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, SessionId};
/// use cachekit_patterns::{LevelCaches, SessionCache};
/// use cachekit_store::{Error, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
/// let session: SessionCache = levels.session(&SessionId::new("abc123")?);
/// session.set("current_file", "src/main.rs").await?;
/// assert_eq!(session.clear().await?, 1);
/// # Ok(()) }
/// ```
pub type SessionCache = LevelCache<SessionId>;

impl LevelCache<SessionId> {
    /// Whose session it is.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let id = SessionId::new("abc123")?;
    /// assert_eq!(levels.session(&id).id(), &id);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.scope
    }

    /// Removes everything of this session and of no other; answers how many entries there were.
    ///
    /// The whole keyspace is walked for them, in bounded batches. What is written meanwhile may survive.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`SessionCache`].
    pub async fn clear(&self) -> Result<u64> {
        let base = self.access.base();
        clear_owner(&*base.store, &base.schema.session_keys(&self.scope)).await
    }
}
