//! Who announces.

use std::{fmt, sync::Arc, time::SystemTime};

use cachekit_keys::{Channel, KeySchema};
use cachekit_store::{Error, ErrorKind, Observers, Publisher, Result, Store, Tasks};

use super::{CacheInvalidated, Cleared, queue::Queue};

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
    /// Removals of single keys too, and deletions through the cache. A value that is written takes an older one's place without a word.
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
    publisher: Publisher<Queue>,
    announce: Announce,
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
            publisher: Publisher::new(store, channel),
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
        self.publisher = self.publisher.with_tasks(tasks);
        self
    }

    /// Sets who is told of announcements that failed. It starts anew: what an earlier clone has queued or counted stays with it.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn with_observers(mut self, observers: Observers) -> Self {
        self.publisher = self.publisher.with_observers(observers);
        self
    }

    /// Sets the name under which it announces, which is to be no other announcer's. It starts anew, as
    /// [`with_observers`](Self::with_observers) does.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that cannot be part of an event's source, as one with spaces.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    pub fn with_origin(mut self, origin: impl Into<String>) -> Result<Self> {
        let origin = origin.into();
        let event = CacheInvalidated::new(Cleared::Everything, origin.clone());
        event
            .to_event("0", SystemTime::UNIX_EPOCH)
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "with_origin"))?;
        self.publisher = self.publisher.with_origin(origin);
        Ok(self)
    }

    /// The name under which it announces.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn origin(&self) -> &str {
        self.publisher.origin()
    }

    /// How it went so far.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn counts(&self) -> Announced {
        Announced {
            published: self.publisher.published(),
            failed: self.publisher.failed(),
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
        self.publisher.settled().await;
    }

    /// Announces what is about to be cleared, when that has ended.
    pub(crate) fn clearing(&self, cleared: impl FnOnce() -> Cleared) -> Option<Telling<'_>> {
        (self.announce != Announce::Nothing).then(|| Telling::new(self, cleared()))
    }

    /// The same for single keys.
    pub(crate) fn removal(&self, cleared: impl FnOnce() -> Cleared) -> Option<Telling<'_>> {
        (self.announce == Announce::Everything).then(|| Telling::new(self, cleared()))
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer")
            .field("origin", &self.origin())
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
            let publisher = &self.announcer.publisher;
            publisher.hand_over(|queue| queue.hand_over(cleared));
        }
    }
}
