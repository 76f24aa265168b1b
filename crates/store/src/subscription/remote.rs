//! Listeners whose messages come from a server, over connections that come and go.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    listener::{Listener, Name},
    listeners::{Listeners, Wakers},
};

/// Which of a connection's subscriptions a server sent a message for. It sends one for each that matches.
pub(crate) enum Route {
    Channel,
    Pattern(Bytes),
}

impl Listeners {
    /// Hands over a message that the connection `source` brought; one that does not count at present brings none.
    pub(crate) fn deliver(&self, source: u64, route: &Route, channel: &Bytes, payload: &Bytes) {
        let mut wakers = Wakers::default();
        let state = self.state.lock();
        if state.source != Some(source) {
            return;
        }
        let (group, pattern) = match route {
            Route::Channel => (state.channels.get(channel), None),
            Route::Pattern(pattern) => (
                state.patterns.get(pattern).map(|(_, group)| group),
                Some(pattern),
            ),
        };
        for listener in group.into_iter().flatten() {
            if pattern.is_none_or(|pattern| listener.takes_by(pattern, channel))
                && let Some(waker) = listener.queue.lock().push(channel, payload)
            {
                wakers.extend(waker);
            }
        }
        drop(state);
        wakers.wake();
    }

    /// From now on no connection's messages count.
    pub(crate) fn suspend(&self) {
        self.state.lock().source = None;
    }

    /// From now on the messages of `source` count. Whoever was listening is told that some are missing before them.
    pub(crate) fn resume(&self, source: u64) {
        let mut wakers = Wakers::default();
        let mut state = self.state.lock();
        state.source = Some(source);
        for listener in state.all.values() {
            wakers.extend(listener.queue.lock().reconnected());
        }
        drop(state);
        wakers.wake();
    }

    /// Everything that someone listens to, or is about to.
    pub(crate) fn names(&self) -> Vec<Name> {
        let state = self.state.lock();
        let channels = state.channels.keys().cloned().map(Name::Channel);
        let patterns = state.patterns.keys().cloned().map(Name::Pattern);
        channels.chain(patterns).collect()
    }

    /// Whether someone listens to a name, or is about to.
    pub(crate) fn wants(&self, name: &Name) -> bool {
        let state = self.state.lock();
        match name {
            Name::Channel(channel) => state.channels.contains_key(channel),
            Name::Pattern(pattern) => state.patterns.contains_key(pattern),
        }
    }

    /// Whether nobody listens, or is about to.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().all.is_empty()
    }

    /// Ends the streams of those who listen to a name. Those whose subscription is not confirmed yet stay.
    pub(crate) fn end(&self, name: &Name) -> Ended {
        let mut wakers = Wakers::default();
        let mut ended = Ended::default();
        let mut state = self.state.lock();
        let group = match name {
            Name::Channel(channel) => state.channels.get(channel),
            Name::Pattern(pattern) => state.patterns.get(pattern).map(|(_, group)| group),
        };
        let group: Vec<Arc<Listener>> = group.cloned().unwrap_or_default();
        for listener in group {
            let mut queue = listener.queue.lock();
            if queue.is_listening() {
                wakers.extend(queue.end());
                ended.listeners += 1;
                ended.unwanted.extend(state.leave(&listener));
            }
        }
        drop(state);
        wakers.wake();
        ended
    }
}

/// What became of the listeners to a name.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// How many were ended.
    pub(crate) listeners: usize,
    /// The names that nobody listens to any more.
    pub(crate) unwanted: Vec<Name>,
}
