//! Writes that could not be persisted.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, Result};

use super::{WriteOperation, WriteToken};

/// A write that was given up.
///
/// # Examples
/// See [`WriteBehind::dead_letters`](super::WriteBehind::dead_letters).
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter<K, V> {
    /// The key.
    pub key: K,
    /// What was to be done; an error where the value cannot be decoded any more.
    pub operation: Result<WriteOperation<V>>,
    /// Names the write.
    pub token: WriteToken,
    /// How many attempts there were.
    pub attempts: u32,
    /// What the sink said at last, cut off after 512 bytes.
    pub reason: String,
    /// When it was given up, by the server's clock.
    pub died_at: SystemTime,
}

/// A part of the dead letters.
///
/// # Examples
/// See [`WriteBehind::dead_letters`](super::WriteBehind::dead_letters).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetterPage<K, V> {
    /// The letters, in no order that means something.
    pub letters: Vec<DeadLetter<K, V>>,
    /// Letters that cannot be read, and why: their key is none of the family, or their header is damaged. They can be dropped
    /// or replayed with [all others](super::WriteBehind::discard_all).
    pub unreadable: Vec<(Key, Error)>,
    /// Where to go on, `None` at the end.
    pub next: Option<DeadLetterCursor>,
}

/// Where a page of dead letters ended.
///
/// # Examples
/// See [`WriteBehind::dead_letters`](super::WriteBehind::dead_letters).
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterCursor {
    pub(super) shard: Option<u16>,
    /// The time of the last letter, in milliseconds since the Unix epoch, and its member.
    pub(super) last: Option<(u64, Bytes)>,
    /// How many letters of that time have been passed.
    pub(super) ties: usize,
}

/// What became of a dead letter that was to be replayed.
///
/// # Examples
/// See [`WriteBehind::replay`](super::WriteBehind::replay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a letter need not have been replayed"]
#[non_exhaustive]
pub enum Replayed {
    /// It is in the queue again, under its old token, and due at once.
    Queued,
    /// A newer write of the key is in the queue: the letter goes when that is persisted.
    Superseded,
    /// There is none.
    Missing,
}

impl<K, V> fmt::Debug for DeadLetter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("operation", &self.operation)
            .field("token", &self.token)
            .field("attempts", &self.attempts)
            .field("reason", &self.reason)
            .field("died_at", &self.died_at)
            .finish_non_exhaustive()
    }
}
