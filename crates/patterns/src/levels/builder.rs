//! How the levels are set up.

use std::sync::Arc;

use cachekit_codec::ValueFormat;
use cachekit_keys::{Jitter, KeySchema, LevelTtls};
use cachekit_store::{Observers, Result, Store, Tasks};

use super::caches::LevelCaches;
use crate::{Announcer, CacheCounters, access::Base};

/// Options of [`LevelCaches`]; setters cannot fail, [`build`](Self::build) does.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_codec::ValueFormat;
/// use cachekit_keys::{Jitter, KeySchema, LevelTtls, Ttl};
/// use cachekit_patterns::{CacheCounters, LevelCaches};
/// use cachekit_store::MemoryStore;
///
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain())
///     .ttls(LevelTtls::default().with_session(Ttl::seconds(900)))
///     .jitter(Jitter::fraction(0.1)?)
///     .format(ValueFormat::plain_json())
///     .counters(CacheCounters::new())
///     .build()?;
/// assert_eq!(levels.global().ttl(), Ttl::seconds(86_400));
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct LevelCachesBuilder {
    base: Base,
    ttls: LevelTtls,
    jitter: Jitter,
    tasks: Tasks,
    announcer: Option<Announcer>,
}

impl LevelCachesBuilder {
    pub(super) fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            base: Base::new(store, schema),
            ttls: LevelTtls::default(),
            jitter: Jitter::NONE,
            tasks: Tasks::new(),
            announcer: None,
        }
    }

    /// How long entries of each level live; five minutes, an hour and a day by default.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn ttls(mut self, ttls: LevelTtls) -> Self {
        self.ttls = ttls;
        self
    }

    /// How much of a lifetime is taken away at random; none by default.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// How values are written, and how large they may be; [`ValueFormat::json`] by default. Reading takes every form.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn format(mut self, format: ValueFormat) -> Self {
        self.base.format = format;
        self
    }

    /// Where requests are counted; counters of their own by default.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn counters(mut self, counters: CacheCounters) -> Self {
        self.base.counters = counters;
        self
    }

    /// Who is told what these levels and the [caches](LevelCaches::cache) made here find and load: under the level's name, or
    /// the cache's family's. Nobody by default, which costs a read nothing.
    ///
    /// # Examples
    /// See [`CacheBuilder::observers`](crate::CacheBuilder::observers).
    pub fn observers(mut self, observers: Observers) -> Self {
        self.base.observers = observers;
        self
    }

    /// Where the loads of the handles and of [caches](LevelCaches::cache) run; on a tracker of their own by default, which ends with the last
    /// handle.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::Tasks;
    ///
    /// let tasks = Tasks::new();
    /// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain())
    ///     .tasks(tasks.clone())
    ///     .build()?;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Who announces what is invalidated through these levels and the [caches](LevelCaches::cache) made here; by default nobody.
    ///
    /// # Examples
    /// See [`Announcer`].
    pub fn announcer(mut self, announcer: Announcer) -> Self {
        self.announcer = Some(announcer);
        self
    }

    /// Checks the options once, so that no call fails for them later.
    ///
    /// # Errors
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for a codec or compression that is not built in,
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) for a format that contradicts itself.
    ///
    /// # Examples
    /// See [`LevelCachesBuilder`].
    pub fn build(self) -> Result<LevelCaches> {
        Ok(LevelCaches::new(
            self.base.checked()?,
            self.ttls,
            self.jitter,
            self.tasks,
            self.announcer,
        ))
    }
}
