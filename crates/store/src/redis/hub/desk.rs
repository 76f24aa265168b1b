//! Where subscribers leave their requests for the hub's task.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{
    Error, Result,
    subscription::listeners::{Listener, Name},
};

/// The requests that are open. Bounded by the subscribers that wait and the names that were in use.
#[derive(Default)]
pub(super) struct Desk {
    open: Mutex<Open>,
    changed: Notify,
}

#[derive(Default)]
struct Open {
    /// Names that are to be looked at again: somebody began to listen to them, or the last one has gone.
    names: HashSet<Name, RandomState>,
    /// Subscribers that wait for a confirmation, by listener.
    waiting: HashMap<u64, Waiting, RandomState>,
    closed: Option<Error>,
}

struct Waiting {
    listener: Arc<Listener>,
    answer: oneshot::Sender<Result<()>>,
}

/// What the task has to do: the names to look at, and the subscribers that are served when that is done.
pub(super) struct Work {
    pub(super) names: Vec<Name>,
    pub(super) waiting: Vec<u64>,
}

/// Names that the server refused.
pub(super) type Refused = HashMap<Name, Error, RandomState>;

/// A subscriber's open request; dropping it withdraws it.
pub(super) struct Request<'a> {
    desk: &'a Desk,
    listener: u64,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.desk.open.lock().waiting.remove(&self.listener);
    }
}

impl Desk {
    /// Asks for everything that a listener wants. The answer comes when it hears, or will not.
    pub(super) fn ask(
        &self,
        listener: &Arc<Listener>,
        answer: oneshot::Sender<Result<()>>,
    ) -> Request<'_> {
        let request = Request {
            desk: self,
            listener: listener.id(),
        };
        let mut open = self.open.lock();
        if let Some(error) = &open.closed {
            // The receiver waits behind the caller of this, so it is there.
            let _ = answer.send(Err(error.clone()));
            return request;
        }
        open.names.extend(listener.names());
        let listener = Arc::clone(listener);
        open.waiting
            .insert(request.listener, Waiting { listener, answer });
        drop(open);
        self.changed.notify_one();
        request
    }

    /// Has names looked at again.
    pub(super) fn look_at(&self, names: Vec<Name>) {
        let mut open = self.open.lock();
        if open.closed.is_none() {
            open.names.extend(names);
            drop(open);
            self.changed.notify_one();
        }
    }

    /// Waits for a request. One that came before the call counts.
    ///
    /// # Cancel safety
    /// A dropped call loses no request.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The names to look at, which are taken, and the subscribers that wait, who stay until they are answered.
    pub(super) fn take(&self) -> Work {
        let mut open = self.open.lock();
        Work {
            names: open.names.drain().collect(),
            waiting: open.waiting.keys().copied().collect(),
        }
    }

    /// Answers subscribers whose names have been looked at.
    pub(super) fn answer(&self, waiting: &[u64], refused: &Refused) {
        let mut open = self.open.lock();
        for id in waiting {
            let Some(Waiting { listener, answer }) = open.waiting.remove(id) else {
                continue;
            };
            let refusal = if refused.is_empty() {
                None
            } else {
                listener.names().find_map(|name| refused.get(&name))
            };
            if refusal.is_none() {
                listener.begin();
            }
            let outcome = refusal.map_or(Ok(()), |error| Err(error.clone()));
            // A subscriber that has gone takes its listener out itself.
            let _ = answer.send(outcome);
        }
    }

    /// Answers every subscriber with a failure. The names are forgotten: a new connection asks for all that is wanted.
    pub(super) fn refuse_all(&self, error: &Error) {
        let mut open = self.open.lock();
        open.names.clear();
        let waiting = std::mem::take(&mut open.waiting);
        drop(open);
        for waiting in waiting.into_values() {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.open.lock().waiting.is_empty()
    }

    /// Takes no more requests; those that are open and those that come get `error`.
    pub(super) fn close(&self, error: &Error) {
        let mut open = self.open.lock();
        open.closed = Some(error.clone());
        drop(open);
        self.refuse_all(error);
    }
}
