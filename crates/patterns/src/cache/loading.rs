//! Reading through the cache: a value from the store, or from the loader.

use std::{collections::HashMap, error::Error as StdError, hash::Hash};

use cachekit_keys::{KeyFamily, Tag};
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::Cache;
use crate::{
    Cached, LoadContext, LoadOptions, Loaded,
    index::{Place, tag_roots},
    load::{Request, Slot, many_loader},
};

impl<K, V> Cache<K, V>
where
    K: KeyFamily,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Reads a value, or loads and stores it. Of all callers in all processes one runs its loader, and the others are given
    /// what it loaded; see [`load`](crate::load) for what that means when something fails.
    ///
    /// # Errors
    /// - [`NotFound`](ErrorKind::NotFound) where it is known that there is no value; [`fetch`](Self::fetch) tells that as a
    ///   value.
    /// - [`LoadFailed`](ErrorKind::LoadFailed) where the loader failed, panicked or took too long, and nothing stale can be
    ///   served. The `source()` is the loader's error, as it was.
    /// - [`Timeout`](ErrorKind::Timeout) where another caller's or process's load took longer than this call waits, which is
    ///   the hard time-out. The load goes on.
    /// - [`Overloaded`](ErrorKind::Overloaded) where the store is away and too many loads wait, or more than
    ///   [may](crate::CacheBuilder::max_concurrent_loads) in any case.
    /// - [`Encode`](ErrorKind::Encode) for a value that cannot be stored at all; one that is too large is served uncached.
    /// - [`Closed`](ErrorKind::Closed) after a shutdown.
    /// - Those of the [store](cachekit_store::Store) that waiting would not mend, such as
    ///   [`WrongType`](ErrorKind::WrongType).
    ///
    /// # Cancel safety
    /// A dropped call ends no load: the load goes on, and stores its value.
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
    /// let tree = cache.get_or_load(&key, || async { Ok::<_, std::io::Error>(7) }).await?;
    /// assert_eq!(tree, 7);
    /// assert_eq!(cache.get(&key).await?, Some(7));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load<F, Fut, T, E>(&self, key: &K, loader: F) -> Result<V>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.get_or_load_with(key, &LoadOptions::new(), |_| loader())
            .await
    }

    /// Reads or loads a value with options of its own, and a loader that is told the key and the value to be replaced.
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load), and [`InvalidInput`](ErrorKind::InvalidInput) for too many tags.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{LoadContext, LoadOptions, Loaded};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let options = LoadOptions::new().with_ttl(Ttl::seconds(30));
    /// let tree = cache
    ///     .get_or_load_with(&key, &options, |load: LoadContext<String>| async move {
    ///         Ok::<_, std::io::Error>(match load.stale() {
    ///             Some(_) => Loaded::not_modified(), // the origin said so
    ///             None => Loaded::value(format!("the value of {}", load.key())),
    ///         })
    ///     })
    ///     .await?;
    /// assert_eq!(tree, "the value of project:proj456:file_tree");
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load_with<F, Fut, T, E>(
        &self,
        key: &K,
        options: &LoadOptions,
        loader: F,
    ) -> Result<V>
    where
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let cached = self.fetch_with(key, options, loader).await?;
        cached.value.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "load")
                .with_detail("it is known that there is no such value")
                .with_key(&self.key(key))
        })
    }

    /// Reads or loads a value, and tells where it comes from. That there is none is a value here and no error.
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load) without `NotFound`.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::Origin;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let loader = || async { Ok::<_, std::io::Error>(None) }; // the origin has none
    /// let first = cache.fetch(&key, loader).await?;
    /// let second = cache.fetch(&key, loader).await?;
    /// assert!(first.is_negative() && second.is_negative());
    /// assert_eq!((first.origin, second.origin), (Origin::Loaded, Origin::Fresh));
    /// # Ok(()) }
    /// ```
    pub async fn fetch<F, Fut, T, E>(&self, key: &K, loader: F) -> Result<Cached<V>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.fetch_with(key, &LoadOptions::new(), |_| loader())
            .await
    }

    /// [`fetch`](Self::fetch) with the options and the loader of [`get_or_load_with`](Self::get_or_load_with).
    ///
    /// # Errors
    /// Those of [`get_or_load_with`](Self::get_or_load_with) without `NotFound`.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// See [`get_or_load_with`](Self::get_or_load_with) and [`fetch`](Self::fetch).
    pub async fn fetch_with<F, Fut, T, E>(
        &self,
        key: &K,
        options: &LoadOptions,
        loader: F,
    ) -> Result<Cached<V>>
    where
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let request = || self.request(key, options, loader);
        let stored = self.key(key);
        self.engine
            .fetch(&self.tasks, &stored, options, request)
            .await
    }

    /// Reads many values, and loads those that are missing with one call of the loader; answers for each key, in their order.
    ///
    /// The keys are read in one round trip and the missing ones' leases taken in another. The loader is called once, with just
    /// the keys whose leases this call got; what it leaves out of its map does not exist, and is stored as
    /// [negative](Loaded::negative). Keys that others are loading are waited for. The loader is called again, for the keys
    /// concerned, only where such another fails, or what it loaded was invalidated meanwhile; therefore it is a `Fn`, which clones
    /// what it needs into each future. An error of it fails the keys that it was called for; an entry of its map that is an
    /// [error](Loaded::failed) fails that key alone.
    ///
    /// # Errors
    /// Of the call as a whole: [`InvalidInput`](ErrorKind::InvalidInput) where the cache declares too many tags. All else is
    /// the outcome of a key, and as in [`get_or_load`](Self::get_or_load) without `NotFound`.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use std::collections::HashMap;
    ///
    /// use cachekit_patterns::Loaded;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let project = ProjectId::new("proj456")?;
    /// let keys = [ProjectKey::file_tree(project.clone()), ProjectKey::recent_issues(project)];
    /// cache.set(&keys[0], &1).await?;
    /// let values = cache
    ///     .get_or_load_many(&keys, |missing: Vec<ProjectKey>| async move {
    ///         let values = missing.into_iter().map(|key| (key, Loaded::value(2)));
    ///         Ok::<_, std::io::Error>(values.collect::<HashMap<_, _>>())
    ///     })
    ///     .await?;
    /// assert_eq!(values[0].as_ref().unwrap().value, Some(1));
    /// assert_eq!(values[1].as_ref().unwrap().value, Some(2));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load_many<F, Fut, T, E>(
        &self,
        keys: &[K],
        loader: F,
    ) -> Result<Vec<Result<Cached<V>>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, T>, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.get_or_load_many_with(keys, &LoadOptions::new(), loader)
            .await
    }

    /// [`get_or_load_many`](Self::get_or_load_many) with options of the call, which hold for each of its keys.
    ///
    /// # Errors
    /// Those of [`get_or_load_many`](Self::get_or_load_many), and [`InvalidInput`](ErrorKind::InvalidInput) for too many tags.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use std::collections::HashMap;
    ///
    /// use cachekit_patterns::LoadOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let keys = ["a", "b"].map(|id| ProjectKey::file_tree(ProjectId::new(id).unwrap()));
    /// let options = LoadOptions::new().with_ttl(Ttl::seconds(30));
    /// let values = cache
    ///     .get_or_load_many_with(&keys, &options, |missing: Vec<ProjectKey>| async move {
    ///         // One row is there and another one cannot be read: that fails its key alone.
    ///         let rows = missing.into_iter().map(|key| match key.project().as_encoded() {
    ///             "a" => (key, Ok(1)),
    ///             _ => (key, Err("locked")),
    ///         });
    ///         Ok::<_, std::io::Error>(rows.collect::<HashMap<_, _>>())
    ///     })
    ///     .await?;
    /// assert!(values[0].is_ok() && values[1].is_err());
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load_many_with<F, Fut, T, E>(
        &self,
        keys: &[K],
        options: &LoadOptions,
        loader: F,
    ) -> Result<Vec<Result<Cached<V>>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, T>, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.keys(keys);
        let loader = many_loader(keys.to_vec(), loader);
        let request = |place: usize, loader| {
            let tags = self.tags_of(&keys[place], &options.tags)?;
            self.request_of(self.place(&keys[place]), tags, options, loader)
        };
        let fetch = self
            .engine
            .fetch_many(&self.tasks, &stored, options, loader, request);
        fetch.await
    }

    fn request<F, Fut, T, E>(&self, key: &K, options: &LoadOptions, loader: F) -> Result<Request<V>>
    where
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let tags = self.tags_of(key, &options.tags)?;
        self.request_at(self.place(key), tags, options, loader)
    }

    pub(crate) fn request_at<F, Fut, T, E>(
        &self,
        place: Place,
        tags: Vec<Tag>,
        options: &LoadOptions,
        loader: F,
    ) -> Result<Request<V>>
    where
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.request_of(place, tags, options, Slot::new(loader))
    }

    pub(crate) fn request_of(
        &self,
        place: Place,
        tags: Vec<Tag>,
        options: &LoadOptions,
        loader: Slot<V>,
    ) -> Result<Request<V>> {
        self.access.base().check_codec(options.codec)?;
        let tags = tag_roots(self.access.base(), &tags)?;
        let policy = self.engine.policy();
        Ok(Request::new(place, tags, options, policy, loader))
    }
}
