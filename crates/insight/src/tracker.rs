//! Counting hits in a process, and reading what a fleet has counted.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cachekit_keys::{HitKey, HitWindow, KeyFamily, KeySchema};
use cachekit_store::{CacheReads, Event, Observer, Result, ScriptCall, Store};
use tokio::sync::Mutex;

use crate::{
    CacheStats, FamilyStats, HitFlusher, HitOptions, HitRange,
    clock::ServerClock,
    flush::{Books, Ledger},
    scripts::READ,
    tally::Tally,
};

/// Counts by key family what caches report, and reads what the whole fleet has counted. Cheap to clone; clones count together.
///
/// It is an [`Observer`] for the builders of caches. Counting takes no lock, allocates nothing and calls no store. The
/// [`HitFlusher`] that comes with it adds the counts to those of the fleet, by the hour, in one script call.
///
/// # Exactly once
/// A flush that was not carried out is made up for by the next one. One of which it is not known whether it was carried out
/// (its answer was lost) is repeated under its number, by which the server knows it. So the fleet's numbers are exact, but for
/// what a process had counted since its last flush when it was killed, what a server lost (a restart without persistence, a
/// failover, `FLUSHALL`), and a flush that has failed for as long as counts are kept.
///
/// # Bounds
/// A process counts 64 families by name, and what there is beyond them as `(other)`. Counts go to the hour in which they are
/// flushed. The server has one hash for each hour, and for each process and hour a key with a number; all of them expire.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use cachekit_insight::{HitOptions, HitTracker};
/// use cachekit_keys::KeySchema;
/// use cachekit_store::{MemoryStore, Observers, Tasks};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = Arc::new(MemoryStore::new());
/// let (hits, flusher) = HitTracker::new(store, KeySchema::plain(), HitOptions::new());
///
/// let tasks = Tasks::new();
/// tasks.spawn_until_stopped("flush hit counts", |stop| flusher.run(stop))?;
/// let observers = Observers::none().with(Arc::new(hits.clone())); // for the builders of caches
///
/// let report = tasks.shutdown(Duration::from_secs(5)).await; // flushes
/// assert!(report.cut_off.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HitTracker {
    inner: Arc<Inner>,
}

struct Inner {
    tally: Tally,
    store: Arc<dyn Store>,
    schema: KeySchema,
    options: HitOptions,
    clock: ServerClock,
    ledger: Mutex<Ledger>,
    failed: AtomicU64,
}

impl HitTracker {
    /// A tracker whose fleet is all that use this store's server and this schema's namespace, and the worker that flushes
    /// for it. Nothing runs until the worker does.
    ///
    /// # Examples
    /// See [`HitTracker`].
    pub fn new(
        store: Arc<dyn Store>,
        schema: KeySchema,
        options: HitOptions,
    ) -> (Self, HitFlusher) {
        let inner = Inner {
            tally: Tally::new(),
            store,
            schema,
            options,
            clock: ServerClock::default(),
            // Unique, and no secret.
            ledger: Mutex::new(Ledger::new(fastrand::u128(..))),
            failed: AtomicU64::new(0),
        };
        let tracker = Self {
            inner: Arc::new(inner),
        };
        (tracker.clone(), HitFlusher::new(tracker))
    }

    /// Counts a hit of a cache that does not report by itself.
    ///
    /// # Examples
    /// See [`CacheStats`].
    pub fn track_hit<K: KeyFamily>(&self, key: &K) {
        self.track(key, CacheReads::hits(1));
    }

    /// Counts a miss likewise.
    ///
    /// # Examples
    /// See [`CacheStats`].
    pub fn track_miss<K: KeyFamily>(&self, key: &K) {
        self.track(key, CacheReads::misses(1));
    }

    fn track<K: KeyFamily>(&self, _key: &K, reads: CacheReads) {
        let event = Event::cache_read(K::name(), &[], reads);
        self.inner.tally.count(&event);
    }

    /// The fleet's numbers of the last 24 hours: [`stats_of`](Self::stats_of) of the default range.
    ///
    /// # Errors
    /// Those of [`stats_of`](Self::stats_of).
    ///
    /// # Examples
    /// See [`CacheStats`].
    pub async fn stats(&self) -> Result<CacheStats> {
        self.stats_of(HitRange::default()).await
    }

    /// The fleet's numbers of a range of hours: what this process has counted until now, which is flushed first, and what the
    /// others have flushed. The hours are read in one batch, which on a cluster is one round trip a node.
    ///
    /// Where the flush fails, as on a server that takes no writes, the numbers are those without it.
    ///
    /// # Errors
    /// Those of the [store](Store), and [`Unsupported`](cachekit_store::ErrorKind::Unsupported) where it runs no scripts.
    ///
    /// # Cancel safety
    /// A dropped call has flushed or will be made up for.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_insight::{HitOptions, HitTracker};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_insight::HitRange;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
    /// let today = hits.stats_of(HitRange::today()).await?;
    /// assert_eq!((today.total_requests, today.hit_rate), (0, None));
    /// # Ok(()) }
    /// ```
    pub async fn stats_of(&self, range: HitRange) -> Result<CacheStats> {
        let _ = self.flush().await;
        let inner = &*self.inner;
        let now = inner.clock.now(&*inner.store).await?;
        let now = HitWindow::at(now.as_secs())?;
        let windows = range.windows(now, inner.options.keep());
        let call = |window: &HitWindow| {
            ScriptCall::new(vec![inner.schema.hit_key(HitKey::Counts(*window))], vec![])
        };
        let calls: Vec<ScriptCall> = windows.iter().map(call).collect();
        let replies = inner.store.run_script(&READ, &calls).await?;
        CacheStats::of(&windows, replies)
    }

    /// Adds what was counted to the fleet's numbers now; the store is not called where there is nothing to add.
    ///
    /// # Errors
    /// Those of the [store](Store), and [`Unsupported`](cachekit_store::ErrorKind::Unsupported) where it runs no scripts.
    /// No count is lost by it: the next flush adds it, and adds nothing twice.
    ///
    /// # Cancel safety
    /// May be dropped; the next flush goes on.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_insight::{HitOptions, HitTracker};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
    /// hits.flush().await?;
    /// assert_eq!(hits.failed_flushes(), 0);
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) -> Result<()> {
        let inner = &*self.inner;
        let mut ledger = inner.ledger.lock().await;
        let books = Books {
            store: &*inner.store,
            schema: &inner.schema,
            clock: &inner.clock,
            keep: inner.options.keep(),
        };
        let flushed = ledger.flush(inner.tally.totals(), &books).await;
        if flushed.is_err() {
            inner.failed.fetch_add(1, Ordering::Relaxed);
        }
        flushed
    }

    /// What this process has counted since it started, by family, flushed or not. Asks no store.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_insight::{HitOptions, HitTracker};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_store::MemoryStore;
    /// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
    /// assert!(hits.local().is_empty());
    /// ```
    #[must_use]
    pub fn local(&self) -> BTreeMap<&'static str, FamilyStats> {
        let totals = self.inner.tally.totals().into_iter();
        totals
            .map(|(family, counts)| (family, FamilyStats::of(&counts)))
            .collect()
    }

    /// How many flushes have failed.
    ///
    /// # Examples
    /// See [`flush`](Self::flush).
    #[must_use]
    pub fn failed_flushes(&self) -> u64 {
        self.inner.failed.load(Ordering::Relaxed)
    }

    /// The options that it was made with.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_insight::{HitOptions, HitTracker};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_store::MemoryStore;
    /// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
    /// assert_eq!(hits.options(), HitOptions::new());
    /// ```
    pub fn options(&self) -> HitOptions {
        self.inner.options
    }
}

impl Observer for HitTracker {
    fn observe(&self, event: &Event<'_>) {
        self.inner.tally.count(event);
    }
}

impl fmt::Debug for HitTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HitTracker")
            .field("schema", &self.inner.schema)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
