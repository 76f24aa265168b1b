//! Who warns.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::{Channel, KeySchema, UserId};
use cachekit_store::{Event, Observer, Observers, Result, Store, Tasks};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, time::sleep};

use super::{QuotaWarning, Usage, message::event_error};
use crate::error::invalid;

/// How often a warning is repeated that the store could not take, and how long after the first failure.
const REPEATS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Most warnings that wait.
const MOST: usize = 256;
/// Most thresholds.
const MAX_THRESHOLDS: usize = 8;

/// How warning went.
///
/// # Examples
/// See [`QuotaWarnings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warned {
    /// Events published.
    pub published: u64,
    /// Events given up: the user may not publish, the store was away for too long, too many waited, or the tracker has ended.
    pub failed: u64,
}

/// Publishes on the channel `system:quota_warning` who has nearly used up a limit or a quota. Cheap to clone; clones are one
/// sender.
///
/// Hand it to [`Limiter::warning`](crate::Limiter::warning) and [`Quota::warning`](crate::Quota::warning). A warning is sent by
/// the call that raises the usage over a threshold, in whatever process: the script's own figures decide it, and no memory of
/// a process. So there is one for each crossing, and another when the usage has fallen and rises again, as in the next window.
/// A call whose answer nobody got (its caller went away, or it timed out) has warned nobody.
///
/// It works in the background, on a task of its [tracker](Tasks): the decision pays no round trip, and no failure reaches it. A
/// failed publication is repeated for some three seconds where that can help; 256 warnings wait at most, and what comes then
/// is given up. What is given up is [counted](Self::counts) and told to the [observers](Self::with_observers), as every warning
/// is. On a server with access control lists, the user needs `&system:quota_warning`, with the namespace in front.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::{KeySchema, UserId};
/// use cachekit_limits::{Limit, Limiter, QuotaWarnings};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
/// let warnings = QuotaWarnings::new(store.clone(), schema.clone()).at(&[80, 100])?;
/// let limiter = Limiter::new(store, schema, Limit::daily(10)?).warning(&warnings);
///
/// let user = UserId::new("user123")?;
/// for _ in 0..9 {
///     assert!(limiter.check(&user, 1).await?.is_allowed());
/// }
/// warnings.settled().await;
/// assert_eq!(warnings.counts().published, 1); // the eighth
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct QuotaWarnings {
    shared: Arc<Shared>,
    tasks: Tasks,
    percents: Arc<[u8]>,
}

/// What the task shares. It holds no tracker, so that the task does not keep its own alive.
struct Shared {
    store: Arc<dyn Store>,
    channel: Bytes,
    origin: String,
    observers: Observers,
    queue: Mutex<Queue>,
    settled: Notify,
    number: AtomicU64,
    published: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(QuotaWarning, SystemTime)>,
    /// Whether someone publishes.
    is_served: bool,
    /// Whether one was taken out, and is on its way.
    is_sending: bool,
}

impl QuotaWarnings {
    /// Warns at 80 % through `store`, on the channel as `schema` names it, under a random name, and on a tracker of its own,
    /// which ends with the last clone.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        let channel = schema.channel_name(&Channel::QUOTA_WARNING);
        Self {
            shared: Arc::new(Shared::new(store, channel)),
            tasks: Tasks::new(),
            percents: Arc::new([80]),
        }
    }

    /// Sets the thresholds, in percent of the limit.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for no threshold, more than 8, or one outside of 1 to 100.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    pub fn at(mut self, percents: &[u8]) -> Result<Self> {
        let valid = percents.iter().all(|percent| (1..=100).contains(percent));
        if percents.is_empty() || percents.len() > MAX_THRESHOLDS || !valid {
            return Err(invalid(
                "warnings",
                "there are 1 to 8 thresholds of 1 to 100 percent",
            ));
        }
        self.percents = percents.into();
        Ok(self)
    }

    /// Sets the tracker that the work runs on, whose shutdown waits for what is still to be published.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_limits::QuotaWarnings;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::{Observers, Tasks};
    ///
    /// let warnings = QuotaWarnings::new(Arc::new(MemoryStore::new()), KeySchema::plain())
    ///     .with_tasks(Tasks::new())
    ///     .with_observers(Observers::none())
    ///     .with_origin("api-7");
    /// assert_eq!(warnings.origin(), "api-7");
    /// ```
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Sets who is told of each warning, and of those that were given up. It starts anew: what an earlier clone has queued or
    /// counted stays with it.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn with_observers(self, observers: Observers) -> Self {
        self.anew(|shared| shared.observers = observers)
    }

    /// Sets the name under which it warns: short, without spaces, and no other process's. It starts anew, as
    /// [`with_observers`](Self::with_observers) does.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn with_origin(self, origin: impl Into<String>) -> Self {
        self.anew(|shared| shared.origin = origin.into())
    }

    /// The name under which it warns.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// How it went so far.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    #[must_use]
    pub fn counts(&self) -> Warned {
        Warned {
            published: self.shared.published.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    /// Waits until everything that was handed over has been published or given up.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    pub async fn settled(&self) {
        loop {
            self.serve();
            let mut notified = std::pin::pin!(self.shared.settled.notified());
            notified.as_mut().enable(); // register, then look
            if self.shared.queue.lock().is_idle() {
                return;
            }
            notified.await;
        }
    }

    fn anew(self, change: impl FnOnce(&mut Shared)) -> Self {
        let old = &self.shared;
        let mut shared = Shared {
            origin: old.origin.clone(),
            observers: old.observers.clone(),
            ..Shared::new(Arc::clone(&old.store), old.channel.clone())
        };
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
            ..self
        }
    }

    /// Warns of every threshold that the call has crossed.
    pub(crate) fn tell(&self, subject: &UserId, usage: &Usage<'_>) {
        // The thresholds are looked at first: hardly any call crosses one.
        for percent in self
            .percents
            .iter()
            .filter(|percent| usage.crosses(**percent))
        {
            let event = Event::quota_warning(usage.counted, *percent, usage.after, usage.limit);
            self.shared.observers.observe(&event);
            let warning = QuotaWarning::of(subject, usage, *percent, &self.shared.origin);
            self.shared.push(warning);
            self.serve();
        }
    }

    /// Has what waits published, unless someone does already.
    fn serve(&self) {
        let must_serve = {
            let mut queue = self.shared.queue.lock();
            // Without a runtime, as while one ends, there is nobody to serve. Whoever comes next does.
            let waits = !queue.is_served && !queue.waiting.is_empty();
            let must_serve = waits && Handle::try_current().is_ok();
            queue.is_served |= must_serve;
            must_serve
        };
        if must_serve {
            let serving = Serving(Arc::clone(&self.shared));
            // A refused task is dropped, and with it the service.
            let _ = self.tasks.spawn("publish quota warnings", serving.run());
        }
    }
}

impl fmt::Debug for QuotaWarnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaWarnings")
            .field("origin", &self.shared.origin)
            .field("percents", &self.percents)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Queue {
    fn is_idle(&self) -> bool {
        !self.is_served && self.waiting.is_empty()
    }
}

/// The task that publishes what waits, and ends when nothing does.
struct Serving(Arc<Shared>);

impl Serving {
    async fn run(self) {
        while let Some((warning, time)) = self.next() {
            self.0.publish(&warning, time).await;
        }
    }

    /// The next one to be published; with none left the service has ended.
    fn next(&self) -> Option<(QuotaWarning, SystemTime)> {
        let mut queue = self.0.queue.lock();
        let next = queue.waiting.pop_front();
        queue.is_served = next.is_some();
        queue.is_sending = next.is_some();
        next
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        if queue.is_served {
            // Cut off, or never begun. Nobody sends what is left, and the one on its way may not have arrived.
            let queue = mem::take(&mut *queue);
            let lost = queue.waiting.len() + usize::from(queue.is_sending);
            self.0.failed.fetch_add(lost as u64, Ordering::Relaxed);
        }
        drop(queue);
        self.0.settled.notify_waiters();
    }
}

impl Shared {
    /// Nothing queued, counted or told, under a random name.
    fn new(store: Arc<dyn Store>, channel: Bytes) -> Self {
        Self {
            store,
            channel,
            origin: format!("{:016x}", fastrand::u64(..)),
            observers: Observers::none(),
            queue: Mutex::default(),
            settled: Notify::new(),
            number: AtomicU64::new(0),
            published: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    fn push(&self, warning: QuotaWarning) {
        let mut queue = self.queue.lock();
        if queue.waiting.len() < MOST {
            queue.waiting.push_back((warning, SystemTime::now()));
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn publish(&self, warning: &QuotaWarning, time: SystemTime) {
        match self.publish_repeatedly(warning, time).await {
            Ok(()) => {
                self.published.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.observers.observe(&Event::quota_warning_failed(&error));
            }
        }
    }

    async fn publish_repeatedly(&self, warning: &QuotaWarning, time: SystemTime) -> Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let event = warning.to_event(format!("{}-{number}", self.origin), time)?;
        let payload = event
            .to_json()
            .map_err(|error| event_error("warn", &error))?;
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS {
            match self.store.publish(&self.channel, payload.clone()).await {
                Err(error) if error.is_retryable() => {}
                other => return other.map(drop),
            }
            sleep(pause).await;
            pause *= 2;
        }
        // A listener knows an event that it hears twice by its source and id.
        self.store.publish(&self.channel, payload).await.map(drop)
    }
}
