//! One key with its value, deadline and heat.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use cachekit_keys::Key;

use super::{
    clock::{Deadline, Moment},
    value::Value,
};

/// What an entry costs beyond the bytes of key and value: the entry itself, its part of a bucket, and what the
/// allocator and the reference counts of the two byte strings take.
pub(super) const ENTRY_OVERHEAD: u64 = size_of::<Entry>() as u64 + 64;

/// Uses that an entry's heat can tell apart; each turn of the evictor's hand takes one away.
pub(super) const MAX_HEAT: u8 = 3;

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

    /// Becomes a new entry of the same key.
    pub(super) fn renew(&mut self, value: Value, deadline: Deadline) {
        self.value = value;
        self.deadline = deadline;
        *self.heat.get_mut() = 1;
    }

    pub(super) fn is_live(&self, now: Moment) -> bool {
        !self.deadline.has_come(now)
    }

    /// Bytes that the entry is charged with.
    pub(super) fn cost(&self) -> u64 {
        cost(&self.key, self.value.cost())
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

/// Bytes that an entry with this key and a value that costs `value_cost` is charged with.
pub(super) fn cost(key: &Key, value_cost: u64) -> u64 {
    ENTRY_OVERHEAD + key.as_bytes().len() as u64 + value_cost
}
