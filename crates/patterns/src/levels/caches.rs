//! Where the handles come from.

use std::sync::Arc;

use cachekit_keys::{Jitter, KeyFamily, KeySchema, LevelTtls, ProjectId, SessionId};
use cachekit_store::{Store, Tasks};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    builder::LevelCachesBuilder,
    engines::Engines,
    global::GlobalCache,
    handle::LevelCache,
    project::ProjectCache,
    scope::{GlobalScope, Scope},
    session::SessionCache,
};
use crate::{
    Announcer, Cache, CacheBuilder, CacheCounts, Invalidation,
    access::{Access, Base},
    options::Lifetime,
};

/// The three levels over one store, with one schema, format and set of lifetimes. Cheap to clone.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, SessionId};
/// use cachekit_patterns::LevelCaches;
/// use cachekit_store::{Error, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
/// levels.session(&SessionId::new("abc123")?).get::<String>("current_file").await?;
/// assert_eq!(levels.counts().misses, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct LevelCaches {
    base: Arc<Base>,
    ttls: LevelTtls,
    jitter: Jitter,
    tasks: Tasks,
    announcer: Option<Announcer>,
    engines: Arc<Engines>,
}

impl LevelCaches {
    pub(super) fn new(
        base: Arc<Base>,
        ttls: LevelTtls,
        jitter: Jitter,
        tasks: Tasks,
        announcer: Option<Announcer>,
    ) -> Self {
        Self {
            base,
            ttls,
            jitter,
            tasks,
            announcer,
            engines: Arc::default(),
        }
    }

    /// Starts the levels over `store`, with keys as `schema` names them.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn builder(store: Arc<dyn Store>, schema: KeySchema) -> LevelCachesBuilder {
        LevelCachesBuilder::new(store, schema)
    }

    /// The cache of one session.
    ///
    /// # Examples
    /// See [`SessionCache`].
    #[must_use]
    pub fn session(&self, id: &SessionId) -> SessionCache {
        self.level(id.clone())
    }

    /// The cache of one project.
    ///
    /// # Examples
    /// See [`ProjectCache`].
    #[must_use]
    pub fn project(&self, id: &ProjectId) -> ProjectCache {
        self.level(id.clone())
    }

    /// The cache that everyone shares.
    ///
    /// # Examples
    /// See [`GlobalCache`].
    #[must_use]
    pub fn global(&self) -> GlobalCache {
        self.level(GlobalScope)
    }

    /// Starts a typed cache with these levels' store, schema, format, lifetimes and jitter. It counts on its own and also
    /// [here](Self::counts).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let trees = levels.cache::<ProjectKey, Vec<String>>().build()?;
    /// trees.get(&ProjectKey::file_tree(ProjectId::new("proj456")?)).await?;
    /// assert_eq!((trees.counts().misses, levels.counts().misses), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn cache<K, V>(&self) -> CacheBuilder<K, V>
    where
        K: KeyFamily,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let builder = Cache::builder(Arc::clone(&self.base.store), self.base.schema.clone());
        let builder = match &self.announcer {
            Some(announcer) => builder.announcer(announcer.clone()),
            None => builder,
        };
        builder
            .ttl(self.ttls.of(K::LEVEL))
            .jitter(self.jitter)
            .format(self.base.format.clone())
            .counters(self.base.counters.part())
            .observers(self.base.observers.clone())
            .tasks(self.tasks.clone())
    }

    /// Deletes what belongs together in these levels' store, within their schema, and listens to announcements of that.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// assert_eq!(levels.invalidation().delete_by_pattern("project:proj456:*").await?, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn invalidation(&self) -> Invalidation {
        let store = Arc::clone(&self.base.store);
        let invalidation = Invalidation::new(store, self.base.schema.clone());
        match &self.announcer {
            Some(announcer) => invalidation.with_announcer(announcer.clone()),
            None => invalidation,
        }
    }

    /// Hits and misses of all handles made here, and of the typed caches started here.
    ///
    /// # Examples
    /// See [`LevelCaches`].
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.base.counters.snapshot()
    }

    fn level<S: Scope>(&self, scope: S) -> LevelCache<S> {
        let mut lifetime = Lifetime::new(self.ttls.of(S::LEVEL), self.jitter);
        lifetime.may_have_header = !self.base.format.is_plain();
        LevelCache {
            access: Access::new(Arc::clone(&self.base), lifetime, S::LEVEL.as_str()),
            paths: scope.paths(&self.base.schema),
            scope,
            announcer: self.announcer.clone(),
            tasks: self.tasks.clone(),
            engines: Arc::clone(&self.engines),
        }
    }
}
