//! Writing through the cache, to the database too.

use std::error::Error as StdError;

use cachekit_keys::KeyFamily;
use cachekit_store::Result;
use serde::{Serialize, de::DeserializeOwned};

use super::Cache;
use crate::{
    Persisted, ThroughOptions, Written,
    index::tag_roots,
    through::{self, Change, How, Persister, boxed, only},
};

impl<K, V> Cache<K, V>
where
    K: KeyFamily,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Writes a value to the database, by `persist`, and to the cache; see [`through`](crate::through) for what that means when
    /// one of the two fails.
    ///
    /// # Errors
    /// The database has not taken the value, or nobody knows:
    /// - [`WriteFailed`](cachekit_store::ErrorKind::WriteFailed) where the persister failed, panicked or took too long. The `source()` is its
    ///   error, as it was. The cache holds nothing, so that a load finds out.
    /// - Those of the [store](cachekit_store::Store), [`TooLarge`](cachekit_store::ErrorKind::TooLarge) and [`Encode`](cachekit_store::ErrorKind::Encode): the
    ///   persister was not called.
    /// - [`Closed`](cachekit_store::ErrorKind::Closed) after a shutdown.
    ///
    /// # Cancel safety
    /// A dropped call ends nothing: the write goes on.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::Written;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let save = || async { Ok::<_, std::io::Error>(()) }; // db.save(7).await
    /// assert!(matches!(cache.write_through(&key, &7, save).await?, Written::Stored));
    /// assert_eq!(cache.get(&key).await?, Some(7));
    /// # Ok(()) }
    /// ```
    pub async fn write_through<F, Fut, E>(&self, key: &K, value: &V, persist: F) -> Result<Written>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.write_through_with(key, value, &ThroughOptions::new(), persist)
            .await
    }

    /// The same with options of its own, such as the [order](crate::WriteOrder) of the two.
    ///
    /// # Errors
    /// Those of [`write_through`](Self::write_through), and [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for options out of their range
    /// and too many tags.
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::{ErrorKind, MemoryStore};
    /// use cachekit_patterns::{ThroughOptions, WriteOrder};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let options = ThroughOptions::new().with_order(WriteOrder::CacheFirst);
    /// let save = || async { Err(std::io::Error::other("the disk is full")) };
    /// let refused = cache.write_through_with(&key, &7, &options, save).await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::WriteFailed);
    /// assert_eq!(cache.get(&key).await?, None); // taken back
    /// # Ok(()) }
    /// ```
    pub async fn write_through_with<F, Fut, E>(
        &self,
        key: &K,
        value: &V,
        options: &ThroughOptions,
        persist: F,
    ) -> Result<Written>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let change = self.change(key, Some(value), options)?;
        self.through_one(change, options, boxed(persist)).await
    }

    /// Deletes a value from the database, by `persist`, and from the cache.
    ///
    /// # Errors
    /// Those of [`write_through`](Self::write_through).
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let delete = || async { Ok::<_, std::io::Error>(()) };
    /// assert!(cache.delete_through(&key, delete).await?.is_settled());
    /// # Ok(()) }
    /// ```
    pub async fn delete_through<F, Fut, E>(&self, key: &K, persist: F) -> Result<Written>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.delete_through_with(key, &ThroughOptions::new(), persist)
            .await
    }

    /// The same with options of its own. The order makes no difference here, nor does what concerns entries.
    ///
    /// # Errors
    /// Those of [`write_through_with`](Self::write_through_with).
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// See [`delete_through`](Self::delete_through).
    pub async fn delete_through_with<F, Fut, E>(
        &self,
        key: &K,
        options: &ThroughOptions,
        persist: F,
    ) -> Result<Written>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let change = self.change(key, None, options)?;
        self.through_one(change, options, boxed(persist)).await
    }

    /// Writes many values with one call of the persister and as many round trips to the cache as for one; answers for each, in
    /// their order. The persister is given the values back, and answers `()` where it has taken all, or for each: what it has not taken
    /// is not cached.
    ///
    /// # Errors
    /// Of the call as a whole, where the persister was not called: those of [`write_through_with`](Self::write_through_with), and
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a key that comes twice. What the persister did not take is the outcome of a
    /// key: [`WriteFailed`](cachekit_store::ErrorKind::WriteFailed), with its error as the source.
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use std::io;
    ///
    /// use cachekit_patterns::ThroughOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let project = ProjectId::new("proj456")?;
    /// let (tree, issues) = (ProjectKey::file_tree(project.clone()), ProjectKey::recent_issues(project));
    /// let outcomes = cache
    ///     .write_many_through(vec![(tree.clone(), 1), (issues.clone(), 2)], &ThroughOptions::new(), |values| async move {
    ///         let rows = values.into_iter().map(|(_, value)| match value {
    ///             1 => Ok(()),
    ///             _ => Err(io::Error::other("the row is locked")),
    ///         });
    ///         Ok::<_, io::Error>(rows.collect::<Vec<_>>())
    ///     })
    ///     .await?;
    /// assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    /// assert_eq!(cache.get_many(&[tree, issues]).await?, [Some(1), None]);
    /// # Ok(()) }
    /// ```
    pub async fn write_many_through<F, Fut, T, E>(
        &self,
        values: Vec<(K, V)>,
        options: &ThroughOptions,
        persist: F,
    ) -> Result<Vec<Result<Written>>>
    where
        K: Send + 'static,
        F: FnOnce(Vec<(K, V)>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Persisted<E>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let changes = values
            .iter()
            .map(|(key, value)| self.change(key, Some(value), options));
        let changes: Vec<Change> = changes.collect::<Result<_>>()?;
        let persister: Persister = Box::new(move || {
            Box::pin(async move {
                let persisted = persist(values).await.map_err(Into::into)?;
                Ok(persisted.into().boxed())
            })
        });
        self.through(changes, options, persister).await
    }

    /// Writes a value to the cache, and asks `queue` to see to the database: the specification's write-behind, for those who have a
    /// message broker. [`WriteBehind`](crate::WriteBehind) needs none, and keeps writes in order.
    ///
    /// Where the queue has taken the value, the cache holds it ([`Written::Stored`]), or what another has written or removed since
    /// ([`Written::Uncached`]). Where it has not, the value is taken back, if it is still there. Until the queue has answered, the
    /// value lives for no longer than the time-out, so that a process which dies in between leaves none for long that nobody will
    /// persist. Two writers of one key at the same time may reach the queue in another order than the cache, and a value that is
    /// loaded before the broker has brought the new one to the database is the old one: both are for the broker to prevent.
    ///
    /// # Errors
    /// [`WriteFailed`](cachekit_store::ErrorKind::WriteFailed) where the queue failed, panicked or took too long, with its error as the `source()`.
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) on a store that runs no scripts. Else those of
    /// [`write_through_with`](Self::write_through_with), where the queue was not called. The order of the options makes no
    /// difference.
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::ThroughOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let (broker, mut queued) = tokio::sync::mpsc::channel(100);
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let written = cache
    ///     .write_queued(key.clone(), 7, &ThroughOptions::new(), |key, value| async move { broker.send((key, value)).await })
    ///     .await?;
    /// assert!(written.is_settled());
    /// assert_eq!(queued.recv().await, Some((key, 7)));
    /// # Ok(()) }
    /// ```
    pub async fn write_queued<F, Fut, E>(
        &self,
        key: K,
        value: V,
        options: &ThroughOptions,
        queue: F,
    ) -> Result<Written>
    where
        K: Send + 'static,
        F: FnOnce(K, V) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let change = self.change(&key, Some(&value), options)?;
        let entry = self.with_tags(&key, &options.entry)?.into_owned();
        let queue = boxed(move || queue(key, value));
        let (access, how) = (self.access.clone(), self.how(options));
        through::write_queued(access, &self.tasks, change, entry, how, queue).await
    }

    /// # Errors
    /// Those of the options and of encoding.
    fn change(&self, key: &K, value: Option<&V>, options: &ThroughOptions) -> Result<Change> {
        options.check()?;
        let tags = self.tags_of(key, &options.entry.tags)?;
        let tags = tag_roots(self.access.base(), &tags)?;
        Change::of(&self.access, self.place(key), tags, value, &options.entry)
    }

    fn how(&self, options: &ThroughOptions) -> How {
        let policy = self.engine.policy();
        let longest = ThroughOptions::MAX_TIMEOUT;
        How {
            order: options.order,
            timeout: options.timeout.unwrap_or(policy.hard_timeout.min(longest)),
            lease_ttl: policy.lease_ttl,
            without_cache: options.without_cache,
        }
    }

    async fn through(
        &self,
        changes: Vec<Change>,
        options: &ThroughOptions,
        persister: Persister,
    ) -> Result<Vec<Result<Written>>> {
        let access = self.access.clone();
        let (announcer, how) = (self.announcer.clone(), self.how(options));
        through::write(access, announcer, &self.tasks, changes, how, persister).await
    }

    async fn through_one(
        &self,
        change: Change,
        options: &ThroughOptions,
        persister: Persister,
    ) -> Result<Written> {
        let written = self.through(vec![change], options, persister).await?;
        only(written)
    }
}
