//! Who warns.

use std::{collections::VecDeque, fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use cachekit_keys::{Channel, KeySchema, UserId};
use cachekit_store::{
    Error, Event, Observer, Observers, Outgoing, Publisher, Result, Store, Tasks,
};

use super::{
    QuotaWarning, Usage,
    message::{event_error, is_source},
};
use crate::error::invalid;

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
    publisher: Publisher<Queue>,
    percents: Arc<[u8]>,
}

/// Warnings, and when each was due.
#[derive(Default)]
struct Queue(VecDeque<(QuotaWarning, SystemTime)>);

impl Queue {
    /// Adds one; answers how many are lost by that.
    fn push(&mut self, warning: QuotaWarning) -> u64 {
        if self.0.len() >= MOST {
            return 1;
        }
        self.0.push_back((warning, SystemTime::now()));
        0
    }
}

impl Outgoing for Queue {
    type Message = (QuotaWarning, SystemTime);

    const TASK: &'static str = "publish quota warnings";

    fn pop(&mut self) -> Option<Self::Message> {
        self.0.pop_front()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }

    fn encode((warning, time): &Self::Message, origin: &str, number: u64) -> Result<Bytes> {
        let event = warning.to_event(format!("{origin}-{number}"), *time)?;
        event.to_json().map_err(|error| event_error("warn", &error))
    }

    fn failure(error: &Error) -> Event<'_> {
        Event::quota_warning_failed(error)
    }
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
            publisher: Publisher::new(store, channel),
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
    ///     .with_origin("api-7")?;
    /// assert_eq!(warnings.origin(), "api-7");
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.publisher = self.publisher.with_tasks(tasks);
        self
    }

    /// Sets who is told of each warning, and of those that were given up. It starts anew: what an earlier clone has queued or
    /// counted stays with it.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn with_observers(mut self, observers: Observers) -> Self {
        self.publisher = self.publisher.with_observers(observers);
        self
    }

    /// Sets the name under which it warns, which is to be no other process's. It starts anew, as
    /// [`with_observers`](Self::with_observers) does.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a name that cannot be part of an event's source, as one
    /// with spaces.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    pub fn with_origin(mut self, origin: impl Into<String>) -> Result<Self> {
        let origin = origin.into();
        if !is_source(&origin) {
            return Err(invalid("warnings", "the name cannot be part of a source"));
        }
        self.publisher = self.publisher.with_origin(origin);
        Ok(self)
    }

    /// The name under which it warns.
    ///
    /// # Examples
    /// See [`with_tasks`](Self::with_tasks).
    #[must_use]
    pub fn origin(&self) -> &str {
        self.publisher.origin()
    }

    /// How it went so far.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    #[must_use]
    pub fn counts(&self) -> Warned {
        Warned {
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
    /// See [`QuotaWarnings`].
    pub async fn settled(&self) {
        self.publisher.settled().await;
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
            self.publisher.observers().observe(&event);
            let warning = QuotaWarning::of(subject, usage, *percent, self.origin());
            self.publisher.hand_over(|queue| queue.push(warning));
        }
    }
}

impl fmt::Debug for QuotaWarnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaWarnings")
            .field("origin", &self.origin())
            .field("percents", &self.percents)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
