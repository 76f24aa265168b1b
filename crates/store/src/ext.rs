//! Conveniences over the primitives of any store.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};
use futures_util::future::join;

use crate::{Error, Increment, KeyExpiry, Result, ScanRequest, SetOptions, Store};

/// Conveniences over any [`Store`], implemented once for all of them.
///
/// # Errors
/// Those of the primitives used.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Pattern, Ttl};
/// use cachekit_store::{MemoryStore, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let key = Key::from_raw("a:1")?;
/// assert_eq!(store.increment_one(&key, 5, Ttl::seconds(60)).await?, 5);
/// assert!(store.exists(&key).await?);
/// assert_eq!(store.delete_matching(&Pattern::raw("a:*")?).await?, 1);
/// assert!(!store.delete_one(&key).await?);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait StoreExt: Store {
    /// Writes a value that expires after `ttl`.
    async fn set_ttl(&self, key: &Key, value: Bytes, ttl: Ttl) -> Result<()> {
        self.set(key, value, SetOptions::ttl(ttl)).await.map(drop)
    }

    /// Deletes one key; answers whether it existed.
    async fn delete_one(&self, key: &Key) -> Result<bool> {
        Ok(self.delete(std::slice::from_ref(key)).await? > 0)
    }

    /// Whether a key of any type exists.
    async fn exists(&self, key: &Key) -> Result<bool> {
        Ok(self.expiry(key).await? != KeyExpiry::Missing)
    }

    /// What is left of the life of one key.
    async fn expiry(&self, key: &Key) -> Result<KeyExpiry> {
        let answers = self.expiries(std::slice::from_ref(key)).await?;
        Ok(answers.into_iter().next().unwrap_or(KeyExpiry::Missing))
    }

    /// Adds to one counter that lives for `ttl` from its first use; answers the new value.
    async fn increment_one(&self, key: &Key, by: i64, ttl: Ttl) -> Result<i64> {
        let answers = self
            .increment(&[Increment::new(key.clone(), by, ttl)])
            .await?;
        Ok(answers.into_iter().next().unwrap_or(by))
    }

    /// Deletes all keys that match `pattern`, in bounded batches; answers how many existed.
    ///
    /// Walks the whole keyspace, whatever matches: the cost is that of the keyspace. The next step of the walk is taken
    /// while the keys of the last one are deleted, so that at most two steps' keys are held, however many there are. Keys
    /// under the reserved prefix `ck:` are passed over, and so are names that cannot be a [`Key`] (of more than 1 024
    /// bytes), which only other programs write. Keys written during the walk may survive it.
    ///
    /// # Errors
    /// Those of [`Store::scan`] and [`Store::delete`]. Once keys have been deleted, a later failure says that the
    /// change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        let mut request = ScanRequest::new(pattern.clone());
        let mut page = self.scan(&request).await?;
        let mut deleted = 0;
        loop {
            let mut keys = page.keys;
            keys.retain(|key| !key.is_reserved());
            let Some(cursor) = page.next else {
                return deletion(self.delete(&keys).await, &mut deleted).map(|()| deleted);
            };
            request = request.continue_from(cursor);
            // Both are waited for: a deletion under way must not be dropped because the walk failed.
            let (removed, next) = join(self.delete(&keys), self.scan(&request)).await;
            deletion(removed, &mut deleted)?;
            page = next.map_err(|error| partly(error, deleted))?;
        }
    }
}

/// Adds what one deletion of a walk removed.
fn deletion(removed: Result<u64>, deleted: &mut u64) -> Result<()> {
    *deleted += removed.map_err(|error| partly(error, *deleted))?;
    Ok(())
}

/// The error of a walk that has deleted so many keys already.
fn partly(error: Error, deleted: u64) -> Error {
    if deleted == 0 {
        return error;
    }
    error.with_may_have_applied(true)
}

impl<S: Store + ?Sized> StoreExt for S {}
