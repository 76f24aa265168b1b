//! One key with its value, deadline and heat.

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use bytes::Bytes;
use cachekit_keys::Key;

use super::clock::{Deadline, Moment};

/// What an entry costs beyond the bytes of key and value: the entry itself, its part of a bucket, and what the
/// allocator and the reference counts of the two byte strings take.
pub(super) const ENTRY_OVERHEAD: u64 = size_of::<Entry>() as u64 + 64;

/// Values up to this length are copied when they are stored. A short slice would otherwise keep alive the whole
/// network buffer that it was cut from, unseen by the byte budget.
const COPIED_LEN: usize = 4 * 1024;

/// Uses that an entry's heat can tell apart; each turn of the evictor's hand takes one away.
pub(super) const MAX_HEAT: u8 = 3;

/// A stored value. The kinds follow Redis's types, so that a command for one type can meet another.
#[derive(Clone)]
pub(super) enum Value {
    /// A byte string.
    Text(Bytes),
    /// A value of a type that the store's commands do not read.
    Foreign,
}

impl Value {
    /// A byte string, owning its memory where it is short.
    pub(super) fn text(bytes: Bytes) -> Self {
        if bytes.len() <= COPIED_LEN {
            Self::Text(Bytes::copy_from_slice(&bytes))
        } else {
            Self::Text(bytes)
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(bytes) => bytes.len(),
            Self::Foreign => 0,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "Text({} bytes)", bytes.len()),
            Self::Foreign => f.write_str("Foreign"),
        }
    }
}

/// One key with its value, deadline and heat.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) key: Key,
    pub(super) value: Value,
    pub(super) deadline: Deadline,
    heat: AtomicU8,
}

impl Entry {
    pub(super) fn new(hash: u64, key: Key, value: Value, deadline: Deadline) -> Self {
        Self {
            hash,
            key,
            value,
            deadline,
            heat: AtomicU8::new(1),
        }
    }

    pub(super) fn is_live(&self, now: Moment) -> bool {
        !self.deadline.has_come(now)
    }

    /// Bytes that the entry is charged with.
    pub(super) fn cost(&self) -> u64 {
        cost(&self.key, self.value.len())
    }

    /// Bytes that eviction may take back: none of an entry that never expires.
    pub(super) fn evictable_cost(&self) -> u64 {
        if self.deadline.is_never() {
            0
        } else {
            self.cost()
        }
    }

    /// Notes a use. Readers do this under the shared lock; a lost update does no harm, and a hot entry is not
    /// written at all, so its cache line is not contended.
    pub(super) fn warm(&self) {
        let heat = self.heat.load(Relaxed);
        if heat < MAX_HEAT {
            self.heat.store(heat + 1, Relaxed);
        }
    }

    /// Takes one use away; answers whether there was none left.
    pub(super) fn cool(&mut self) -> bool {
        let heat = self.heat.get_mut();
        let cold = *heat == 0;
        *heat = heat.saturating_sub(1);
        cold
    }
}

/// Bytes that an entry with this key and a value of `value_len` bytes is charged with.
pub(super) fn cost(key: &Key, value_len: usize) -> u64 {
    ENTRY_OVERHEAD + key.as_bytes().len() as u64 + value_len as u64
}
