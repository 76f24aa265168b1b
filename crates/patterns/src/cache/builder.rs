//! How a typed cache is set up.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use cachekit_codec::ValueFormat;
use cachekit_keys::{Jitter, KeyError, KeyFamily, KeySchema, Tag, Ttl};
use cachekit_store::{Observers, Result, Store, Tasks};

use super::{Cache, TagsOf};
use crate::{
    Announcer, CacheCounters, Refresh,
    access::{Access, Base},
    load::{Engine, Policy},
    options::Lifetime,
};

/// Options of a [`Cache`]; setters cannot fail, [`build`](Self::build) does.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_codec::ValueFormat;
/// use cachekit_keys::{Jitter, KeySchema, ProjectKey, Ttl};
/// use cachekit_patterns::Cache;
/// use cachekit_store::MemoryStore;
///
/// let cache = Cache::<ProjectKey, String>::builder(Arc::new(MemoryStore::new()), KeySchema::plain())
///     .ttl(Ttl::seconds(600))
///     .jitter(Jitter::fraction(0.1)?)
///     .format(ValueFormat::plain_json())
///     .build()?;
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder<K, V> {
    base: Base,
    lifetime: Lifetime,
    policy: Policy,
    plain: bool,
    tags: Option<TagsOf<K>>,
    tasks: Option<Tasks>,
    family: &'static str,
    announcer: Option<Announcer>,
    types: PhantomData<fn(K) -> V>,
}

impl<K: KeyFamily, V> CacheBuilder<K, V> {
    pub(super) fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            base: Base::new(store, schema),
            lifetime: Lifetime::new(K::LEVEL.default_ttl(), Jitter::NONE),
            policy: Policy::default(),
            plain: false,
            tags: None,
            tasks: None,
            family: K::name(),
            announcer: None,
            types: PhantomData,
        }
    }
}

impl<K, V> CacheBuilder<K, V> {
    /// How long entries live; by default as long as the level of the family says.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.lifetime.ttl = ttl;
        self
    }

    /// How much of the lifetime is taken away at random, so that entries written together do not expire together; none by
    /// default.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.lifetime.jitter = jitter;
        self
    }

    /// How values are written, and how large they may be; [`ValueFormat::json`] by default. Reading takes every form.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn format(mut self, format: ValueFormat) -> Self {
        self.base.format = format;
        self
    }

    /// Where requests are counted; counters of its own by default.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::CacheCounters;
    ///
    /// let all = CacheCounters::new();
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .counters(all.part())
    ///     .build()?;
    /// assert_eq!(cache.counts(), all.snapshot());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn counters(mut self, counters: CacheCounters) -> Self {
        self.base.counters = counters;
        self
    }

    /// Who is told what this cache finds and loads, by the [name](cachekit_keys::KeyFamily::name) of its family; nobody by
    /// default, which costs a read nothing.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::{Event, Observer, Observers};
    ///
    /// #[derive(Debug)]
    /// struct Misses;
    ///
    /// impl Observer for Misses {
    ///     fn observe(&self, event: &Event<'_>) {
    ///         if let Event::CacheRead { family, reads, .. } = event {
    ///             println!("{family}: {} misses", reads.misses);
    ///         }
    ///     }
    /// }
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .observers(Observers::none().with(Arc::new(Misses)))
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn observers(mut self, observers: Observers) -> Self {
        self.base.observers = observers;
        self
    }

    /// How long an entry may be served after it ceased to be fresh, when loading it fails or is slow; by default not at all.
    ///
    /// Entries stay in the store for so long after their lifetime. See [`load`](crate::load).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use std::time::Duration;
    ///
    /// use cachekit_keys::Ttl;
    /// use cachekit_patterns::Refresh;
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .ttl(Ttl::seconds(600))
    ///     .stale_for(Ttl::seconds(60))
    ///     .negative_ttl(Ttl::seconds(30))
    ///     .soft_timeout(Duration::from_millis(50))
    ///     .hard_timeout(Duration::from_secs(10))
    ///     .refresh(Refresh::at(0.8)?)
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn stale_for(mut self, bound: Ttl) -> Self {
        self.lifetime.stale_for = Some(bound);
        self
    }

    /// How long it is remembered that a value does not exist; 60 s by default.
    ///
    /// # Examples
    /// See [`stale_for`](Self::stale_for).
    pub fn negative_ttl(mut self, ttl: Ttl) -> Self {
        self.policy.negative_ttl = ttl;
        self
    }

    /// How long a caller waits for a load where a stale value can be served instead; without limit by default, and not at all
    /// with zero. The load goes on.
    ///
    /// # Examples
    /// See [`stale_for`](Self::stale_for).
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.policy.soft_timeout = Some(timeout);
        self
    }

    /// How long a load may take, and a caller waits for a value; 30 s by default. Then the load is ended, which is an error for
    /// those who wait for it, and a caller that waited for another one gives up. What took longer than a day to load is not
    /// stored.
    ///
    /// # Examples
    /// See [`stale_for`](Self::stale_for).
    pub fn hard_timeout(mut self, timeout: Duration) -> Self {
        self.policy.hard_timeout = timeout;
        self
    }

    /// When a value is loaded anew while it is still fresh; never by default.
    ///
    /// # Examples
    /// See [`stale_for`](Self::stale_for).
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.policy.refresh = refresh;
        self
    }

    /// How long others wait for a process that died while it loaded; 5 s by default. A living one renews its lease at a third
    /// of it.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey, Ttl};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .lease_ttl(Ttl::seconds(10))
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn lease_ttl(mut self, ttl: Ttl) -> Self {
        self.policy.lease_ttl = ttl;
        self
    }

    /// How many loads of this cache run at once in this process while the store is away; 64 by default. More wait, and are
    /// [`Overloaded`](cachekit_store::ErrorKind::Overloaded) when the hard time-out is over.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .loads_without_store(8)
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn loads_without_store(mut self, most: usize) -> Self {
        self.policy.unleased = most;
        self
    }

    /// How many loaders of this cache run at once in this process, whatever the store does; not bounded by default. A call of
    /// many keys counts as one. More wait, within their hard time-outs, while their leases are kept, and fail as
    /// [`Overloaded`](cachekit_store::ErrorKind::Overloaded) after that. It spares an origin to which everything is sent at
    /// once, as after a flush. A loader must not load through the same cache then, or it may wait for itself.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .max_concurrent_loads(100)
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn max_concurrent_loads(mut self, most: usize) -> Self {
        self.policy.loads = Some(most);
        self
    }

    /// For how long after a load failed no other one of the key is begun in this process, even where nothing stale can be
    /// served: callers get the same error meanwhile, which says so. 100 ms by default; zero for none. It spares an origin that
    /// is down, and answers callers of it at once.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use std::time::Duration;
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .failure_hold(Duration::from_secs(1))
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn failure_hold(mut self, hold: Duration) -> Self {
        self.policy.failure_hold = hold;
        self
    }

    /// What the entry of a key has in common with others, for every write and load of this cache; see
    /// [`WriteOptions::with_tags`](crate::WriteOptions::with_tags). By default nothing.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::Tag;
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .tags(|_key| Ok(vec![Tag::new("release-7")?]))
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn tags(
        mut self,
        tags: impl Fn(&K) -> Result<Vec<Tag>, KeyError> + Send + Sync + 'static,
    ) -> Self {
        self.tags = Some(Arc::new(tags));
        self
    }

    /// Writes entries without a header of times; freshness and age are derived from the key's remaining life, which each read
    /// then asks for in the same round trip.
    ///
    /// With [`Refresh::xfetch`] the load time is then the moving average of this process. Every entry is taken for one that was to
    /// live as long as the cache's entries do: one with a shorter lifetime of its own is taken for old, and refreshed early.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey, Ttl};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .stale_for(Ttl::seconds(60))
    ///     .plain()
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// The name under which reads and loads of this cache are [reported](Self::observers): by default that of the family. A cache
    /// that shares its family with others has its hit rate and its hot keys for itself under a name of its own.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain()).named("trees").build()?;
    /// assert_eq!(cache.name(), "trees");
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn named(mut self, name: &'static str) -> Self {
        self.family = name;
        self
    }

    /// Where loads run. By default on a tracker of the cache's own: when the last handle of the cache is dropped, its loads are
    /// cut off. A kit hands over its own, which its shutdown waits for.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::Tasks;
    ///
    /// let tasks = Tasks::new();
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .tasks(tasks.clone())
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// Who announces [removals](Cache::remove), where it is to announce [those](crate::Announce::Everything) at all; by default
    /// nobody.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{Announce, Announcer};
    ///
    /// let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
    /// let announcer = Announcer::new(store.clone(), schema.clone()).with(Announce::Everything);
    /// let cache = Cache::<ProjectKey, u32>::builder(store, schema).announcer(announcer).build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn announcer(mut self, announcer: Announcer) -> Self {
        self.announcer = Some(announcer);
        self
    }

    /// Makes the chance of [`Refresh::xfetch`] the same in each run, for tests; by default it is drawn anew.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain()).seed(7).build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.policy.seed = Some(seed);
        self
    }

    /// Checks the options once, so that no call fails for them later.
    ///
    /// # Errors
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for a codec or compression that is not built in,
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) for a format that contradicts itself, a hard time-out of zero,
    /// or no loads without the store.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_codec::ValueFormat;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::{ErrorKind, MemoryStore};
    /// use cachekit_codec::Codec;
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let refused = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .format(ValueFormat::plain_json().with_codec(Codec::Bincode))
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Configuration);
    /// ```
    pub fn build(self) -> Result<Cache<K, V>> {
        self.policy.check()?;
        let mut lifetime = self.lifetime;
        let can_have_header = !self.plain && !self.base.format.is_plain();
        let refresh = self.policy.refresh;
        lifetime.may_have_header = can_have_header;
        lifetime.has_header =
            can_have_header && (lifetime.stale_for.is_some() || refresh.is_xfetch());
        lifetime.reads_expiry =
            !lifetime.has_header && (lifetime.stale_for.is_some() || !refresh.is_never());
        let access = Access::new(self.base.checked()?, lifetime, self.family);
        Ok(Cache {
            engine: Arc::new(Engine::new(access.clone(), self.policy)),
            access,
            tags: self.tags,
            tasks: self.tasks.unwrap_or_default(),
            announcer: self.announcer,
            types: PhantomData,
        })
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("base", &self.base)
            .field("lifetime", &self.lifetime)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
