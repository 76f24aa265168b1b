//! Writing through a level's handle, to the database too.

use std::error::Error as StdError;

use cachekit_store::Result;
use serde::Serialize;

use super::{handle::LevelCache, scope::Scope};
use crate::{
    Persisted, ThroughOptions, Written,
    index::tag_roots,
    load::Policy,
    through::{self, Change, How, Persister, boxed, only},
};

impl<S: Scope> LevelCache<S> {
    /// Writes a value to the database, by `persist`, and to the cache; see [`through`](crate::through) for what that means when
    /// one of the two fails.
    ///
    /// # Errors
    /// Those of [`Cache::write_through`](crate::Cache::write_through), and
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a wrong name.
    ///
    /// # Cancel safety
    /// A dropped call ends nothing: the write goes on.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let save = || async { Ok::<_, std::io::Error>(()) };
    /// let written = project.write_through("file_tree", &["src/main.rs"], save).await?;
    /// assert!(written.is_settled());
    /// # Ok(()) }
    /// ```
    pub async fn write_through<V, F, Fut, E>(
        &self,
        name: &str,
        value: &V,
        persist: F,
    ) -> Result<Written>
    where
        V: Serialize + ?Sized,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.write_through_with(name, value, &ThroughOptions::new(), persist)
            .await
    }

    /// The same with options of its own, such as the [order](crate::WriteOrder) of the two.
    ///
    /// # Errors
    /// Those of [`Cache::write_through_with`](crate::Cache::write_through_with), and
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a wrong name.
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{ThroughOptions, WriteOrder};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let options = ThroughOptions::new().with_order(WriteOrder::CacheFirst);
    /// let save = || async { Ok::<_, std::io::Error>(()) };
    /// let written = project.write_through_with("file_tree", &["src/main.rs"], &options, save).await?;
    /// assert!(written.is_settled());
    /// # Ok(()) }
    /// ```
    pub async fn write_through_with<V, F, Fut, E>(
        &self,
        name: &str,
        value: &V,
        options: &ThroughOptions,
        persist: F,
    ) -> Result<Written>
    where
        V: Serialize + ?Sized,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let change = self.change(name, Some(value), options)?;
        let written = self.through(vec![change], options, boxed(persist)).await?;
        only(written)
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
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let delete = || async { Ok::<_, std::io::Error>(()) };
    /// assert!(project.delete_through("file_tree", delete).await?.is_settled());
    /// # Ok(()) }
    /// ```
    pub async fn delete_through<F, Fut, E>(&self, name: &str, persist: F) -> Result<Written>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let options = ThroughOptions::new();
        let change = self.change::<()>(name, None, &options)?;
        let written = self.through(vec![change], &options, boxed(persist)).await?;
        only(written)
    }

    /// Writes many values of one type with one call of the persister; answers for each, as
    /// [`Cache::write_many_through`](crate::Cache::write_many_through) does.
    ///
    /// # Errors
    /// Those of [`Cache::write_many_through`](crate::Cache::write_many_through), and
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a wrong name.
    ///
    /// # Cancel safety
    /// As [`write_through`](Self::write_through).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::ThroughOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// let save = || async { Ok::<_, std::io::Error>(()) }; // all of it, in one transaction
    /// let places = [("line", 7), ("column", 1)];
    /// let written = session.write_many_through(&places, &ThroughOptions::new(), save).await?;
    /// assert!(written.iter().all(Result::is_ok));
    /// # Ok(()) }
    /// ```
    pub async fn write_many_through<V, F, Fut, T, E>(
        &self,
        values: &[(impl AsRef<str>, V)],
        options: &ThroughOptions,
        persist: F,
    ) -> Result<Vec<Result<Written>>>
    where
        V: Serialize,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Persisted<E>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let changes = values
            .iter()
            .map(|(name, value)| self.change(name.as_ref(), Some(value), options));
        let changes = changes.collect::<Result<_>>()?;
        let persister: Persister = Box::new(move || {
            Box::pin(async move {
                let persisted = persist().await.map_err(Into::into)?;
                Ok(persisted.into().boxed())
            })
        });
        self.through(changes, options, persister).await
    }

    fn change<V: Serialize + ?Sized>(
        &self,
        name: &str,
        value: Option<&V>,
        options: &ThroughOptions,
    ) -> Result<Change> {
        options.check()?;
        let tags = tag_roots(self.access.base(), &options.entry.tags)?;
        Change::of(&self.access, self.place(name)?, tags, value, &options.entry)
    }

    async fn through(
        &self,
        changes: Vec<Change>,
        options: &ThroughOptions,
        persister: Persister,
    ) -> Result<Vec<Result<Written>>> {
        let policy = Policy::default();
        let how = How {
            order: options.order,
            timeout: options.timeout.unwrap_or(policy.hard_timeout),
            lease_ttl: policy.lease_ttl,
            without_cache: options.without_cache,
        };
        let (access, announcer) = (self.access.clone(), self.announcer.clone());
        through::write(access, announcer, &self.tasks, changes, how, persister).await
    }
}
