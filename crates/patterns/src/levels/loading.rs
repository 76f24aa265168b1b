//! Reading through a level's handle: a value from the store, or from the loader.

use std::{collections::HashMap, error::Error as StdError};

use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{handle::LevelCache, scope::Scope};
use crate::{
    Cached, LoadContext, LoadOptions, Loaded,
    index::{Place, tag_roots},
    load::{Request, Slot, many_loader},
};

impl<S: Scope> LevelCache<S> {
    /// Reads a value, or loads and stores it. Of all callers in all processes one runs its loader, and the others are given
    /// what it loaded; what was invalidated while a loader runs does not come back. See [`load`](crate::load).
    ///
    /// [`Cache::get_or_load`](crate::Cache::get_or_load) does the same for values of one type, with options for serving stale
    /// values and for refreshing.
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`](crate::Cache::get_or_load), and [`InvalidInput`](ErrorKind::InvalidInput) for a wrong
    /// name.
    ///
    /// # Cancel safety
    /// A dropped call ends no load: the load goes on, and stores its value.
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
    /// let tree = project
    ///     .get_or_load("file_tree", || async { Ok::<_, std::io::Error>(vec!["src/main.rs".to_owned()]) })
    ///     .await?;
    /// assert_eq!(project.get::<Vec<String>>("file_tree").await?, Some(tree));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load<V, F, Fut, T, E>(&self, name: &str, loader: F) -> Result<V>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let place = self.place(name)?;
        let key = place.0.clone();
        let options = LoadOptions::new();
        let cached = self.fetch_at(place, &options, |_| loader());
        value(&key, cached.await?)
    }

    /// Reads or loads a value with options of its own and a loader that is told the key, and tells where the value comes from.
    /// That there is none is a value here and no error.
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
    /// # use cachekit_keys::{KeySchema, Ttl};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{Cached, LoadOptions, Origin};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let brief = LoadOptions::new().with_ttl(Ttl::seconds(30));
    /// let global = levels.global();
    /// let ask = || global.fetch_with("provider:openai:health_status", &brief, |_| async { Ok::<_, std::io::Error>("up".to_owned()) });
    /// let (first, second): (Cached<String>, Cached<String>) = (ask().await?, ask().await?);
    /// assert_eq!((first.origin, second.origin), (Origin::Loaded, Origin::Fresh));
    /// # Ok(()) }
    /// ```
    pub async fn fetch_with<V, F, Fut, T, E>(
        &self,
        name: &str,
        options: &LoadOptions,
        loader: F,
    ) -> Result<Cached<V>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.fetch_at(self.place(name)?, options, loader).await
    }

    /// Reads or loads a value, and tells where it comes from: [`fetch_with`](Self::fetch_with) without options.
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
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::Cached;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let session = levels.session(&SessionId::new("abc123")?);
    /// let seen: Cached<u32> = session.fetch("count", || async { Ok::<_, std::io::Error>(None) }).await?;
    /// assert!(seen.is_negative());
    /// # Ok(()) }
    /// ```
    pub async fn fetch<V, F, Fut, T, E>(&self, name: &str, loader: F) -> Result<Cached<V>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let options = LoadOptions::new();
        self.fetch_with(name, &options, |_| loader()).await
    }

    /// Reads many values, and loads those that are missing with one call of the loader, which is told their names; answers for
    /// each name, in their order. As [`Cache::get_or_load_many`](crate::Cache::get_or_load_many).
    ///
    /// # Errors
    /// Of the call as a whole: [`InvalidInput`](ErrorKind::InvalidInput) for a wrong name. All else is the outcome of a name, and
    /// as in [`get_or_load`](Self::get_or_load) without `NotFound`.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use std::collections::HashMap;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// project.set("lines:a.rs", &1).await?;
    /// let count = |missing: Vec<String>| async move {
    ///     let lines = missing.into_iter().map(|name| (name, 2));
    ///     Ok::<_, std::io::Error>(lines.collect::<HashMap<_, _>>())
    /// };
    /// let lines = project.get_or_load_many(&["lines:a.rs", "lines:b.rs"], count).await?;
    /// let lines = lines.into_iter().map(|answer| answer.map(|cached| cached.value));
    /// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, [Some(1), Some(2)]);
    /// # Ok(()) }
    /// ```
    pub async fn get_or_load_many<V, F, Fut, T, E>(
        &self,
        names: &[impl AsRef<str>],
        loader: F,
    ) -> Result<Vec<Result<Cached<V>>>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(Vec<String>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<String, T>, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let options = LoadOptions::new();
        self.get_or_load_many_with(names, &options, loader).await
    }

    /// [`get_or_load_many`](Self::get_or_load_many) with options of the call, which hold for each of its names.
    ///
    /// # Errors
    /// Those of [`get_or_load_many`](Self::get_or_load_many), and [`InvalidInput`](ErrorKind::InvalidInput) for too many tags.
    ///
    /// # Cancel safety
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Examples
    /// See [`get_or_load_many`](Self::get_or_load_many) and [`fetch_with`](Self::fetch_with).
    pub async fn get_or_load_many_with<V, F, Fut, T, E>(
        &self,
        names: &[impl AsRef<str>],
        options: &LoadOptions,
        loader: F,
    ) -> Result<Vec<Result<Cached<V>>>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(Vec<String>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<String, T>, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let places = names.iter().map(|name| self.place(name));
        let places: Vec<Place> = places.collect::<Result<_>>()?;
        let keys: Vec<Key> = places.iter().map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.access.base().check_codec(options.codec)?;
        let tags = tag_roots(self.access.base(), &options.tags)?;
        let engine = self.engines.of::<V>(S::LEVEL, &self.access);
        let policy = engine.policy();
        let request = |index: usize, loader| {
            let (place, tags) = (places[index].clone(), tags.clone());
            Ok(Request::new(place, tags, options, policy, loader))
        };
        let loader = many_loader(names, loader);
        let fetch = engine.fetch_many(&self.tasks, &keys, options, loader, request);
        fetch.await
    }

    pub(super) async fn fetch_at<V, F, Fut, T, E>(
        &self,
        (key, roots): Place,
        options: &LoadOptions,
        loader: F,
    ) -> Result<Cached<V>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let engine = self.engines.of::<V>(S::LEVEL, &self.access);
        let stored = key.clone();
        let request = || {
            self.access.base().check_codec(options.codec)?;
            let tags = tag_roots(self.access.base(), &options.tags)?;
            let (place, loader) = ((key, roots), Slot::new(loader));
            Ok(Request::new(place, tags, options, engine.policy(), loader))
        };
        engine.fetch(&self.tasks, &stored, options, request).await
    }
}

/// The value of an answer.
pub(super) fn value<V>(key: &Key, cached: Cached<V>) -> Result<V> {
    cached.value.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "load")
            .with_detail("it is known that there is no such value")
            .with_key(key)
    })
}
