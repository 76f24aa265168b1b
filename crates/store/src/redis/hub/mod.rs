//! All subscriptions of a store over one connection of their own.
//!
//! A subscriber enters itself among the listeners, leaves a request at the [`desk`], and waits for the answer within its
//! deadline. One [`task`] works the requests off: it connects when the first comes, asks the server for the names that
//! someone wants, gives up those that nobody wants any more, and after a loss comes back and asks for everything again.
//! A name is asked for once, however many listen to it; many requests go in one round trip.
//!
//! Messages do not pass through the task: the connection's own task hands them to the listeners, which never makes it
//! wait. So a slow listener costs nobody else anything, and nothing is buffered but in the listeners' bounded queues.
//!
//! In a cluster a node passes messages on to the others only while they count it among themselves, and answers all the same
//! when they do not. So it is looked after: one that has left is left.
//!
//! The connection is kept while somebody listens, and for a minute after that.

mod desk;
mod endpoint;
mod session;
mod task;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, task::AbortHandle};

use self::desk::Desk;
pub(super) use self::endpoint::{Endpoints, Standing};
use crate::{
    Error, ErrorKind, Observers, Result, SubscribeRequest, Subscription,
    subscription::listeners::Listeners,
};

/// What a hub needs to know beside its servers.
#[derive(Clone, Debug)]
pub(super) struct HubOptions {
    /// Deadline of `subscribe`. A connection counts as dead when a request has no answer for twice as long, and nothing
    /// else is heard either.
    pub(super) request_timeout: Duration,
    /// After one to two of these without a sound the server is asked for a sign of life.
    pub(super) silence: Duration,
    /// How long the connection is kept when nobody listens.
    pub(super) idle: Duration,
    pub(super) observers: Observers,
}

impl HubOptions {
    /// With the usual times for silence and idleness.
    pub(super) fn new(request_timeout: Duration, observers: Observers) -> Self {
        Self {
            request_timeout,
            silence: Duration::from_secs(2),
            idle: Duration::from_secs(60),
            observers,
        }
    }
}

/// A store's subscriptions. Dropping it ends them.
pub(super) struct Hub {
    shared: Arc<Shared>,
}

/// What the hub shares with its task.
struct Shared {
    endpoints: Box<dyn Endpoints>,
    options: HubOptions,
    listeners: Arc<Listeners>,
    desk: Arc<Desk>,
    place: Mutex<Place>,
    /// Failures in a row, for the back-off. It outlives the task, which ends when nobody listens.
    failures: AtomicU32,
    /// The node that was left last, because messages did not reach it.
    avoided: Mutex<Option<String>>,
    /// Connections made so far, to tell the messages of one from those of another.
    sources: AtomicU64,
}

/// The place of the one task.
#[derive(Default)]
struct Place {
    task: Option<AbortHandle>,
    closed: bool,
}

impl Hub {
    /// A hub that connects to one of the servers that `endpoints` names at the moment, whichever can be reached. In a
    /// cluster any node will do: messages reach all of them.
    pub(super) fn new(options: HubOptions, endpoints: impl Endpoints + 'static) -> Self {
        let desk = Arc::new(Desk::default());
        let told = Arc::clone(&desk);
        let unwanted = Box::new(move |names| told.look_at(names));
        let shared = Shared {
            endpoints: Box::new(endpoints),
            listeners: Listeners::new(options.observers.clone(), Some(unwanted)),
            options,
            desk,
            place: Mutex::default(),
            failures: AtomicU32::new(0),
            avoided: Mutex::default(),
            sources: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Listens; the server has confirmed every name when it returns.
    ///
    /// # Cancel safety
    /// A dropped call leaves nothing behind: what the server was asked for is taken back.
    pub(super) async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let listening = self.shared.listeners.register(request)?;
        let (answer, confirmed) = oneshot::channel();
        let _request = self.shared.desk.ask(listening.listener(), answer);
        self.shared.ensure_running();
        match tokio::time::timeout(self.shared.options.request_timeout, confirmed).await {
            Ok(Ok(Ok(()))) => Ok(Subscription::new(listening)),
            Ok(Ok(Err(error))) => Err(error),
            // Only a desk that is gone answers nothing.
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(Error::new(ErrorKind::Timeout, "subscribe")
                .with_detail("the server did not confirm the subscription in time")),
        }
    }

    /// Ends all streams and the connection, and takes no more subscriptions.
    pub(super) fn close(&self) {
        self.shared.end();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Starts the task, unless it runs. One that ended without saying so was cut off by the end of its runtime.
    fn ensure_running(self: &Arc<Self>) {
        let mut place = self.place.lock();
        let runs = place.task.as_ref().is_some_and(|task| !task.is_finished());
        if !runs && !place.closed {
            let task = tokio::spawn(task::run(Arc::clone(self)));
            place.task = Some(task.abort_handle());
        }
    }

    /// Whether the task may end, because nobody listens or waits. A subscriber that comes later starts another.
    fn retire(&self) -> bool {
        let mut place = self.place.lock();
        let may_end = self.listeners.is_empty() && self.desk.is_empty();
        if may_end {
            place.task = None;
        }
        may_end
    }

    fn end(&self) {
        let task = {
            let mut place = self.place.lock();
            place.closed = true;
            place.task.take()
        };
        if let Some(task) = task {
            task.abort();
        }
        self.listeners.close();
        self.desk.close(&closed());
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "subscribe")
}
