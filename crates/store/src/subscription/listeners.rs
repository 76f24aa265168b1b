//! The listeners of a store, found by channel and pattern.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use cachekit_keys::Pattern;
use foldhash::quality::RandomState;
use futures_core::Stream;
use parking_lot::Mutex;

pub(crate) use super::listener::{Listener, Name};
use super::{
    item::{Gap, PubSubItem},
    request::SubscribeRequest,
};
use crate::{Error, ErrorKind, Event, Observer, Observers, Result};

type Map<K, V> = HashMap<K, V, RandomState>;
type Group = Vec<Arc<Listener>>;

/// The listeners of a store.
///
/// A message is handed to all its listeners under one lock, so that all of them see the same order. Nothing foreign runs
/// under it: tasks are woken, and observers told, when it has been released.
pub(crate) struct Listeners {
    pub(super) state: Mutex<State>,
    observers: Observers,
    /// Told of names that nobody listens to any more.
    unwanted: Option<Box<Unwanted>>,
}

type Unwanted = dyn Fn(Vec<Name>) + Send + Sync;

#[derive(Default)]
pub(super) struct State {
    pub(super) all: Map<u64, Arc<Listener>>,
    pub(super) channels: Map<Bytes, Group>,
    pub(super) patterns: Map<Bytes, (Pattern, Group)>,
    next_id: u64,
    closed: bool,
    /// The connection whose messages count, where they come from a server.
    #[cfg(feature = "redis")]
    pub(super) source: Option<u64>,
}

/// Tasks to be woken when the lock has been released.
#[derive(Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(super) fn extend(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(super) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

impl Listeners {
    pub(crate) fn new(observers: Observers, unwanted: Option<Box<Unwanted>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            observers,
            unwanted,
        })
    }

    /// Enters a listener, which hears nothing before it [begins](Listener::begin).
    pub(crate) fn register(self: &Arc<Self>, request: SubscribeRequest) -> Result<Listening> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "subscribe"));
        }
        state.next_id += 1;
        let listener = Arc::new(Listener::new(state.next_id, request)?);
        state.enter(&listener);
        drop(state);
        Ok(Listening {
            listeners: Arc::clone(self),
            listener,
        })
    }

    /// Hands a message to everyone who listens; answers how many that were.
    pub(crate) fn publish(&self, channel: &[u8], payload: &Bytes) -> u64 {
        let mut wakers = Wakers::default();
        let mut reached = 0;
        let mut give = |listener: &Listener, channel: &Bytes| {
            if let Some(waker) = listener.queue.lock().push(channel, payload) {
                reached += 1;
                wakers.extend(waker);
            }
        };
        let state = self.state.lock();
        if let Some((name, group)) = state.channels.get_key_value(channel) {
            group.iter().for_each(|listener| give(listener, name));
        }
        let mut name = None;
        for (pattern, group) in state.patterns.values() {
            if !pattern.matches(channel) {
                continue;
            }
            let name = name.get_or_insert_with(|| Bytes::copy_from_slice(channel));
            let takers = group
                .iter()
                .filter(|listener| listener.takes_by(pattern.as_bytes(), channel));
            takers.for_each(|listener| give(listener, name));
        }
        drop(state);
        wakers.wake();
        reached
    }

    /// Ends all streams, and takes no more listeners.
    pub(crate) fn close(&self) {
        let mut wakers = Wakers::default();
        let mut state = self.state.lock();
        state.closed = true;
        state.channels = Map::default();
        state.patterns = Map::default();
        for listener in std::mem::take(&mut state.all).into_values() {
            wakers.extend(listener.queue.lock().end());
        }
        drop(state);
        wakers.wake();
    }

    fn remove(&self, listener: &Listener) {
        let unwanted = self.state.lock().leave(listener);
        if let Some(tell) = &self.unwanted
            && !unwanted.is_empty()
        {
            tell(unwanted);
        }
    }
}

impl State {
    fn enter(&mut self, listener: &Arc<Listener>) {
        self.all.insert(listener.id, Arc::clone(listener));
        for channel in &listener.channels {
            let group = self.channels.entry(channel.clone()).or_default();
            group.push(Arc::clone(listener));
        }
        for pattern in &listener.patterns {
            let entry = self.patterns.entry(pattern.to_bytes());
            let (_, group) = entry.or_insert_with(|| (pattern.clone(), Vec::new()));
            group.push(Arc::clone(listener));
        }
    }

    /// Takes a listener out; answers the names that nobody listens to any more.
    pub(super) fn leave(&mut self, listener: &Listener) -> Vec<Name> {
        let mut unwanted = Vec::new();
        if self.all.remove(&listener.id).is_none() {
            return unwanted;
        }
        for channel in &listener.channels {
            if let Some(group) = self.channels.get_mut(channel)
                && without(group, listener.id)
            {
                self.channels.remove(channel);
                unwanted.push(Name::Channel(channel.clone()));
            }
        }
        for pattern in &listener.patterns {
            if let Some((_, group)) = self.patterns.get_mut(pattern.as_bytes())
                && without(group, listener.id)
            {
                self.patterns.remove(pattern.as_bytes());
                unwanted.push(Name::Pattern(pattern.to_bytes()));
            }
        }
        unwanted
    }
}

/// Takes a listener out of a group; answers whether nobody is left.
fn without(group: &mut Group, id: u64) -> bool {
    if let Some(place) = group.iter().position(|listener| listener.id == id) {
        group.swap_remove(place);
    }
    group.is_empty()
}

/// A listener's place among the others, and the stream of what it hears. Dropping it gives the place up.
pub(crate) struct Listening {
    listeners: Arc<Listeners>,
    listener: Arc<Listener>,
}

impl Listening {
    pub(crate) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    fn report(&self, gap: Gap) {
        self.listeners.observers.observe(&Event::Gap { gap });
    }
}

impl Stream for Listening {
    type Item = PubSubItem;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PubSubItem>> {
        let polled = self.listener.queue.lock().poll(cx.waker());
        if let Poll::Ready(Some(PubSubItem::Gap(gap))) = &polled {
            self.report(*gap);
        }
        polled
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.listeners.remove(&self.listener);
        let dropped = self.listener.queue.lock().untold();
        if dropped > 0 {
            self.report(Gap::Overflow { dropped });
        }
    }
}
