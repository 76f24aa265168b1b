//! The kit: one store, and every handle over it.

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::KeySchema;
#[cfg(feature = "patterns")]
use cachekit_keys::{KeyFamily, Pattern, ProjectId, SessionId, Tag};
#[cfg(feature = "patterns")]
use cachekit_patterns::{
    Cache, CacheBuilder, CacheCounts, GlobalCache, Invalidation, LevelCaches, ProjectCache,
    SessionCache, Sink, WriteBehind, WriteBehindBuilder,
};
use cachekit_store::{Result, ServerFacts, Store, Tasks};
#[cfg(feature = "patterns")]
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

#[cfg(feature = "insight")]
use crate::insight_of_kit::Insight;
use crate::{CacheKitBuilder, ShutdownReport};

/// One store, one key schema, one set of lifetimes and one value format, and the handles made of them.
///
/// Make one per process and clone it: clones are cheap, and share the connection and the counts.
///
/// # Examples
/// ```
/// use cachekit::{CacheKit, Error, ProjectId};
///
/// # #[cfg(not(feature = "patterns"))] fn main() {}
/// # #[cfg(feature = "patterns")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let kit = CacheKit::memory();
/// let project = kit.project(&ProjectId::new("proj456")?);
/// let hash = project.set_analysis("fn main() {}", &["no findings"]).await?;
/// let again: Option<Vec<String>> = project.get_analysis("fn main() {}").await?;
/// assert_eq!(again, Some(vec!["no findings".to_owned()]));
/// assert_eq!(project.get_analysis_at(&hash).await?, again);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CacheKit {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) tasks: Tasks,
    #[cfg(feature = "insight")]
    pub(crate) insight: Insight,
    #[cfg(feature = "patterns")]
    pub(crate) levels: LevelCaches,
    /// Who is told of warnings.
    #[cfg(feature = "limits")]
    pub(crate) limits_observers: cachekit_store::Observers,
}

impl CacheKit {
    /// A kit on a memory store of its own, with every default: for tests, and for services of one process.
    ///
    /// # Examples
    /// ```
    /// let kit = cachekit::CacheKit::memory();
    /// assert!(!kit.store().capabilities().shared);
    /// ```
    #[must_use]
    pub fn memory() -> Self {
        // The default format is one that every build has, whatever its features.
        Self::builder().build().expect("the defaults are valid")
    }

    /// Connects to a Redis or Valkey server, with every default: `redis://[user:password@]host[:port][/database]`.
    ///
    /// A namespace, jitter or other limits take a [`builder`](Self::builder) and its [`connect`](CacheKitBuilder::connect);
    /// other time-outs a `RedisStore` of your own.
    ///
    /// # Errors
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) for a URL that cannot be read,
    /// [`Unavailable`](cachekit_store::ErrorKind::Unavailable) or [`Timeout`](cachekit_store::ErrorKind::Timeout) where
    /// nothing answers at the address, [`Unauthenticated`](cachekit_store::ErrorKind::Unauthenticated) for a wrong user or
    /// password.
    ///
    /// # Cancel safety
    /// A dropped call leaves no connection behind.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ErrorKind};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let error = CacheKit::connect("not a URL").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// Starts a kit with options.
    ///
    /// # Examples
    /// See [`CacheKitBuilder`].
    pub fn builder() -> CacheKitBuilder {
        CacheKitBuilder::default()
    }

    /// What the server says about itself: memory, clients, commands, uptime.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let facts = cachekit::CacheKit::memory().get_stats().await?;
    /// assert_eq!((facts.product.as_str(), facts.keys), ("memory", 0));
    /// # Ok(()) }
    /// ```
    pub async fn get_stats(&self) -> Result<ServerFacts> {
        self.store.server_facts().await
    }

    /// The store, for what the handles do not cover.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Key};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// assert_eq!(kit.store().get(&Key::from_raw("theirs")?).await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How this kit's keys are rendered.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, KeyFormat};
    ///
    /// assert_eq!(CacheKit::memory().schema().format(), KeyFormat::Plain);
    /// ```
    #[must_use]
    pub fn schema(&self) -> &KeySchema {
        &self.schema
    }

    /// The tracker of the kit's tasks, for those of your own that are to end with the kit: [`shutdown`](Self::shutdown) waits
    /// for them, and the drop of the last clone of the kit cuts them off. A task that holds a clone of the kit, or
    /// one of its handles, keeps that from happening.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = cachekit::CacheKit::memory();
    /// kit.tasks().spawn_until_stopped("report", |stop| async move {
    ///     // ... work, until told to end
    ///     stop.stopped().await;
    /// })?;
    /// assert!(kit.shutdown(Duration::from_secs(5)).await.completed);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Ends everything in order, in at most `deadline` altogether, and says what was left: first the tasks, which are told to
    /// end, waited for, and cut off at the deadline; then the store, whose subscriptions and connections end. Later calls of
    /// every clone fail with [`Closed`](cachekit_store::ErrorKind::Closed). May be called again.
    ///
    /// # Cancel safety
    /// A dropped call has told the tasks to end, and may have closed the store or not; call again.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use cachekit::{CacheKit, ErrorKind};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let kit = CacheKit::memory();
    /// assert!(kit.shutdown(Duration::from_secs(5)).await.completed);
    /// assert_eq!(kit.get_stats().await.unwrap_err().kind(), ErrorKind::Closed);
    /// # }
    /// ```
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let start = Instant::now();
        let cut_off_tasks = self.tasks.shutdown(deadline).await.cut_off;
        let left = || deadline.saturating_sub(start.elapsed());
        // After the tasks, which count until they end.
        #[cfg(feature = "insight")]
        let hits_flushed = matches!(timeout(left(), self.insight.flush()).await, Ok(Ok(())));
        #[cfg(not(feature = "insight"))]
        let hits_flushed = true;
        // Where nothing is left of the deadline the store is closed all the same, and not waited for.
        let store_closed = timeout(left(), self.store.close()).await.is_ok();
        ShutdownReport {
            completed: cut_off_tasks.is_empty() && hits_flushed && store_closed,
            cut_off_tasks,
            hits_flushed,
            store_closed,
        }
    }
}

impl fmt::Debug for CacheKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheKit")
            .field("store", &self.store)
            .field("schema", &self.schema)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "patterns")]
impl CacheKit {
    /// The cache of one session: names under `session:{id}:`, for five minutes by default.
    ///
    /// # Examples
    /// See the [crate].
    #[must_use]
    pub fn session(&self, id: &SessionId) -> SessionCache {
        self.levels.session(id)
    }

    /// The cache of one project: names under `project:{id}:`, for an hour by default.
    ///
    /// # Examples
    /// See [`CacheKit`].
    #[must_use]
    pub fn project(&self, id: &ProjectId) -> ProjectCache {
        self.levels.project(id)
    }

    /// The cache that everyone shares: whole keys, for a day by default.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let global = cachekit::CacheKit::memory().global();
    /// global.set("provider:openai:health_status", "up").await?;
    /// assert!(global.remove("provider:openai:health_status").await?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn global(&self) -> GlobalCache {
        self.levels.global()
    }

    /// Starts a typed cache: values of type `V` under the keys of the family `K`, with the lifetime of its level by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ProjectId, ProjectKey, Ttl};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let trees = kit.cache::<ProjectKey, Vec<String>>().ttl(Ttl::seconds(600)).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// trees.set(&key, &vec!["src/main.rs".to_owned()]).await?;
    /// assert!(trees.get(&key).await?.is_some());
    /// # Ok(()) }
    /// ```
    pub fn cache<K, V>(&self) -> CacheBuilder<K, V>
    where
        K: KeyFamily,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.levels.cache()
    }

    /// Writes that reach the database later, through `sink`, and are not lost on the way: behind a cache of this kit.
    ///
    /// The worker runs where you let it, as a rule on the kit's [tasks](Self::tasks), so that [`shutdown`](Self::shutdown) lets it
    /// drain.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub fn write_behind<K, V>(
        &self,
        cache: &Cache<K, V>,
        sink: impl Sink<K, V>,
    ) -> WriteBehindBuilder<K, V>
    where
        K: KeyFamily + Send + Sync + 'static,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        WriteBehind::builder(cache, sink)
    }

    /// What deletes and announces: all of a session, a project or its analyses, also where other programs wrote them; and what
    /// listens to announcements.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ProjectId, patterns::Announcement};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let mut heard = kit.invalidation().announcements().await?;
    /// kit.invalidation().clear_analyses(&ProjectId::new("proj456")?).await?;
    /// assert!(matches!(heard.next().await, Some(Announcement::Gap(_))));
    /// assert!(matches!(heard.next().await, Some(Announcement::Invalidated(_))));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn invalidation(&self) -> Invalidation {
        self.levels.invalidation()
    }

    /// Deletes the keys of a built-in family that match a text such as `project:proj456:*`; answers how many existed.
    ///
    /// The text is written as in the plain format and without a namespace, whatever this kit's format and namespace. The
    /// whole keyspace is walked, in bounded batches.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a text that starts with no built-in family (`*` too)
    /// or can match no key of it: use [`delete_matching`](Self::delete_matching). Else those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ProjectId};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// kit.project(&ProjectId::new("proj456")?).set("file_tree", &["a.rs"]).await?;
    /// assert_eq!(kit.delete_by_pattern("project:proj456:*").await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn delete_by_pattern(&self, text: &str) -> Result<u64> {
        self.levels.invalidation().delete_by_pattern(text).await
    }

    /// Deletes the keys that match a pattern; answers how many existed.
    ///
    /// A raw pattern means the server's keys, whatever this kit's namespace; [`Pattern::everything`] means everything of
    /// the namespace, or of the server where the kit has none. Keys under the reserved prefix `ck:` are passed over.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Pattern};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// kit.global().set("flags:beta", &true).await?;
    /// assert_eq!(kit.delete_matching(&Pattern::raw("flags:*")?).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        self.levels.invalidation().delete_matching(pattern).await
    }

    /// Removes everything that carries a tag, whoever owns it; answers how many entries there were.
    ///
    /// Entries get their tags from [`WriteOptions::with_tags`](crate::WriteOptions::with_tags). See
    /// [`Invalidation`](crate::Invalidation) for what an index finds and what it costs.
    ///
    /// # Errors
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) on a store that runs no scripts. Else those of the store;
    /// once entries have been removed, a later failure says that the change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ProjectId, Tag, WriteOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let (kit, release) = (CacheKit::memory(), Tag::new("release-7")?);
    /// let tagged = WriteOptions::new().with_tags([release.clone()]);
    /// kit.project(&ProjectId::new("proj456")?).set_with("file_tree", &["a.rs"], &tagged).await?;
    /// assert_eq!(kit.invalidate_tag(&release).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn invalidate_tag(&self, tag: &Tag) -> Result<u64> {
        self.levels.invalidation().invalidate_tag(tag).await
    }

    /// Removes everything that the owner of `key` has in the key's family, which may be one of your own; answers how many
    /// entries there were.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a key without an owner. Else those of
    /// [`invalidate_tag`](Self::invalidate_tag).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, UserId, keys::RateLimitKey};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let daily = RateLimitKey::DailyLimit { user: UserId::new("user123")? };
    /// kit.cache::<RateLimitKey, u32>().build()?.set(&daily, &100).await?;
    /// assert_eq!(kit.clear_owner(&daily).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn clear_owner<K: KeyFamily>(&self, key: &K) -> Result<u64> {
        self.levels.invalidation().clear_owner(key).await
    }

    /// Hits and misses of all handles and typed caches of this kit and its clones, in this process.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = cachekit::CacheKit::memory();
    /// kit.global().get::<bool>("flags:beta").await?;
    /// assert_eq!(kit.counts().misses, 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.levels.counts()
    }
}
