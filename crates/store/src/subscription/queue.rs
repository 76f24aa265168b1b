//! What waits for one listener: messages up to a limit, and the places where some are missing.

use std::{
    collections::VecDeque,
    task::{Poll, Waker},
};

use bytes::Bytes;

use super::item::{Gap, PubSubItem};

/// The messages that wait for a listener. When it is full, by number or by bytes, the oldest go, and a gap takes their place.
///
/// Gaps lie before messages and not among them, and merge where all messages between them are gone: a listener that
/// never reads costs its buffer and no more.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    /// The bytes of all messages, and how many there may be unless it is a single message.
    bytes: usize,
    max_bytes: usize,
    messages: VecDeque<Waiting>,
    /// The gaps behind the last message.
    tail: Gaps,
    phase: Phase,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The subscription is not confirmed yet: nothing counts.
    Pending,
    Listening,
    /// What waits is still handed out, and then nothing more.
    Ended,
}

#[derive(Debug)]
struct Waiting {
    before: Gaps,
    channel: Bytes,
    payload: Bytes,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

/// Gaps in one place.
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    subscribed: bool,
    reconnected: bool,
    dropped: u64,
}

impl Gaps {
    fn take_next(&mut self) -> Option<Gap> {
        if std::mem::take(&mut self.subscribed) {
            return Some(Gap::Subscribed);
        }
        if std::mem::take(&mut self.reconnected) {
            return Some(Gap::Reconnected);
        }
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then_some(Gap::Overflow { dropped })
    }

    /// Adds those of a place just before, whose message is gone.
    fn absorb(&mut self, earlier: Self) {
        self.subscribed |= earlier.subscribed;
        self.reconnected |= earlier.reconnected;
        self.dropped += earlier.dropped + 1;
    }
}

impl Queue {
    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            capacity,
            bytes: 0,
            max_bytes,
            messages: VecDeque::new(),
            tail: Gaps::default(),
            phase: Phase::Pending,
            waker: None,
        }
    }

    /// The subscription begins.
    pub(super) fn begin(&mut self) {
        if self.phase == Phase::Pending {
            self.phase = Phase::Listening;
            self.tail.subscribed = true;
        }
    }

    /// Takes a message; `None` where nobody listens, else who is to be woken.
    pub(super) fn push(&mut self, channel: &Bytes, payload: &Bytes) -> Option<Option<Waker>> {
        if self.phase != Phase::Listening {
            return None;
        }
        self.bytes += channel.len() + payload.len();
        while (self.messages.len() >= self.capacity || self.bytes > self.max_bytes)
            && let Some(oldest) = self.messages.pop_front()
        {
            self.bytes -= oldest.bytes();
            let next = self.messages.front_mut();
            let place = next.map_or(&mut self.tail, |next| &mut next.before);
            place.absorb(oldest.before);
        }
        self.messages.push_back(Waiting {
            before: std::mem::take(&mut self.tail),
            channel: channel.clone(),
            payload: payload.clone(),
        });
        Some(self.waker.take())
    }

    /// The connection was lost and has come back.
    #[cfg(feature = "redis")]
    pub(super) fn reconnected(&mut self) -> Option<Waker> {
        if self.phase != Phase::Listening {
            return None;
        }
        self.tail.reconnected = true;
        self.waker.take()
    }

    /// Whether messages count.
    #[cfg(feature = "redis")]
    pub(super) fn is_listening(&self) -> bool {
        self.phase == Phase::Listening
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) -> Option<Waker> {
        self.phase = Phase::Ended;
        self.waker.take()
    }

    /// The next item; a waker is kept where there is none yet.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Option<PubSubItem>> {
        let next = self.messages.front_mut();
        let gaps = next.map_or(&mut self.tail, |next| &mut next.before);
        if let Some(gap) = gaps.take_next() {
            return Poll::Ready(Some(PubSubItem::Gap(gap)));
        }
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.bytes();
            let Waiting {
                channel, payload, ..
            } = message;
            return Poll::Ready(Some(PubSubItem::Message { channel, payload }));
        }
        if self.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|kept| kept.will_wake(waker))
        {
            self.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The messages that were dropped and that the listener has not been told of.
    pub(super) fn untold(&self) -> u64 {
        let waiting = self.messages.iter().map(|message| message.before.dropped);
        waiting.sum::<u64>() + self.tail.dropped
    }
}
