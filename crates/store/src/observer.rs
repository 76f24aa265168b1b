//! How the parts of the kit report what they do, without knowing who listens.

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::Key;

use crate::{Error, ErrorKind, Gap};

/// Hears of what the kit does: counts it, logs it, or shows it.
///
/// It is called in the middle of the work, often many thousand times a second and from many threads: it must not block,
/// and must not call the kit. The layer [`Observed`](crate::Observed) reports the calls of any store; the Redis store, the
/// subscription hub and the other layers report what becomes of connections, attempts and circuits; caches report what they
/// find and load.
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use cachekit_store::{Event, Observer};
///
/// #[derive(Debug, Default)]
/// struct Retries(AtomicU64);
///
/// impl Observer for Retries {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::Retry { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// One thing that happened. Neither values nor credentials are in it; new kinds may be added.
///
/// # Examples
/// See [`Observer`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call of a store ended.
    #[non_exhaustive]
    Call {
        /// The method, or the script's name.
        operation: &'static str,
        /// Keys or runs in the call; 1 where it has none.
        batch: usize,
        /// How it ended.
        outcome: CallOutcome,
        /// From the call to its end.
        elapsed: Duration,
    },
    /// A connection was made, lost, or could not be made.
    #[non_exhaustive]
    Connection {
        /// Host and port.
        address: &'a str,
        /// What became of it.
        state: ConnectionState<'a>,
    },
    /// A subscription may have missed messages.
    #[non_exhaustive]
    Gap {
        /// Why.
        gap: Gap,
    },
    /// The server withdrew a permission while the connection was away: streams that listened there have ended.
    #[non_exhaustive]
    SubscriptionRefused {
        /// What the server said.
        error: &'a Error,
    },
    /// A task of [`Tasks`](crate::Tasks) panicked, and ended by it.
    #[non_exhaustive]
    TaskPanicked {
        /// The task's name.
        name: &'a str,
    },
    /// An invalidation took place, and the announcement of it was given up.
    #[non_exhaustive]
    AnnouncementFailed {
        /// Why.
        error: &'a Error,
    },
    /// A subject went over a threshold of a limit or quota. It is told once for each crossing, by the process that crossed it.
    #[non_exhaustive]
    QuotaWarning {
        /// The name of the limit, or what the quota counts: never an id.
        counted: &'a str,
        /// The threshold, in percent of the limit.
        percent: u8,
        /// What is used now.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// The publication of a quota warning was given up.
    #[non_exhaustive]
    QuotaWarningFailed {
        /// Why.
        error: &'a Error,
    },
    /// A call failed and is repeated.
    #[non_exhaustive]
    Retry {
        /// The method, or the script's name.
        operation: &'static str,
        /// Which repetition this is, from 1.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// Why the last attempt failed.
        error: &'a Error,
    },
    /// A circuit breaker changed its state.
    #[non_exhaustive]
    Circuit {
        /// The state that it has now.
        state: CircuitState,
    },
    /// Keys were looked up in a cache. A batch is one event.
    #[non_exhaustive]
    CacheRead {
        /// The [name of the keys' family](cachekit_keys::KeyFamily::name): never an id.
        family: &'static str,
        /// The keys, in the order of the call.
        keys: &'a [Key],
        /// What was found.
        reads: CacheReads,
    },
    /// A cache answered a miss, which was reported before, with a value past its fresh time.
    #[non_exhaustive]
    CacheServedStale {
        /// The name of the key's family.
        family: &'static str,
    },
    /// A loader was called and ended. One that was cut off with its task is not reported.
    #[non_exhaustive]
    CacheLoad {
        /// The name of the keys' family.
        family: &'static str,
        /// How many keys it was to load.
        keys: usize,
        /// How it ended.
        outcome: CallOutcome,
        /// From the call to its end.
        elapsed: Duration,
    },
    /// A queue of unpersisted writes was set up on a server that may lose them.
    #[non_exhaustive]
    WritesAtRisk {
        /// The queue's name.
        queue: &'a str,
        /// What may cost writes.
        reason: &'static str,
    },
    /// A worker has given a batch of unpersisted writes to the sink.
    #[non_exhaustive]
    WritesDrained {
        /// The queue's name.
        queue: &'a str,
        /// What became of them.
        drained: WritesDrained,
        /// From the claim to the end.
        elapsed: Duration,
    },
    /// What a queue of unpersisted writes holds, as a worker sees it now and then, and when it ends.
    #[non_exhaustive]
    WriteBacklog {
        /// The queue's name.
        queue: &'a str,
        /// Keys with an unpersisted write.
        pending: u64,
        /// For how long the oldest of them has been waiting.
        oldest_age: Duration,
        /// Keys with a dead letter.
        dead_letters: u64,
    },
    /// A worker could not drain a queue of unpersisted writes, and tries again.
    #[non_exhaustive]
    DrainFailed {
        /// The queue's name.
        queue: &'a str,
        /// Why.
        error: &'a Error,
    },
}

/// What became of a batch of unpersisted writes.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::{Event, WritesDrained};
///
/// let mut drained = WritesDrained::default();
/// drained.persisted = 2;
/// drained.writes = 10;
/// assert_eq!(drained.coalescing_ratio(), Some(5.0));
/// let event = Event::writes_drained("project", drained, Duration::from_millis(3));
/// assert!(matches!(event, Event::WritesDrained { queue: "project", .. }));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WritesDrained {
    /// Items that were persisted.
    pub persisted: u64,
    /// Accepted writes that these items stand for.
    pub writes: u64,
    /// Attempts that failed, and are repeated.
    pub retried: u64,
    /// Items that became dead letters.
    pub dead_letters: u64,
}

impl WritesDrained {
    /// Accepted writes for each that was persisted; `None` where there was none.
    ///
    /// # Examples
    /// See [`WritesDrained`].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn coalescing_ratio(&self) -> Option<f64> {
        (self.persisted > 0).then(|| self.writes as f64 / self.persisted as f64)
    }
}

impl<'a> Event<'a> {
    /// A server may lose unpersisted writes, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::Event;
    ///
    /// let event = Event::writes_at_risk("project", "the server keeps no append-only file");
    /// assert!(matches!(event, Event::WritesAtRisk { queue: "project", .. }));
    /// ```
    #[must_use]
    pub const fn writes_at_risk(queue: &'a str, reason: &'static str) -> Self {
        Self::WritesAtRisk { queue, reason }
    }

    /// A batch of unpersisted writes was given to the sink, for who reports it.
    ///
    /// # Examples
    /// See [`WritesDrained`].
    #[must_use]
    pub const fn writes_drained(queue: &'a str, drained: WritesDrained, elapsed: Duration) -> Self {
        Self::WritesDrained {
            queue,
            drained,
            elapsed,
        }
    }

    /// What a queue of unpersisted writes holds, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::Event;
    ///
    /// let event = Event::write_backlog("project", 3, Duration::from_millis(120), 0);
    /// assert!(matches!(event, Event::WriteBacklog { pending: 3, .. }));
    /// ```
    #[must_use]
    pub const fn write_backlog(
        queue: &'a str,
        pending: u64,
        oldest_age: Duration,
        dead_letters: u64,
    ) -> Self {
        Self::WriteBacklog {
            queue,
            pending,
            oldest_age,
            dead_letters,
        }
    }

    /// A queue could not be drained, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind, Event};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "write_claim");
    /// assert!(matches!(Event::drain_failed("project", &error), Event::DrainFailed { .. }));
    /// ```
    #[must_use]
    pub const fn drain_failed(queue: &'a str, error: &'a Error) -> Self {
        Self::DrainFailed { queue, error }
    }

    /// The announcement of an invalidation was given up, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind, Event};
    ///
    /// let error = Error::new(ErrorKind::PermissionDenied, "publish");
    /// assert!(matches!(Event::announcement_failed(&error), Event::AnnouncementFailed { .. }));
    /// ```
    #[must_use]
    pub const fn announcement_failed(error: &'a Error) -> Self {
        Self::AnnouncementFailed { error }
    }

    /// A threshold of a limit was crossed, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::Event;
    /// assert!(matches!(Event::quota_warning("daily", 80, 80, 100), Event::QuotaWarning { .. }));
    /// ```
    #[must_use]
    pub const fn quota_warning(counted: &'a str, percent: u8, used: u64, limit: u64) -> Self {
        Self::QuotaWarning {
            counted,
            percent,
            used,
            limit,
        }
    }

    /// The publication of a quota warning was given up, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind, Event};
    ///
    /// let error = Error::new(ErrorKind::PermissionDenied, "publish");
    /// assert!(matches!(Event::quota_warning_failed(&error), Event::QuotaWarningFailed { .. }));
    /// ```
    #[must_use]
    pub const fn quota_warning_failed(error: &'a Error) -> Self {
        Self::QuotaWarningFailed { error }
    }

    /// Keys were looked up in a cache, for who reports it.
    ///
    /// # Examples
    /// See [`CacheReads`].
    #[must_use]
    pub const fn cache_read(family: &'static str, keys: &'a [Key], reads: CacheReads) -> Self {
        Self::CacheRead {
            family,
            keys,
            reads,
        }
    }

    /// A miss was answered with a stale value, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::Event;
    /// assert!(matches!(Event::cache_served_stale("project"), Event::CacheServedStale { .. }));
    /// ```
    #[must_use]
    pub const fn cache_served_stale(family: &'static str) -> Self {
        Self::CacheServedStale { family }
    }

    /// A loader of so many keys ended, for who reports it.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::{CallOutcome, Event};
    ///
    /// let event = Event::cache_load("project", 1, CallOutcome::Completed, Duration::from_millis(20));
    /// assert!(matches!(event, Event::CacheLoad { keys: 1, .. }));
    /// ```
    #[must_use]
    pub const fn cache_load(
        family: &'static str,
        keys: usize,
        outcome: CallOutcome,
        elapsed: Duration,
    ) -> Self {
        Self::CacheLoad {
            family,
            keys,
            outcome,
            elapsed,
        }
    }
}

/// What a cache found when it looked keys up: each key is a hit or a miss.
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_store::{CacheReads, Event};
///
/// let keys = [Key::from_raw("project:proj456:file_tree")?];
/// let event = Event::cache_read("project", &keys, CacheReads::hits(1));
/// assert!(matches!(event, Event::CacheRead { family: "project", .. }));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReads {
    /// Keys whose answer was in the cache.
    pub hits: u64,
    /// Keys whose answer was not, for whatever reason.
    pub misses: u64,
    /// Of the hits, those which said that there is no value.
    pub negative: u64,
    /// Of the misses, entries that were damaged, of another type, or over the size limit.
    pub corrupt: u64,
    /// Of the misses, entries of a newer version, or of a codec that is not built in.
    pub newer: u64,
}

impl CacheReads {
    /// So many hits and nothing else.
    ///
    /// # Examples
    /// See [`CacheReads`].
    #[must_use]
    pub const fn hits(hits: u64) -> Self {
        Self {
            hits,
            misses: 0,
            negative: 0,
            corrupt: 0,
            newer: 0,
        }
    }

    /// So many misses and nothing else.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_store::CacheReads::misses(2).misses, 2);
    /// ```
    #[must_use]
    pub const fn misses(misses: u64) -> Self {
        Self {
            misses,
            ..Self::hits(0)
        }
    }
}

/// How a call ended.
///
/// # Examples
/// ```
/// use cachekit_store::{CallOutcome, ErrorKind};
/// assert_ne!(CallOutcome::Completed, CallOutcome::Failed(ErrorKind::Timeout));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallOutcome {
    /// With an answer.
    Completed,
    /// With an error of this kind.
    Failed(ErrorKind),
    /// The caller dropped the future before its end.
    Dropped,
}

/// What became of a connection.
///
/// # Examples
/// See [`Event`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionState<'a> {
    /// It was made.
    Connected,
    /// It was given up, or closed by the other side.
    Lost,
    /// It was ended in good order: the store was closed, or nothing needed the connection any more.
    Closed,
    /// It could not be made; the error names the address and the reason.
    Failed(&'a Error),
}

/// What a circuit breaker does with calls.
///
/// # Examples
/// ```
/// use cachekit_store::CircuitState;
/// assert_ne!(CircuitState::Open, CircuitState::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// Calls pass.
    Closed,
    /// Calls are refused at once.
    Open,
    /// One call is let through as a probe, the others are refused.
    HalfOpen,
}

/// Any number of observers as one; none by default, which costs nothing.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_store::{Event, Observer, Observers};
///
/// #[derive(Debug)]
/// struct Silent;
/// impl Observer for Silent {
///     fn observe(&self, _: &Event<'_>) {}
/// }
/// let both = Observers::none().with(Arc::new(Silent)).with(Arc::new(Silent));
/// assert!(!both.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Observers(Option<Arc<[Arc<dyn Observer>]>>);

impl Observers {
    /// Nobody listens.
    ///
    /// # Examples
    /// See [`Observers`].
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// What every store and kit begins with: a `TracingObserver` with the feature `tracing`, nobody without it.
    ///
    /// # Examples
    /// ```
    /// assert!(cachekit_store::Observers::built_in().is_empty() || cfg!(feature = "tracing"));
    /// ```
    #[must_use]
    pub fn built_in() -> Self {
        let observers = Self::none();
        #[cfg(feature = "tracing")]
        let observers = observers.with(Arc::new(crate::TracingObserver));
        observers
    }

    /// Adds one, which is told after those that are there.
    ///
    /// # Examples
    /// See [`Observers`].
    #[must_use]
    pub fn with(self, observer: Arc<dyn Observer>) -> Self {
        let before = self
            .0
            .iter()
            .flat_map(|observers| observers.iter().cloned());
        Self(Some(before.chain([observer]).collect()))
    }

    /// Whether nobody listens.
    ///
    /// # Examples
    /// See [`Observers`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Observer for Observers {
    fn observe(&self, event: &Event<'_>) {
        for observer in self.0.iter().flat_map(|observers| observers.iter()) {
            observer.observe(event);
        }
    }
}
