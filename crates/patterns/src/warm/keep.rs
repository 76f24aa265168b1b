//! Keeping warm what is asked for most.

use std::{error::Error as StdError, fmt, pin::pin, sync::Arc, time::Duration};

use cachekit_keys::{Key, KeyFamily, Ttl};
use cachekit_store::{Entry, KeyExpiry, Result, StopSignal, Tasks};
use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::sleep;

use super::pace::Pace;
use crate::{
    Cache, LoadOptions, Loaded,
    access::{Found, Look},
    load::{Seen, Slot},
};

/// Who knows which keys are asked for most. A function `Fn(usize) -> Vec<K>` does.
///
/// # Examples
/// See [`KeepWarm`].
pub trait HotKeySource<K>: Send + Sync + 'static {
    /// The keys that are asked for most, the first most of all; `most` of them at most. Called at each look, and must not
    /// block.
    fn hottest(&self, most: usize) -> Vec<K>;
}

impl<K, F: Fn(usize) -> Vec<K> + Send + Sync + 'static> HotKeySource<K> for F {
    fn hottest(&self, most: usize) -> Vec<K> {
        self(most)
    }
}

/// A worker that keeps the hottest keys in the cache: it loads them anew before they expire, and when they are gone, as after
/// a flush. From [`Cache::keep_warm`](crate::Cache::keep_warm).
///
/// It looks at intervals: one round trip for what is left of the keys' lives, and a second one for those that are due. A
/// load takes the key's lease without waiting for it, so that of all processes that keep a key warm one loads it at a time. What is
/// invalidated meanwhile is not brought back, keys whose loads fail are given time, and loads are begun no faster than the
/// rate allows. An entry which says that there is no value is left until it expires, and so is one that cannot be read: it may be
/// another cache's.
///
/// The source decides which keys are this cache's. Where several caches share a family, it must not name the others' keys: what
/// is missing is loaded by this cache's loader, whoever wrote it before.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
/// use cachekit_patterns::Cache;
/// use cachekit_store::{MemoryStore, Tasks};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = Arc::new(MemoryStore::new());
/// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
/// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
///
/// let hot = vec![key.clone()]; // from a tracker of hot keys
/// let worker = cache
///     .keep_warm(move |_: usize| hot.clone(), |_| async { Ok::<_, std::io::Error>(7) })
///     .interval(Duration::from_secs(5))
///     .loads_per_second(20);
///
/// let tasks = Tasks::new();
/// tasks.spawn_until_stopped("keep trees warm", |stop| worker.run(stop))?;
/// tokio::time::sleep(Duration::from_secs(1)).await;
/// assert_eq!(cache.get(&key).await?, Some(7));
/// # let _ = tasks.shutdown(Duration::from_secs(1)).await;
/// # Ok(()) }
/// ```
#[must_use = "a worker does nothing until it is run"]
pub struct KeepWarm<K, V> {
    /// With a tracker of its own: a task that held a handle of the tracker it runs on would keep that from ending.
    cache: Cache<K, V>,
    source: Box<dyn HotKeySource<K>>,
    loader: Box<dyn Fn(K) -> Slot<V> + Send + Sync>,
    interval: Duration,
    keys: usize,
    ahead: Option<Duration>,
    concurrency: usize,
    pace: Pace,
    options: LoadOptions,
}

impl<K, V> Cache<K, V>
where
    K: KeyFamily + Clone + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// A worker that keeps the keys of `source` in this cache. Nothing is spawned: [run](KeepWarm::run) it as a task.
    ///
    /// # Examples
    /// See [`KeepWarm`].
    pub fn keep_warm<F, Fut, T, E>(&self, source: impl HotKeySource<K>, loader: F) -> KeepWarm<K, V>
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let loader = Arc::new(loader);
        let loader = move |key: K| {
            let loader = Arc::clone(&loader);
            Slot::new(move |_| async move { loader(key).await })
        };
        KeepWarm {
            cache: self.on_tracker(Tasks::new()),
            source: Box::new(source),
            loader: Box::new(loader),
            interval: Duration::from_secs(10),
            keys: 100,
            ahead: None,
            concurrency: 8,
            pace: Pace::new(Some(10)),
            options: LoadOptions::new(),
        }
    }
}

impl<K, V> KeepWarm<K, V> {
    /// How long it rests between two looks; 10 s by default.
    ///
    /// # Examples
    /// See [`KeepWarm`].
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many keys are kept warm; 100 by default, at most 10 000.
    ///
    /// # Examples
    /// See [`ahead`](Self::ahead).
    pub fn keys(mut self, most: usize) -> Self {
        self.keys = most.clamp(1, 10_000);
        self
    }

    /// How long before the end of its fresh time an entry is loaded anew. By default two intervals, and at most half of the
    /// cache's lifetime.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let worker = cache
    ///     .keep_warm(|_: usize| Vec::new(), |_| async { Ok::<_, std::io::Error>(7) })
    ///     .keys(500)
    ///     .ahead(Duration::from_secs(60))
    ///     .concurrency(2);
    /// # drop(worker);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub const fn ahead(mut self, ahead: Duration) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// How many loads are begun in a second at most; 10 by default, at least 1.
    ///
    /// # Examples
    /// See [`KeepWarm`].
    pub fn loads_per_second(mut self, most: u32) -> Self {
        self.pace = Pace::new(Some(most));
        self
    }

    /// What the loads declare, as the tags and the lifetime of their entries; by default what the cache does. Those who read
    /// through the cache with options of their own want the same here.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, ProjectKey, Tag};
    /// # use cachekit_patterns::{Cache, LoadOptions};
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// # let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let worker = cache
    ///     .keep_warm(|_: usize| Vec::new(), |_| async { Ok::<_, std::io::Error>(7) })
    ///     .load_options(LoadOptions::new().with_tags([Tag::new("release-7")?]));
    /// # drop(worker);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn load_options(mut self, options: LoadOptions) -> Self {
        self.options = options;
        self
    }

    /// How many loads run at once; 8 by default, at least 1.
    ///
    /// # Examples
    /// See [`ahead`](Self::ahead).
    pub fn concurrency(mut self, most: usize) -> Self {
        self.concurrency = most.max(1);
        self
    }
}

impl<K, V> KeepWarm<K, V>
where
    K: KeyFamily + Clone + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Looks and loads until told to end, and then waits for the loads that run. Where the store is away it looks again after
    /// the next interval.
    ///
    /// # Cancel safety
    /// Dropped, it cuts off the loads that run; their leases expire.
    ///
    /// # Examples
    /// See [`KeepWarm`].
    pub async fn run(mut self, stop: StopSignal) {
        loop {
            let interval = self.interval;
            let round = pin!(async {
                let _ = self.round().await;
                sleep(interval).await;
            });
            let stopped = pin!(stop.stopped());
            if let Either::Right(_) = select(round, stopped).await {
                break;
            }
        }
        let longest = self.cache.engine.policy().hard_timeout;
        let _ = self.cache.tasks.shutdown(longest).await;
    }

    /// Looks once; answers how many loads it began. For a schedule of one's own in place of [`run`](Self::run).
    ///
    /// # Errors
    /// Those of the [store](cachekit_store::Store).
    ///
    /// # Cancel safety
    /// A dropped call has begun some of the loads, which go on as long as the worker is there.
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
    /// let mut worker = cache.keep_warm(move |_: usize| vec![key.clone()], |_| async { Ok::<_, std::io::Error>(7) });
    /// assert_eq!(worker.round().await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn round(&mut self) -> Result<usize> {
        let mut keys = self.source.hottest(self.keys);
        keys.truncate(self.keys);
        if keys.is_empty() {
            return Ok(0);
        }
        let stored = self.cache.keys(&keys);
        let store = &self.cache.access.base().store;
        let expiries = store.expiries(&stored).await?.into_iter();
        let due = expiries.zip(keys.into_iter().zip(stored));
        let due = due.filter(|(expiry, _)| self.is_due(*expiry));
        let (keys, stored): (Vec<K>, Vec<_>) = due.map(|(_, key)| key).unzip();
        if keys.is_empty() {
            return Ok(0);
        }
        let looks = self.look(&stored).await?;
        let mut begun = 0;
        for ((key, stored), mut look) in keys.into_iter().zip(stored).zip(looks) {
            if self.cache.tasks.running() >= self.concurrency {
                break; // what is left is due at the next look too
            }
            if self.is_left_alone(&look) {
                continue;
            }
            if self.pace.wait().await {
                // Another process may have loaded it meanwhile.
                let again = self.look(std::slice::from_ref(&stored)).await?;
                look = again.into_iter().next().unwrap_or(look);
                if self.is_left_alone(&look) {
                    continue;
                }
            }
            self.reload(key, &look)?;
            begun += 1;
        }
        Ok(begun)
    }

    /// Looks at keys and what is left of their lives, whether or not the cache's other reads ask for that.
    async fn look(&self, keys: &[Key]) -> Result<Vec<Look<V>>> {
        let access = &self.cache.access;
        let entries = access.base().store.get_entries(keys).await?.into_iter();
        let judge = |(key, entry): (&Key, Option<Entry>)| match entry {
            Some(entry) => access.judge(key, Some(entry.value), entry.expires_in),
            None => access.judge(key, None, None),
        };
        keys.iter().zip(entries).map(judge).collect()
    }

    /// Whether an entry with such a life ahead may have to be loaded anew.
    fn is_due(&self, expiry: KeyExpiry) -> bool {
        let stale_for = self.cache.access.lifetime().stale_for;
        let stale_for = stale_for.map_or(Duration::ZERO, Ttl::as_duration);
        match expiry {
            KeyExpiry::Missing => true,
            KeyExpiry::In(left) => left.saturating_sub(stale_for) <= self.ahead_or_default(),
            _ => false,
        }
    }

    fn ahead_or_default(&self) -> Duration {
        let half = self.cache.ttl().as_duration() / 2;
        self.ahead.unwrap_or_else(|| half.min(self.interval * 2))
    }

    fn is_left_alone(&self, look: &Look<V>) -> bool {
        match &look.found {
            Found::Fresh(hit) if hit.value.is_none() => true,
            Found::Fresh(hit) => hit.left.is_some_and(|left| left > self.ahead_or_default()),
            Found::Unreadable(_) => true,
            Found::Stale(_) | Found::Nothing => false,
        }
    }

    fn reload(&self, key: K, look: &Look<V>) -> Result<()> {
        let tags = self.cache.tags_of(&key, &self.options.tags)?;
        let place = self.cache.place(&key);
        let slot = (self.loader)(key);
        let request = self.cache.request_of(place, tags, &self.options, slot)?;
        let engine = &self.cache.engine;
        engine.refresh(&self.cache.tasks, request, Seen::of(look));
        Ok(())
    }
}

impl<K, V> fmt::Debug for KeepWarm<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepWarm")
            .field("cache", &self.cache)
            .field("interval", &self.interval)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
