//! Messages that are published in the background, by whoever must not wait for it.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, time::sleep};

use crate::{Error, Event, Observer, Observers, Result, StopSignal, Store, Tasks};

/// How often a message is repeated that the store could not take, and how long after the first failure.
const REPEATS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What waits to be published: bounded, in an order of its own, and with an answer to what cannot be published.
///
/// # Examples
/// See [`Publisher`].
pub trait Outgoing: Default + Send + 'static {
    /// One message.
    type Message: Send + Sync;

    /// The name of the task that publishes.
    const TASK: &'static str;

    /// Takes out the message that is published next.
    fn pop(&mut self) -> Option<Self::Message>;

    /// How many messages wait.
    fn waiting(&self) -> usize;

    /// What goes out for a message of the publisher of this name. The number is another one for each message.
    ///
    /// # Errors
    /// Those of the encoding; the message is given up.
    fn encode(message: &Self::Message, origin: &str, number: u64) -> Result<Bytes>;

    /// What observers are told of messages that were given up.
    fn failure(error: &Error) -> Event<'_>;

    /// A message was published.
    fn published(&mut self) {}

    /// A message was given up: the store would not take it, or was away for too long.
    fn give_up(&mut self, _error: &Error) -> GivenUp {
        GivenUp {
            lost: 1,
            rest: Duration::ZERO,
        }
    }

    /// Whether what waits stands for messages that were given up, so that nobody [waits](Publisher::settled) for it.
    fn is_owing(&self) -> bool {
        false
    }
}

/// What follows when a message was given up.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::GivenUp;
///
/// let given_up = GivenUp { lost: 3, rest: Duration::from_secs(5) };
/// assert_eq!(given_up.lost, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// How many messages are thereby counted as failed. Observers are told unless it is 0.
    pub lost: u64,
    /// How long nothing is published then; a shutdown does not wait for that.
    pub rest: Duration,
}

/// Publishes messages on one channel in the background, one after the other. Cheap to clone; clones are one publisher.
///
/// It works on a task of its [tracker](Tasks), which ends when nothing waits: who [hands over](Self::hand_over) a message pays no
/// round trip, and no failure reaches it. A message that the store could not take is repeated for some three seconds where
/// that can help; so a listener may hear it twice. How many may wait, and what becomes of one that is given up, the
/// [queue](Outgoing) says.
///
/// # Examples
/// ```
/// use std::{collections::VecDeque, sync::Arc};
///
/// use bytes::Bytes;
/// use cachekit_store::{Error, Event, MemoryStore, Outgoing, Publisher, Result};
///
/// /// Texts, of which ten wait at most.
/// #[derive(Default)]
/// struct Texts(VecDeque<&'static str>);
///
/// impl Outgoing for Texts {
///     type Message = &'static str;
///     const TASK: &'static str = "tell the news";
///
///     fn pop(&mut self) -> Option<&'static str> {
///         self.0.pop_front()
///     }
///     fn waiting(&self) -> usize {
///         self.0.len()
///     }
///     fn encode(text: &&'static str, origin: &str, number: u64) -> Result<Bytes> {
///         Ok(format!("{origin}-{number}: {text}").into())
///     }
///     fn failure(error: &Error) -> Event<'_> {
///         Event::announcement_failed(error)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let publisher = Publisher::<Texts>::new(Arc::new(MemoryStore::new()), "news");
/// publisher.hand_over(|texts| match texts.0.len() {
///     10.. => 1, // full: one message is lost
///     _ => {
///         texts.0.push_back("hello");
///         0
///     }
/// });
/// publisher.settled().await;
/// assert_eq!((publisher.published(), publisher.failed()), (1, 0));
/// # Ok(()) }
/// ```
pub struct Publisher<Q> {
    shared: Arc<Shared<Q>>,
    tasks: Tasks,
}

/// What the task shares. It holds no tracker, so that the task does not keep its own alive.
struct Shared<Q> {
    store: Arc<dyn Store>,
    channel: Bytes,
    origin: String,
    observers: Observers,
    state: Mutex<State<Q>>,
    settled: Notify,
    number: AtomicU64,
    published: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct State<Q> {
    queue: Q,
    /// Whether someone publishes.
    is_served: bool,
    /// Whether one was taken out, and is on its way.
    is_sending: bool,
}

impl<Q: Outgoing> Publisher<Q> {
    /// Publishes through `store` on `channel`, under a random name, and on a tracker of its own, which ends with the last clone.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn new(store: Arc<dyn Store>, channel: impl Into<Bytes>) -> Self {
        Self {
            shared: Arc::new(Shared::new(store, channel.into())),
            tasks: Tasks::new(),
        }
    }

    /// Sets the tracker that the work runs on, whose shutdown waits for what is still to be published.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Sets who is told of messages that were given up. It starts anew: what an earlier clone has queued or counted stays with
    /// it.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn with_observers(self, observers: Observers) -> Self {
        self.anew(|shared| shared.observers = observers)
    }

    /// Sets the name under which it publishes, which is to be no other publisher's. It starts anew, as
    /// [`with_observers`](Self::with_observers) does.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn with_origin(self, origin: impl Into<String>) -> Self {
        self.anew(|shared| shared.origin = origin.into())
    }

    /// The name under which it publishes.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Who is told of messages that were given up.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn observers(&self) -> &Observers {
        &self.shared.observers
    }

    /// How many messages were published.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }

    /// How many messages were given up: the user may not publish, the store was away for too long, too many waited, or the tracker
    /// has ended.
    ///
    /// # Examples
    /// See [`Publisher`].
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Hands over messages: `add` puts them into the queue, without blocking, and answers how many were lost by that. What waits
    /// outside of a tokio runtime is published with the next one that is handed over within.
    ///
    /// # Examples
    /// See [`Publisher`].
    pub fn hand_over(&self, add: impl FnOnce(&mut Q) -> u64) {
        let lost = add(&mut self.shared.state.lock().queue);
        self.shared.failed.fetch_add(lost, Ordering::Relaxed);
        self.serve();
    }

    /// Waits until everything that was handed over has been published or given up.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    ///
    /// # Examples
    /// See [`Publisher`].
    pub async fn settled(&self) {
        loop {
            self.serve();
            let mut notified = pin!(self.shared.settled.notified());
            notified.as_mut().enable(); // register, then look
            if self.shared.state.lock().is_settled() {
                return;
            }
            notified.await;
        }
    }

    fn anew(self, change: impl FnOnce(&mut Shared<Q>)) -> Self {
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

    /// Has what waits published, unless someone does already.
    fn serve(&self) {
        let must_serve = {
            let mut state = self.shared.state.lock();
            // Without a runtime, as while one ends, there is nobody to serve. Whoever comes next does.
            let waits = !state.is_served && state.queue.waiting() > 0;
            let must_serve = waits && Handle::try_current().is_ok();
            state.is_served |= must_serve;
            must_serve
        };
        if must_serve {
            let serving = Serving(Arc::clone(&self.shared));
            let run = |stop| serving.run(stop);
            // A refused task is dropped, and with it the service.
            let _ = self.tasks.spawn_until_stopped(Q::TASK, run);
        }
    }
}

impl<Q> Clone for Publisher<Q> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            tasks: self.tasks.clone(),
        }
    }
}

impl<Q> fmt::Debug for Publisher<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("origin", &self.shared.origin)
            .field("published", &self.shared.published)
            .field("failed", &self.shared.failed)
            .finish_non_exhaustive()
    }
}

impl<Q: Outgoing> State<Q> {
    fn is_settled(&self) -> bool {
        self.queue.is_owing() || (!self.is_served && self.queue.waiting() == 0)
    }
}

/// The task that publishes what waits, and ends when nothing does.
struct Serving<Q: Outgoing>(Arc<Shared<Q>>);

impl<Q: Outgoing> Serving<Q> {
    async fn run(self, stop: StopSignal) {
        while let Some(message) = self.next() {
            let Err(rest) = self.0.publish(&message).await else {
                continue;
            };
            if rest.is_zero() {
                continue;
            }
            let (resting, stopped) = (pin!(sleep(rest)), pin!(stop.stopped()));
            if let Either::Right(_) = select(resting, stopped).await {
                break;
            }
        }
    }

    /// The next one to be published; with none left the service has ended.
    fn next(&self) -> Option<Q::Message> {
        let mut state = self.0.state.lock();
        let next = state.queue.pop();
        state.is_served = next.is_some();
        state.is_sending = next.is_some();
        next
    }
}

impl<Q: Outgoing> Drop for Serving<Q> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.is_served {
            // Ended, cut off, or never begun. Nobody publishes what is left, and the one on its way may not have arrived; what is
            // owed has been counted.
            let lost = match state.queue.is_owing() {
                true => 0,
                false => state.queue.waiting() + usize::from(state.is_sending),
            };
            self.0.failed.fetch_add(lost as u64, Ordering::Relaxed);
            *state = State::default();
        }
        drop(state);
        self.0.settled.notify_waiters();
    }
}

impl<Q: Outgoing> Shared<Q> {
    /// Nothing queued, counted or told, under a random name.
    fn new(store: Arc<dyn Store>, channel: Bytes) -> Self {
        Self {
            store,
            channel,
            origin: format!("{:016x}", fastrand::u64(..)),
            observers: Observers::none(),
            state: Mutex::default(),
            settled: Notify::new(),
            number: AtomicU64::new(0),
            published: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Publishes one message, or says how long to rest.
    async fn publish(&self, message: &Q::Message) -> Result<(), Duration> {
        let sent = self.publish_repeatedly(message).await;
        let mut state = self.state.lock();
        state.is_sending = false;
        let Err(error) = sent else {
            state.queue.published();
            self.published.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let GivenUp { lost, rest } = state.queue.give_up(&error);
        drop(state);
        self.failed.fetch_add(lost, Ordering::Relaxed);
        if lost > 0 {
            self.observers.observe(&Q::failure(&error));
        }
        self.settled.notify_waiters();
        Err(rest)
    }

    async fn publish_repeatedly(&self, message: &Q::Message) -> Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let payload = Q::encode(message, &self.origin, number)?;
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS {
            match self.store.publish(&self.channel, payload.clone()).await {
                Err(error) if error.is_retryable() => {}
                other => return other.map(drop),
            }
            sleep(pause).await;
            pause *= 2;
        }
        // A listener that hears it twice has to bear that.
        self.store.publish(&self.channel, payload).await.map(drop)
    }
}
