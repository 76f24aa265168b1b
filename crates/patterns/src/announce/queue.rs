//! What is still to be announced: bounded, and never with a hole.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_store::{Error, ErrorKind, Event, GivenUp, Outgoing, Result};

use super::{CacheInvalidated, Cleared};

/// Most announcements that wait.
const MOST: usize = 256;
/// Most keys in one announcement.
const KEYS: usize = 512;

/// How long it rests after it has given up, and after a refusal that repeating would not mend.
const REST: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(60);

/// Announcements in their order. One who publishes takes them out.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Cleared>,
    /// Whether what waits stands for announcements that were given up.
    is_owing: bool,
}

impl Outgoing for Queue {
    type Message = Cleared;

    const TASK: &'static str = "announce invalidations";

    fn pop(&mut self) -> Option<Cleared> {
        self.waiting.pop_front()
    }

    fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn encode(cleared: &Cleared, origin: &str, number: u64) -> Result<Bytes> {
        let message = CacheInvalidated::new(cleared.clone(), origin);
        let event = message.to_event(format!("{origin}-{number}"), SystemTime::now())?;
        let payload = event.to_json();
        payload.map_err(|error| {
            Error::new(ErrorKind::Encode, "announce").with_detail(error.to_string())
        })
    }

    fn failure(error: &Error) -> Event<'_> {
        Event::announcement_failed(error)
    }

    fn published(&mut self) {
        self.is_owing = false;
    }

    /// It becomes one announcement that everything was cleared, together with what waits.
    fn give_up(&mut self, error: &Error) -> GivenUp {
        let lost = match self.is_owing {
            true => 0, // counted before
            false => 1 + self.waiting.len() as u64,
        };
        self.is_owing = true;
        self.push(Cleared::Everything);
        GivenUp {
            lost,
            rest: if error.is_retryable() { REST } else { SILENCE },
        }
    }

    fn is_owing(&self) -> bool {
        self.is_owing
    }
}

impl Queue {
    /// Adds one, together with others where that says the same. When the queue is full, all of it becomes one announcement
    /// that everything was cleared.
    pub(super) fn push(&mut self, cleared: Cleared) {
        match (self.waiting.back_mut(), cleared) {
            (Some(Cleared::Everything), _) => {}
            (Some(Cleared::Keys(keys)), Cleared::Keys(more)) if keys.len() + more.len() <= KEYS => {
                keys.extend(more);
            }
            (_, Cleared::Everything) => {
                self.waiting.clear();
                self.waiting.push_back(Cleared::Everything);
            }
            (_, Cleared::Keys(keys)) if keys.len() > KEYS => {
                for chunk in keys.chunks(KEYS) {
                    self.push_one(Cleared::Keys(chunk.to_vec()));
                }
            }
            (_, cleared) => self.push_one(cleared),
        }
    }

    fn push_one(&mut self, cleared: Cleared) {
        if self.waiting.back() == Some(&cleared) {
            return;
        }
        if self.waiting.len() >= MOST {
            return self.push(Cleared::Everything);
        }
        self.waiting.push_back(cleared);
    }

    /// The same, and how many announcements are lost by that: what comes while everything is owed is part of it.
    pub(super) fn hand_over(&mut self, cleared: Cleared) -> u64 {
        self.push(cleared);
        u64::from(self.is_owing)
    }
}

#[cfg(test)]
mod tests {
    use cachekit_keys::{Key, SessionId, Tag};

    use cachekit_store::Outgoing;

    use super::{Cleared, KEYS, MOST, Queue};

    fn key(number: usize) -> Cleared {
        Cleared::Keys(vec![Key::from_raw(format!("a:{number}")).unwrap()])
    }

    fn tag(number: usize) -> Cleared {
        Cleared::Tag(Tag::new(format!("t{number}")).unwrap())
    }

    #[test]
    fn keys_that_follow_each_other_are_announced_together() {
        let mut queue = Queue::default();
        (0..KEYS + 1).for_each(|number| queue.push(key(number)));
        assert!(matches!(queue.pop(), Some(Cleared::Keys(keys)) if keys.len() == KEYS));
        assert_eq!(queue.pop(), Some(key(KEYS)));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn many_keys_are_announced_in_parts() {
        let mut queue = Queue::default();
        let keys = (0..2 * KEYS + 1).map(|number| Key::from_raw(format!("a:{number}")).unwrap());
        queue.push(Cleared::Keys(keys.collect()));
        assert_eq!(queue.waiting(), 3);
    }

    #[test]
    fn other_things_keep_their_order_and_the_same_twice_is_once() {
        let mut queue = Queue::default();
        let session = Cleared::Session(SessionId::new("a").unwrap());
        for cleared in [key(1), session.clone(), session.clone(), key(2)] {
            queue.push(cleared);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [key(1), session, key(2)]);
    }

    #[test]
    fn a_full_queue_says_that_everything_was_cleared() {
        let mut queue = Queue::default();
        (0..=MOST).for_each(|number| queue.push(tag(number)));
        queue.push(tag(0));
        assert_eq!(queue.pop(), Some(Cleared::Everything));
        assert_eq!(queue.pop(), None);
    }
}
