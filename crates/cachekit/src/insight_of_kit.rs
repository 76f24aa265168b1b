//! The fleet's hit rates and the hot keys of a kit.

use std::sync::Arc;

use cachekit_insight::{CacheStats, HitOptions, HitRange, HitTracker, HotKey, HotKeys};
use cachekit_keys::{KeyFamily, KeySchema};
#[cfg(feature = "patterns")]
use cachekit_patterns::{Cache, KeepWarm, Loaded};
use cachekit_store::{
    CacheReads, Error, ErrorKind, Event, Observer, Observers, Result, Store, Tasks,
};
#[cfg(feature = "patterns")]
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Handle;

use crate::CacheKit;

/// What a kit listens with.
#[derive(Clone, Debug)]
pub(crate) struct Insight {
    hits: HitTracker,
    hot_keys: Option<HotKeys>,
    /// Those who are told what is reported by hand.
    by_hand: Observers,
}

impl Insight {
    /// What a kit listens with, and those whom its caches are to tell.
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        schema: &KeySchema,
        options: Option<HitOptions>,
        hot_keys: Option<HotKeys>,
        observers: &Observers,
        tasks: &Tasks,
    ) -> Result<(Self, Observers)> {
        let (store, schema) = (Arc::clone(store), schema.clone());
        let (hits, flusher) = HitTracker::new(store, schema, options.unwrap_or_default());
        let mut others = observers.clone();
        if let Some(hot_keys) = &hot_keys {
            others = others.with(Arc::new(hot_keys.clone()));
        }
        let by_hand = others.clone().with(Arc::new(hits.clone()));
        let of_caches = match options {
            None => others,
            Some(_) => {
                if Handle::try_current().is_err() {
                    return Err(Error::new(ErrorKind::Configuration, "track hits")
                        .with_detail("there is no tokio runtime to flush them on"));
                }
                tasks.spawn_until_stopped("flush hit counts", |stop| flusher.run(stop))?;
                by_hand.clone()
            }
        };
        let insight = Self {
            hits,
            hot_keys,
            by_hand,
        };
        Ok((insight, of_caches))
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        self.hits.flush().await
    }
}

impl CacheKit {
    /// The hits and misses of the fleet in the last 24 hours: of all services on this server and in this namespace that
    /// [track hits](crate::CacheKitBuilder::track_hits).
    ///
    /// What this process has counted until now is in it, what the others have counted up to one interval ago.
    ///
    /// # Errors
    /// Those of [`HitTracker::stats_of`].
    ///
    /// # Examples
    /// ```
    /// # #[cfg(not(feature = "patterns"))] fn main() {}
    /// # #[cfg(feature = "patterns")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use cachekit::{CacheKit, HitOptions, SessionId};
    ///
    /// let kit = CacheKit::builder().track_hits(HitOptions::new()).build()?;
    /// let session = kit.session(&SessionId::new("abc123")?);
    /// session.set("line", &7).await?;
    /// session.get::<u32>("line").await?;
    /// session.get::<u32>("column").await?;
    ///
    /// let stats = kit.cache_stats().await?;
    /// assert_eq!((stats.total_hits, stats.total_misses, stats.hit_rate), (1, 1, Some(0.5)));
    /// # Ok(()) }
    /// ```
    pub async fn cache_stats(&self) -> Result<CacheStats> {
        self.insight.hits.stats().await
    }

    /// The same of a range of hours.
    ///
    /// # Errors
    /// Those of [`HitTracker::stats_of`].
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use cachekit::{CacheKit, HitRange};
    ///
    /// let stats = CacheKit::memory().cache_stats_of(HitRange::today()).await?;
    /// assert_eq!(stats.hit_rate, None);
    /// # Ok(()) }
    /// ```
    pub async fn cache_stats_of(&self, range: HitRange) -> Result<CacheStats> {
        self.insight.hits.stats_of(range).await
    }

    /// Counts a hit of a cache that is not the kit's, and tells the observers of the kit.
    ///
    /// It works without [`track_hits`](crate::CacheKitBuilder::track_hits), but then reaches the fleet's numbers only with
    /// [`cache_stats`](Self::cache_stats) and at the shutdown.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use cachekit::{CacheKit, ProjectId, ProjectKey};
    ///
    /// let kit = CacheKit::memory();
    /// let tree = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// kit.track_cache_hit(&tree);
    /// kit.track_cache_miss(&tree);
    /// assert_eq!(kit.cache_stats().await?.total_requests, 2);
    /// # Ok(()) }
    /// ```
    pub fn track_cache_hit<K: KeyFamily>(&self, key: &K) {
        self.track(key, CacheReads::hits(1));
    }

    /// Counts a miss likewise.
    ///
    /// # Examples
    /// See [`track_cache_hit`](Self::track_cache_hit).
    pub fn track_cache_miss<K: KeyFamily>(&self, key: &K) {
        self.track(key, CacheReads::misses(1));
    }

    fn track<K: KeyFamily>(&self, key: &K, reads: CacheReads) {
        let keys = [self.schema.key(key)];
        let event = Event::cache_read(K::name(), &keys, reads);
        self.insight.by_hand.observe(&event);
    }

    /// The keys of a family that this process asks for most, the hottest first, at most `n`; none where nobody
    /// [watches](crate::CacheKitBuilder::watch_hot_keys).
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use cachekit::{CacheKit, HotKeys, ProjectId, ProjectKey};
    ///
    /// let every_read = HotKeys::builder().sample(1).build();
    /// let kit = CacheKit::builder().watch_hot_keys(every_read).build()?;
    /// let tree = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// kit.track_cache_hit(&tree);
    ///
    /// let hottest = kit.hot_keys::<ProjectKey>(10);
    /// assert_eq!(kit.schema().parse::<ProjectKey>(&hottest[0].key)?, tree);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn hot_keys<K: KeyFamily>(&self, n: usize) -> Vec<HotKey> {
        let hot_keys = self.insight.hot_keys.as_ref();
        hot_keys.map_or_else(Vec::new, |hot_keys| hot_keys.hottest(K::name(), n))
    }

    /// A worker that keeps the keys in `cache` that this process asks for most: it loads them before they expire, and puts them
    /// back after a flush. Nothing is spawned: run it on [`tasks`](Self::tasks).
    ///
    /// Which keys are hot is told by the reads under the cache's [name](Cache::name). One that shares its family with other
    /// caches, or with level handles, needs a name of its own (`.named("trees")`), or its loader would be asked for their keys too.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) where nobody [watches](crate::CacheKitBuilder::watch_hot_keys) for hot keys.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, HotKeys, ProjectKey};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::builder().watch_hot_keys(HotKeys::new()).build()?;
    /// let trees = kit.cache::<ProjectKey, u32>().named("trees").build()?;
    /// let worker = kit.keep_warm(&trees, |_: ProjectKey| async { Ok::<_, std::io::Error>(7) })?;
    /// kit.tasks().spawn_until_stopped("keep trees warm", |stop| worker.run(stop))?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "patterns")]
    pub fn keep_warm<K, V, F, Fut, T, E>(
        &self,
        cache: &Cache<K, V>,
        loader: F,
    ) -> Result<KeepWarm<K, V>>
    where
        K: KeyFamily + Clone + Send + Sync + 'static,
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(hot_keys) = self.insight.hot_keys.clone() else {
            return Err(Error::new(ErrorKind::Configuration, "keep_warm")
                .with_detail("nobody watches for hot keys"));
        };
        let schema = self.schema.clone();
        let name = cache.name();
        let hottest = move |most: usize| hot_keys.hottest_named::<K>(name, &schema, most);
        Ok(cache.keep_warm(hottest, loader))
    }

    /// What counts hits: for caches made without the kit, whose observer it can be.
    ///
    /// # Examples
    /// ```
    /// assert!(cachekit::CacheKit::memory().hit_tracker().local().is_empty());
    /// ```
    #[must_use]
    pub fn hit_tracker(&self) -> &HitTracker {
        &self.insight.hits
    }
}
