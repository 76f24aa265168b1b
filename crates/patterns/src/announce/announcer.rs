//! Who announces.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::{Channel, KeySchema};
use cachekit_store::{
    Error, ErrorKind, Event, Observer, Observers, Result, StopSignal, Store, Tasks,
};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, time::sleep};

use super::{CacheInvalidated, Cleared, queue::Queue};

/// How often an announcement is repeated that the store could not take, and how long after the first failure.
const REPEATS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long it rests after it has given up, and after a refusal that repeating would not mend.
const REST: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(60);

/// Which invalidations are announced.
///
/// # Examples
/// See [`Announcer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announce {
    /// None.
    Nothing,
    /// What clears many entries: by owner, tag or pattern. Removals of single keys are not; the default.
    #[default]
    Clearings,
    /// Removals of single keys too.
    Everything,
}

/// How announcing went.
///
/// # Examples
/// See [`Announcer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announced {
    /// Events published.
    pub published: u64,
    /// Events given up: the user may not publish, the store was away for too long, or the tracker has ended.
    pub failed: u64,
}

/// Publishes what was invalidated on the channel `system:cache_invalidation`. Cheap to clone; clones are one announcer.
///
/// It works in the background, on a task of its [tracker](Tasks): an invalidation hands over what it did and pays no round
/// trip. Removals that come close together go out together. Where the store does not keep up, what waits (256 events) becomes
/// one announcement that everything was cleared, so that a listener never has to suspect a hole.
///
/// A failed announcement fails no invalidation. It is repeated for some three seconds where that can help. What is given up is
/// [counted](Self::counts) and told to the [observers](Self::with_observers), and becomes one announcement that everything was
/// cleared: it is tried every five seconds, or after a refusal that repeating would not mend (for want of a permission) every
/// minute, until a listener could hear it or the tracker ends. On a server with access control lists, the user needs `&system:cache_invalidation`, with
/// the namespace in front.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, SessionId};
/// use cachekit_patterns::{Announce, Announcement, Announcer, Cleared, LevelCaches};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
/// let announcer = Announcer::new(store.clone(), schema.clone()).with(Announce::Everything);
/// let levels = LevelCaches::builder(store, schema).announcer(announcer.clone()).build()?;
///
/// let mut heard = levels.invalidation().announcements().await?;
/// let session = levels.session(&SessionId::new("abc123")?);
/// session.clear().await?;
/// announcer.settled().await;
/// assert_eq!(announcer.counts().published, 1);
///
/// assert!(matches!(heard.next().await, Some(Announcement::Gap(_)))); // from here on nothing is missing
/// let Some(Announcement::Invalidated(event)) = heard.next().await else { panic!("an event") };
/// assert_eq!(event.cleared, Cleared::Session(session.id().clone()));
/// assert_eq!(event.origin, announcer.origin());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Announcer {
    shared: Arc<Shared>,
    tasks: Tasks,
    announce: Announce,
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

impl Announcer {
    /// Announces [clearings](Announce::Clearings) through `store`, on the channel as `schema` names it, under a random name,
    /// and on a tracker of its own, which ends with the last clone.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        let channel = schema.channel_name(&Channel::CACHE_INVALIDATION);
        Self {
            shared: Arc::new(Shared::new(store, channel)),
            tasks: Tasks::new(),
            announce: Announce::default(),
        }
    }

    /// Sets which invalidations are announced.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn with(mut self, announce: Announce) -> Self {
        self.announce = announce;
        self
    }

    /// Sets the tracker that the work runs on, whose shutdown waits for what is still to be announced.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Announcer;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::{Observers, Tasks};
    ///
    /// let announcer = Announcer::new(Arc::new(MemoryStore::new()), KeySchema::plain())
    ///     .with_tasks(Tasks::new())
    ///     .with_observers(Observers::none())
    ///     .with_origin("api-7")?;
    /// assert_eq!(announcer.origin(), "api-7");
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Sets who is told of announcements that failed. It starts anew: what an earlier clone has queued or counted stays with it.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn with_observers(self, observers: Observers) -> Self {
        self.anew(|shared| shared.observers = observers)
    }

    /// Sets the name under which it announces, which is to be no other announcer's. It starts anew, as
    /// [`with_observers`](Self::with_observers) does.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that cannot be part of an event's source, as one with spaces.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    pub fn with_origin(self, origin: impl Into<String>) -> Result<Self> {
        let origin = origin.into();
        let event = CacheInvalidated::new(Cleared::Everything, origin.clone());
        event
            .to_event("0", SystemTime::UNIX_EPOCH)
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "with_origin"))?;
        Ok(self.anew(|shared| shared.origin = origin))
    }

    /// The name under which it announces.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// How it went so far.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn counts(&self) -> Announced {
        Announced {
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
    /// See [`Announcer`].
    pub async fn settled(&self) {
        loop {
            self.serve();
            let notified = self.shared.settled.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable(); // register, then look
            {
                let queue = self.shared.queue.lock();
                if queue.is_owing || (!queue.is_served && queue.len() == 0) {
                    return;
                }
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

    /// Announces what is about to be cleared, when that has ended.
    pub(crate) fn clearing(&self, cleared: impl FnOnce() -> Cleared) -> Option<Telling<'_>> {
        (self.announce != Announce::Nothing).then(|| Telling::new(self, cleared()))
    }

    /// The same for single keys.
    pub(crate) fn removal(&self, cleared: impl FnOnce() -> Cleared) -> Option<Telling<'_>> {
        (self.announce == Announce::Everything).then(|| Telling::new(self, cleared()))
    }

    /// Hands over what was cleared.
    fn tell(&self, cleared: Cleared) {
        self.shared.push(cleared);
        self.serve();
    }

    /// Has what waits published, unless someone does already.
    fn serve(&self) {
        let must_serve = {
            let mut queue = self.shared.queue.lock();
            // Without a runtime, as while one ends, there is nobody to serve. Whoever comes next does.
            let must_serve = !queue.is_served && queue.len() > 0 && Handle::try_current().is_ok();
            queue.is_served |= must_serve;
            must_serve
        };
        if must_serve {
            let serving = Serving(Arc::clone(&self.shared));
            let run = |stop| serving.run(stop);
            // A refused task is dropped, and with it the service.
            let _ = self
                .tasks
                .spawn_until_stopped("announce invalidations", run);
        }
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer")
            .field("origin", &self.shared.origin)
            .field("announce", &self.announce)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// An invalidation under way, which is announced in whatever way it ends: also where its caller goes away in the middle, or
/// only a part of it has taken place.
pub(crate) struct Telling<'a> {
    announcer: &'a Announcer,
    cleared: Option<Cleared>,
}

impl<'a> Telling<'a> {
    fn new(announcer: &'a Announcer, cleared: Cleared) -> Self {
        Self {
            announcer,
            cleared: Some(cleared),
        }
    }

    /// Ends it. Where nothing can have taken place, nothing is announced.
    pub(crate) fn end<T>(mut telling: Option<Self>, result: Result<T>) -> Result<T> {
        if let (Some(telling), Err(error)) = (&mut telling, &result)
            && !error.may_have_applied()
        {
            telling.cleared = None;
        }
        result
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if let Some(cleared) = self.cleared.take() {
            self.announcer.tell(cleared);
        }
    }
}

/// The task that publishes what waits, and ends when nothing does.
struct Serving(Arc<Shared>);

impl Serving {
    async fn run(self, stop: StopSignal) {
        while let Some(cleared) = self.next() {
            let Err(rest) = self.0.publish(cleared).await else {
                continue;
            };
            self.0.owe_everything();
            let (resting, stopped) = (pin!(sleep(rest)), pin!(stop.stopped()));
            if let Either::Right(_) = select(resting, stopped).await {
                break;
            }
        }
    }

    /// The next one to be published; with none left the service has ended.
    fn next(&self) -> Option<Cleared> {
        let mut queue = self.0.queue.lock();
        let next = queue.pop();
        queue.is_served = next.is_some();
        next
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        if queue.is_served {
            // Ended, cut off, or never begun. What is left can be announced by nobody; what is owed has been counted.
            queue.is_served = false;
            let left = if queue.is_owing { 0 } else { queue.len() };
            self.0.failed.fetch_add(left as u64, Ordering::Relaxed);
            queue.clear();
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

    fn push(&self, cleared: Cleared) {
        let mut queue = self.queue.lock();
        if queue.is_owing {
            // It is part of what is owed.
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        queue.push(cleared);
    }

    /// Publishes one announcement, or says how long to rest before the next try.
    async fn publish(&self, cleared: Cleared) -> Result<(), Duration> {
        match self.publish_repeatedly(cleared).await {
            Ok(()) => {
                self.published.fetch_add(1, Ordering::Relaxed);
                self.queue.lock().is_owing = false;
                Ok(())
            }
            Err(error) => {
                if !self.queue.lock().is_owing {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    self.observers.observe(&Event::announcement_failed(&error));
                }
                Err(if error.is_retryable() { REST } else { SILENCE })
            }
        }
    }

    /// What was given up, and what waits, becomes one announcement that everything was cleared.
    fn owe_everything(&self) {
        let mut queue = self.queue.lock();
        if !queue.is_owing {
            self.failed.fetch_add(queue.len() as u64, Ordering::Relaxed);
        }
        queue.push(Cleared::Everything);
        queue.is_owing = true;
        drop(queue);
        self.settled.notify_waiters();
    }

    async fn publish_repeatedly(&self, cleared: Cleared) -> Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let message = CacheInvalidated::new(cleared, self.origin.clone());
        let event = message.to_event(format!("{}-{number}", self.origin), SystemTime::now())?;
        let payload = event.to_json().map_err(|error| {
            Error::new(ErrorKind::Encode, "announce").with_detail(error.to_string())
        })?;
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS {
            match self.store.publish(&self.channel, payload.clone()).await {
                Err(error) if error.is_retryable() => {}
                other => return other.map(drop),
            }
            sleep(pause).await;
            pause *= 2;
        }
        // A listener that hears an event twice drops twice.
        self.store.publish(&self.channel, payload).await.map(drop)
    }
}
