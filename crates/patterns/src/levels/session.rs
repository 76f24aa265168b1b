//! The session level.

use cachekit_keys::SessionId;
use cachekit_store::Result;

use super::handle::LevelCache;

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
    /// They are found through an index that every write of this crate keeps, so that the cost is that of the entries and not
    /// of the keyspace: two round trips for up to a thousand. What other programs wrote is not found: see
    /// [`Invalidation`](crate::Invalidation) and [`clear_exhaustive`](Self::clear_exhaustive). A write at the same time survives as a
    /// whole, or is cleared.
    ///
    /// # Errors
    /// Those of the store. Once entries have been removed, a later failure says that the change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`SessionCache`].
    #[doc(alias = "invalidate_session_on_logout")]
    pub async fn clear(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_session(&self.scope).await
    }

    /// Removes everything of this session, whoever wrote it; answers how many entries there were.
    ///
    /// After [`clear`](Self::clear), the whole keyspace is walked for what the index did not list, in bounded batches. What
    /// is written meanwhile may survive.
    ///
    /// # Errors
    /// Those of [`clear`](Self::clear).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{Key, KeySchema, SessionId, Ttl};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::StoreExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let levels = LevelCaches::builder(store.clone(), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// store.set_ttl(&Key::from_raw("session:abc123:foreign")?, "7".into(), Ttl::seconds(60)).await?;
    /// assert_eq!(session.clear().await?, 0);
    /// assert_eq!(session.clear_exhaustive().await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn clear_exhaustive(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_session_exhaustive(&self.scope).await
    }
}
