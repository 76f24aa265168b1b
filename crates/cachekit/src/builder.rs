//! How a kit is put together.

use std::sync::Arc;

#[cfg(feature = "patterns")]
use cachekit_codec::ValueFormat;
#[cfg(feature = "insight")]
use cachekit_insight::{HitOptions, HotKeys};
#[cfg(feature = "patterns")]
use cachekit_keys::{Jitter, LevelTtls};
use cachekit_keys::{KeyFormat, KeySchema, Namespace};
#[cfg(feature = "patterns")]
use cachekit_patterns::{Announce, Announcer, LevelCaches};
#[cfg(feature = "redis")]
use cachekit_store::{Error, ErrorKind, RedisStore};
use cachekit_store::{MemoryStore, Observer, Observers, Result, Store, Tasks};

use crate::CacheKit;
#[cfg(feature = "insight")]
use crate::insight_of_kit::Insight;

/// Options of a [`CacheKit`]; setters cannot fail, [`build`](Self::build) and `connect` do.
///
/// # Examples
/// On a server, in a namespace:
/// ```no_run
/// # #[cfg(all(feature = "redis", feature = "patterns"))]
/// # async fn f() -> Result<(), cachekit::Error> {
/// use cachekit::{CacheKit, Jitter, Namespace};
///
/// let kit = CacheKit::builder()
///     .namespace(Namespace::new("staging")?)
///     .jitter(Jitter::fraction(0.1)?)
///     .connect("redis://127.0.0.1:6379")
///     .await?;
/// # Ok(()) }
/// ```
///
/// A store that needs options of its own, such as time-outs or credentials, comes ready made:
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn f() -> Result<(), cachekit::Error> {
/// use std::{sync::Arc, time::Duration};
///
/// use cachekit::{CacheKit, Namespace, RedisStore};
///
/// let store = RedisStore::builder("redis://127.0.0.1:6379")
///     .request_timeout(Duration::from_millis(250))
///     .connect()
///     .await?;
/// let kit = CacheKit::builder().store(Arc::new(store)).namespace(Namespace::new("staging")?).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheKitBuilder {
    store: Option<Arc<dyn Store>>,
    key_format: Option<KeyFormat>,
    namespace: Option<Namespace>,
    observers: Observers,
    #[cfg(feature = "insight")]
    hits: Option<HitOptions>,
    #[cfg(feature = "insight")]
    hot_keys: Option<HotKeys>,
    #[cfg(feature = "patterns")]
    level_ttls: LevelTtls,
    #[cfg(feature = "patterns")]
    jitter: Option<Jitter>,
    #[cfg(feature = "patterns")]
    value_format: ValueFormat,
    #[cfg(feature = "patterns")]
    announce: Announce,
    #[cfg(any(feature = "patterns", feature = "redis"))]
    max_value_size: Option<usize>,
}

impl CacheKitBuilder {
    /// Where everything is kept; a memory store of its own by default. Not together with `connect`, which makes the store.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cachekit::{CacheKit, MemoryStore};
    ///
    /// let store = Arc::new(MemoryStore::new());
    /// let kit = CacheKit::builder().store(store).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How keys are rendered. By default [`KeyFormat::Sharded`] where the store is clustered, so that an owner's keys share
    /// a slot, and [`KeyFormat::Plain`] elsewhere. All services of a deployment must agree on it.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, KeyFormat};
    ///
    /// let kit = CacheKit::builder().key_format(KeyFormat::Sharded).build()?;
    /// assert_eq!(kit.schema().format(), KeyFormat::Sharded);
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.key_format = Some(format);
        self
    }

    /// A prefix of all keys, for a deployment or tenant; none by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Namespace, SessionId, SessionKey};
    ///
    /// let kit = CacheKit::builder().namespace(Namespace::new("staging")?).build()?;
    /// let key = kit.schema().key(&SessionKey::current_file(SessionId::new("abc123")?));
    /// assert_eq!(key.as_str(), Some("staging:session:abc123:current_file"));
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Adds an observer of what happens inside the kit: connections, gaps in subscriptions, tasks that panic, reads of caches. It may be called
    /// several times; none by default, but for the log with the feature `tracing`.
    ///
    /// The store that the kit makes reports to it, as the kit's tasks and caches do. A [`store`](Self::store) given ready made has
    /// observers of its own.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cachekit::{CacheKit, store::{Event, Observer}};
    ///
    /// #[derive(Debug)]
    /// struct Panics;
    ///
    /// impl Observer for Panics {
    ///     fn observe(&self, event: &Event<'_>) {
    ///         if let Event::TaskPanicked { name, .. } = event {
    ///             eprintln!("the task {name} panicked");
    ///         }
    ///     }
    /// }
    ///
    /// let kit = CacheKit::builder().observer(Arc::new(Panics)).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// Counts what all caches of the kit find and load, and adds it to the numbers of the fleet every few seconds, on a task of
    /// the kit that its shutdown waits for; off by default. See
    /// [`cache_stats`](CacheKit::cache_stats).
    ///
    /// Reads count in the process, without a call of the store: a few nanoseconds each.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use std::time::Duration;
    ///
    /// use cachekit::{CacheKit, HitOptions};
    ///
    /// let every_minute = HitOptions::new().with_interval(Duration::from_secs(60));
    /// let kit = CacheKit::builder().track_hits(every_minute).build()?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "insight")]
    pub fn track_hits(mut self, options: HitOptions) -> Self {
        self.hits = Some(options);
        self
    }

    /// Has all caches of the kit tell these hot keys what is asked for; nobody by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, HotKeys};
    ///
    /// let hot = HotKeys::new();
    /// let kit = CacheKit::builder().watch_hot_keys(hot.clone()).build()?;
    /// assert!(hot.hottest("project", 10).is_empty());
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "insight")]
    pub fn watch_hot_keys(mut self, hot_keys: HotKeys) -> Self {
        self.hot_keys = Some(hot_keys);
        self
    }

    /// How long entries of each level live; five minutes, an hour and a day by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, LevelTtls, Ttl};
    ///
    /// let ttls = LevelTtls::default().with_session(Ttl::seconds(900));
    /// let kit = CacheKit::builder().level_ttls(ttls).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn level_ttls(mut self, ttls: LevelTtls) -> Self {
        self.level_ttls = ttls;
        self
    }

    /// How much of a lifetime is taken away at random, so that entries written together do not expire together; none by
    /// default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Jitter};
    ///
    /// let kit = CacheKit::builder().jitter(Jitter::fraction(0.1)?).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// How values are written; [`ValueFormat::json`] by default. Its own limit counts only where it is the smaller one, see
    /// [`max_value_size`](Self::max_value_size).
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ValueFormat};
    ///
    /// let kit = CacheKit::builder().value_format(ValueFormat::plain_json()).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn value_format(mut self, format: ValueFormat) -> Self {
        self.value_format = format;
        self
    }

    /// Which invalidations are announced to other caches, on the channel `system:cache_invalidation`; by default those that
    /// clear many entries, by owner, tag or pattern.
    ///
    /// Announcing goes on in the background, and its failure fails nothing else: see [`Announcer`]. On a server with access
    /// control lists, the user needs the channel, or announcing is to be turned off.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, patterns::Announce};
    ///
    /// let silent = CacheKit::builder().announce(Announce::Nothing).build()?;
    /// let talkative = CacheKit::builder().announce(Announce::Everything).build()?; // each removal too
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn announce(mut self, announce: Announce) -> Self {
        self.announce = announce;
        self
    }

    /// Largest value in bytes, before and after compression.
    ///
    /// Two places look at a value's size: the value format, which refuses to encode or decode more, and the store, which
    /// refuses to send more. This sets the format's limit (in place of the one in
    /// [`value_format`](Self::value_format)) and, with `connect`, the Redis store's. A store given ready made keeps its
    /// own, and refuses what is larger.
    ///
    /// Where it is not called, the format takes the smaller of its own limit and the store's: 64 MiB by default.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(not(feature = "patterns"))] fn main() {}
    /// # #[cfg(feature = "patterns")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// use cachekit::{CacheKit, ErrorKind};
    ///
    /// let kit = CacheKit::builder().max_value_size(1_000).build()?;
    /// let error = kit.global().set("blob", &"x".repeat(2_000)).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLarge);
    /// # Ok(()) }
    /// ```
    #[cfg(any(feature = "patterns", feature = "redis"))]
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = Some(bytes);
        self
    }

    /// Connects to a Redis or Valkey server, `redis://[user:password@]host[:port][/database]`, and puts the kit together.
    ///
    /// The store has its defaults, but for the limit of [`max_value_size`](Self::max_value_size).
    ///
    /// # Errors
    /// - [`Configuration`](cachekit_store::ErrorKind::Configuration) for a URL that cannot be read, for a value limit beyond
    ///   512 MiB, and where a [`store`](Self::store) was given too;
    /// - [`Unavailable`](cachekit_store::ErrorKind::Unavailable) or [`Timeout`](cachekit_store::ErrorKind::Timeout) where
    ///   nothing answers at the address;
    /// - [`Unauthenticated`](cachekit_store::ErrorKind::Unauthenticated) for a wrong user or password;
    /// - those of [`build`](Self::build).
    ///
    /// # Cancel safety
    /// A dropped call leaves no connection behind.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cachekit::{CacheKit, ErrorKind, MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let builder = CacheKit::builder().store(Arc::new(MemoryStore::new()));
    /// let error = builder.connect("redis://127.0.0.1:6379").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    pub async fn connect(self, url: &str) -> Result<CacheKit> {
        if self.store.is_some() {
            return Err(Error::new(ErrorKind::Configuration, "connect")
                .with_detail("a store was given, and an address to connect another to"));
        }
        let mut store = RedisStore::builder(url).observer(Arc::new(self.observers.clone()));
        if let Some(bytes) = self.max_value_size {
            store = store.max_value_size(bytes);
        }
        let store = Arc::new(store.connect().await?);
        self.store(store).build()
    }

    /// Checks the options and puts the kit together. Connects nowhere.
    ///
    /// # Errors
    /// With the feature `patterns`: [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for a codec or compression that
    /// is not built in, [`Configuration`](cachekit_store::ErrorKind::Configuration) for a format that contradicts itself. With
    /// the feature `insight`: `Configuration` for tracking hits outside of a tokio runtime, where nothing can flush.
    ///
    /// # Examples
    /// ```
    /// let kit = cachekit::CacheKit::builder().build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn build(self) -> Result<CacheKit> {
        let observers = self.observers;
        let store = self.store.unwrap_or_else(|| {
            let store = MemoryStore::builder().observer(Arc::new(observers.clone()));
            Arc::new(store.build())
        });
        let natural = if store.capabilities().clustered {
            KeyFormat::Sharded
        } else {
            KeyFormat::Plain
        };
        let mut schema = KeySchema::new(self.key_format.unwrap_or(natural));
        if let Some(namespace) = self.namespace {
            schema = schema.with_namespace(namespace);
        }
        let built_in = Observers::built_in().with(Arc::new(observers.clone()));
        let tasks = Tasks::observed(built_in.clone());
        #[cfg(feature = "limits")]
        let limits_observers = built_in.clone();
        #[cfg(feature = "patterns")]
        let announcer = Announcer::new(Arc::clone(&store), schema.clone())
            .with(self.announce)
            .with_observers(built_in)
            .with_tasks(tasks.clone());
        #[cfg(feature = "insight")]
        let (insight, observers) = Insight::new(
            &store,
            &schema,
            self.hits,
            self.hot_keys,
            &observers,
            &tasks,
        )?;
        #[cfg(not(feature = "patterns"))]
        drop(observers); // there are no caches to tell them anything
        #[cfg(feature = "patterns")]
        let levels = LevelCaches::builder(Arc::clone(&store), schema.clone())
            .ttls(self.level_ttls)
            .jitter(self.jitter.unwrap_or(Jitter::NONE))
            .format(limited(self.value_format, self.max_value_size, &*store))
            .tasks(tasks.clone())
            .observers(observers)
            .announcer(announcer)
            .build()?;
        Ok(CacheKit {
            #[cfg(feature = "insight")]
            insight,
            #[cfg(feature = "patterns")]
            levels,
            #[cfg(feature = "limits")]
            limits_observers,
            store,
            schema,
            tasks,
        })
    }
}

/// The format with the limit that was chosen, else with one that the store takes as well.
#[cfg(feature = "patterns")]
fn limited(format: ValueFormat, chosen: Option<usize>, store: &dyn Store) -> ValueFormat {
    let smaller = format.max_size().min(store.capabilities().max_value_size);
    format.with_max_size(chosen.unwrap_or(smaller))
}
