//! The byte budget: what is used, what is reserved, and what may be taken back.
//!
//! A write reserves its room before it happens, so that concurrent writes cannot overrun the budget together,
//! and settles with what it really took. What a script will write is not known before: it runs where the budget is
//! kept, settles, and makes the room afterwards, as on a server. The books are three atomics; no lock is held over them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a table's entries cost before and after a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    pub(super) all: u64,
    pub(super) evictable: u64,
}

/// The books of one store.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Option<u64>,
    /// Cost of all entries, and what is reserved for writes under way.
    used: AtomicU64,
    evictable: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
            evictable: AtomicU64::new(0),
        }
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// What eviction could take back.
    #[cfg(test)]
    pub(super) fn evictable(&self) -> u64 {
        self.evictable.load(Relaxed)
    }

    /// Sets `bytes` aside; answers whether the budget is kept with them.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let used = self.used.fetch_add(bytes, Relaxed) + bytes;
        self.limit.is_none_or(|limit| used <= limit)
    }

    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// Enters a change, and gives back what was reserved for it.
    pub(super) fn settle(&self, before: Costs, after: Costs, reserved: u64) {
        // Wrapping arithmetic: the difference may be negative, the sum never is.
        let difference = after.all.wrapping_sub(before.all).wrapping_sub(reserved);
        enter(&self.used, difference);
        enter(
            &self.evictable,
            after.evictable.wrapping_sub(before.evictable),
        );
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.limit.is_some_and(|limit| self.used() > limit)
    }

    /// Whether eviction could bring the use down to the limit, if `spared` bytes of what is evictable stay.
    pub(super) fn can_be_kept(&self, spared: u64) -> bool {
        let free = self.evictable.load(Relaxed).saturating_sub(spared);
        self.limit
            .is_none_or(|limit| self.used().saturating_sub(free) <= limit)
    }
}

/// All writers of a store share the books. Most changes leave the costs as they are, and write nothing there.
fn enter(book: &AtomicU64, difference: u64) {
    if difference != 0 {
        book.fetch_add(difference, Relaxed);
    }
}
