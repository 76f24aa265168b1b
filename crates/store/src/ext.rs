//! Conveniences over the primitives of any store.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};

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
    /// Walks the whole keyspace, whatever matches: the cost is that of the keyspace. Keys under the
    /// reserved prefix `ck:` are passed over, and so are names that cannot be a [`Key`] (of more than 1 024 bytes), which
    /// only other programs write. Keys written during the walk may survive it.
    ///
    /// # Errors
    /// Those of [`Store::scan`] and [`Store::delete`]. Once keys have been deleted, a later failure says that the
    /// change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        let mut request = ScanRequest::new(pattern.clone());
        let mut deleted = 0;
        loop {
            let partly = |error: Error| match deleted {
                0 => error,
                _ => error.with_may_have_applied(true),
            };
            let page = self.scan(&request).await.map_err(partly)?;
            let keys: Vec<Key> = page
                .keys
                .into_iter()
                .filter(|key| !key.is_reserved())
                .collect();
            deleted += self.delete(&keys).await.map_err(partly)?;
            match page.next {
                Some(cursor) => request = request.continue_from(cursor),
                None => return Ok(deleted),
            }
        }
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
