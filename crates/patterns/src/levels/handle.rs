//! What the handles of all levels can do.

use std::sync::Arc;

use cachekit_keys::{Key, PathKeys, Ttl};
use cachekit_store::{KeyExpiry, Result, Tasks};
use serde::{Serialize, de::DeserializeOwned};

use super::{engines::Engines, scope::Scope};
use crate::{
    Announcer, Cleared, Invalidation, WriteOptions, access::Access, announce::Telling, index::Place,
};

/// Values of any type under the names of one scope: a [`SessionCache`](crate::SessionCache), a
/// [`ProjectCache`](crate::ProjectCache) or a [`GlobalCache`](crate::GlobalCache). Cheap to make and to clone.
///
/// A name of a session or project is a path: its `:` stays, and what else has a meaning in keys is encoded. A name is read
/// back as the type that it is asked for as; an entry of another type is a miss like a damaged one.
///
/// # Errors
/// Every method can fail with what the [store](cachekit_store::Store) answers, and with
/// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a name that is empty, too long, or at the global level not a
/// key of its family. Writing fails with [`TooLarge`](cachekit_store::ErrorKind::TooLarge) before anything is sent, and with
/// [`Encode`](cachekit_store::ErrorKind::Encode) where the value's `Serialize` does. Reading fails with
/// [`WrongType`](cachekit_store::ErrorKind::WrongType) where the key holds a list or another type than a string.
///
/// # Cancel safety
/// A dropped read has done nothing. A dropped write or removal has been carried out or not, in a batch for each key.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, ProjectId};
/// use cachekit_patterns::LevelCaches;
/// use cachekit_store::{Error, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
/// let project = levels.project(&ProjectId::new("proj456")?);
/// project.set("recent_issues", &["leak", "typo"]).await?;
/// let issues: Option<Vec<String>> = project.get("recent_issues").await?;
/// assert_eq!(issues.unwrap_or_default(), ["leak", "typo"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct LevelCache<S> {
    pub(super) access: Access,
    pub(super) scope: S,
    /// What the keys of the scope begin with, where they all begin alike.
    pub(super) paths: Option<PathKeys>,
    pub(super) announcer: Option<Announcer>,
    pub(super) tasks: Tasks,
    pub(super) engines: Arc<Engines>,
}

impl<S: Scope> LevelCache<S> {
    /// The value, or `None` on a miss.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`LevelCache`].
    pub async fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>> {
        let key = self.key(name)?;
        self.access.get(&key).await
    }

    /// Many values in one round trip, in the order of the names. A key that holds another type than a string is a miss here.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// session.set("line", &7).await?;
    /// let places: Vec<Option<u32>> = session.get_many(&["column", "line"]).await?;
    /// assert_eq!(places, [None, Some(7)]);
    /// # Ok(()) }
    /// ```
    pub async fn get_many<V: DeserializeOwned>(
        &self,
        names: &[impl AsRef<str>],
    ) -> Result<Vec<Option<V>>> {
        let keys = self.keys(names)?;
        self.access.get_many(&keys).await
    }

    /// Stores a value for the level's lifetime.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`LevelCache`].
    pub async fn set<V: Serialize + ?Sized>(&self, name: &str, value: &V) -> Result<()> {
        self.set_with(name, value, &WriteOptions::new())
            .await
            .map(drop)
    }

    /// Stores a value with options of its own; answers whether it was written, which a condition can prevent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId, Ttl};
    /// # use cachekit_patterns::{LevelCaches, WriteOptions};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// let brief = WriteOptions::new().with_ttl(Ttl::seconds(10));
    /// assert!(session.set_with("cursor", &(7, 1), &brief).await?);
    /// # Ok(()) }
    /// ```
    pub async fn set_with<V>(&self, name: &str, value: &V, options: &WriteOptions) -> Result<bool>
    where
        V: Serialize + ?Sized,
    {
        self.access.set(self.place(name)?, value, options).await
    }

    /// Stores many values in one round trip. Where a name is wrong or a value cannot be encoded, none is sent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors); some of the values may have been stored then, as
    /// [`Error::may_have_applied`](cachekit_store::Error::may_have_applied) says.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// session.set_many(&[("line", 7), ("column", 1)]).await?;
    /// assert_eq!(session.get::<u32>("column").await?, Some(1));
    /// # Ok(()) }
    /// ```
    pub async fn set_many<V: Serialize>(&self, values: &[(impl AsRef<str>, V)]) -> Result<()> {
        self.set_many_with(values, &WriteOptions::new())
            .await
            .map(drop)
    }

    /// Stores many values with options of their own; answers for each whether it was written. Jitter is drawn for each.
    ///
    /// # Errors
    /// Those of [`set_many`](Self::set_many).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId, Ttl};
    /// # use cachekit_patterns::{LevelCaches, WriteOptions};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// let brief = WriteOptions::new().with_ttl(Ttl::seconds(10));
    /// assert_eq!(session.set_many_with(&[("line", 7)], &brief).await?, [true]);
    /// # Ok(()) }
    /// ```
    pub async fn set_many_with<V: Serialize>(
        &self,
        values: &[(impl AsRef<str>, V)],
        options: &WriteOptions,
    ) -> Result<Vec<bool>> {
        let places = values
            .iter()
            .map(|(name, _)| self.place(name.as_ref()))
            .collect::<Result<Vec<Place>>>()?;
        let values = values.iter().map(|(_, value)| value);
        self.access
            .set_many(places.into_iter().zip(values), options)
            .await
    }

    /// Removes a value; answers whether there was an entry.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// session.set("line", &7).await?;
    /// assert!(session.remove("line").await?);
    /// assert!(!session.remove("line").await?);
    /// # Ok(()) }
    /// ```
    pub async fn remove(&self, name: &str) -> Result<bool> {
        let key = self.key(name)?;
        let telling = self.announcer.as_ref();
        let telling = telling.and_then(|told| told.removal(|| Cleared::Keys(vec![key.clone()])));
        Telling::end(telling, self.access.remove(&key).await)
    }

    /// Removes many values in one round trip; answers how many entries there were.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// session.set("line", &7).await?;
    /// assert_eq!(session.remove_many(&["line", "column"]).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn remove_many(&self, names: &[impl AsRef<str>]) -> Result<u64> {
        let keys = self.keys(names)?;
        let telling = self.announcer.as_ref();
        let telling = telling.and_then(|told| told.removal(|| Cleared::Keys(keys.clone())));
        Telling::end(telling, self.access.remove_many(&keys).await)
    }

    /// What is left of an entry's life. Counts as no request.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::KeyExpiry;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// assert_eq!(session.expiry("line").await?, KeyExpiry::Missing);
    /// # Ok(()) }
    /// ```
    pub async fn expiry(&self, name: &str) -> Result<KeyExpiry> {
        let key = self.key(name)?;
        self.access.expiry(&key).await
    }

    /// The lifetime of entries, before jitter.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, Ttl};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// assert_eq!(levels.global().ttl(), Ttl::seconds(86_400));
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn ttl(&self) -> Ttl {
        self.access.lifetime().ttl
    }

    /// The key that a name stands for.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a wrong name.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// assert_eq!(session.key("line")?.as_str(), Some("session:abc123:line"));
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn key(&self, name: &str) -> Result<Key> {
        match &self.paths {
            Some(paths) => Ok(paths.key(name)?),
            None => Ok(self.place(name)?.0),
        }
    }

    /// What deletes from the same store.
    pub(super) fn invalidation(&self) -> Invalidation {
        let base = self.access.base();
        let invalidation = Invalidation::new(Arc::clone(&base.store), base.schema.clone());
        match &self.announcer {
            Some(announcer) => invalidation.with_announcer(announcer.clone()),
            None => invalidation,
        }
    }

    pub(super) fn place(&self, name: &str) -> Result<Place> {
        Ok(self.scope.place(&self.access.base().schema, name)?)
    }

    fn keys(&self, names: &[impl AsRef<str>]) -> Result<Vec<Key>> {
        names.iter().map(|name| self.key(name.as_ref())).collect()
    }
}
