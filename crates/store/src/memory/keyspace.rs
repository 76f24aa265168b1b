//! The data of a memory store: shards of entries, read and written without waiting for anything but a short lock.
//!
//! A hit costs one hash, one shared lock and one reference count. No command holds two shards' locks; scripts do, in
//! [`locked`](super::locked), which tells why nothing waits in a circle. None does I/O under a lock. The semantics of
//! single commands are in [`commands`](super::commands), eviction is in [`eviction`](super::eviction).

use std::{
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use cachekit_keys::{Key, Pattern};
use foldhash::quality::RandomState;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    budget::{Budget, Costs},
    clock::{Clock, Moment},
    entry::Entry,
    table::{Place, SHARD_BITS, Table, shard_of},
};

/// Buckets that each write frees of expired entries, in its own shard.
const SWEPT_BUCKETS: usize = 2;

/// A shard on cache lines of its own, so that the locks of neighbours do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) table: RwLock<Table>,
    commands: AtomicU64,
}

/// All that the clones of one store share.
pub(super) struct Keyspace {
    shards: Box<[Shard]>,
    /// Seeded at random, so that no one can choose keys that collide.
    hasher: RandomState,
    pub(super) clock: Clock,
    pub(super) budget: Budget,
    /// Where eviction goes on. The lock also keeps evictions from racing for the same room.
    pub(super) hand: Mutex<Place>,
    closed: AtomicBool,
}

impl Keyspace {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            shards: (0..1 << SHARD_BITS).map(|_| Shard::default()).collect(),
            hasher: RandomState::default(),
            clock: Clock::start(),
            budget: Budget::new(limit),
            hand: Mutex::new(Place::START),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Refuses later calls, and frees all entries.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
        for shard in 0..self.shards.len() {
            self.settled(shard, 0, |table| *table = Table::default());
        }
    }

    pub(super) fn hash(&self, key: &Key) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.as_bytes());
        hasher.finish()
    }

    /// A look at the table that a hash belongs to, counted as a command.
    pub(super) fn read(&self, hash: u64) -> RwLockReadGuard<'_, Table> {
        self.count_command(shard_of(hash));
        self.shards[shard_of(hash)].table.read()
    }

    /// A change of the table that a hash belongs to, counted as a command. Settles the `reserved` bytes
    /// and removes a few expired entries on the way.
    pub(super) fn write<R>(
        &self,
        hash: u64,
        now: Moment,
        reserved: u64,
        work: impl FnOnce(&mut Table) -> R,
    ) -> R {
        self.count_command(shard_of(hash));
        self.settled(shard_of(hash), reserved, |table| {
            let answer = work(table);
            self.tidy(table, now);
            answer
        })
    }

    /// What every write does last: removes a few expired entries.
    pub(super) fn tidy(&self, table: &mut Table, now: Moment) {
        table.sweep(now, SWEPT_BUCKETS);
        // A write that began before the store was closed leaves nothing behind after it.
        if self.is_closed() {
            *table = Table::default();
        }
    }

    /// One shard's table for a run of a script, which settles the budget itself; see [`locked`](super::locked).
    pub(super) fn lock(&self, shard: usize) -> RwLockWriteGuard<'_, Table> {
        self.shards[shard].table.write()
    }

    /// Counts a command in a shard: where its key lies, so that runs on other keys do not meet at the counter.
    pub(super) fn count_command(&self, shard: usize) {
        self.shards[shard].commands.fetch_add(1, Relaxed);
    }

    /// A change of one shard's table, entered in the budget.
    pub(super) fn settled<R>(
        &self,
        shard: usize,
        reserved: u64,
        work: impl FnOnce(&mut Table) -> R,
    ) -> R {
        let mut table = self.shards[shard].table.write();
        let before = costs(&table);
        let answer = work(&mut table);
        self.budget.settle(before, costs(&table), reserved);
        answer
    }

    /// Collects the matching live keys of buckets from `place` on, until about `count` keys have been looked
    /// at. Answers where to go on.
    pub(super) fn walk(
        &self,
        place: Place,
        pattern: &Pattern,
        count: usize,
    ) -> (Vec<Key>, Option<Place>) {
        let now = self.clock.now();
        let mut keys = Vec::new();
        let mut next = Some(place);
        let mut left = count;
        while let Some(place) = next
            && left > 0
        {
            next = self.walk_shard(place, &mut left, |entry| {
                if entry.is_live(now) && pattern.matches(entry.key.as_bytes()) {
                    keys.push(entry.key.clone());
                }
            });
        }
        (keys, next)
    }

    /// Visits buckets of one shard, from `place` to its end or until `left` is used up. An empty bucket counts
    /// as one key, so that a step over an emptied table is bounded as well.
    fn walk_shard(
        &self,
        place: Place,
        left: &mut usize,
        mut visit: impl FnMut(&Entry),
    ) -> Option<Place> {
        let table = self.shards[place.shard()].table.read();
        let mut next = Some(place);
        while let Some(here) = next
            && here.shard() == place.shard()
            && *left > 0
        {
            let bucket = table.bucket(here);
            bucket.iter().for_each(&mut visit);
            *left = left.saturating_sub(bucket.len().max(1));
            next = table.place_after(here);
        }
        next
    }

    /// Looks at every entry.
    #[cfg(test)]
    pub(super) fn visit(&self, mut visit: impl FnMut(&Entry)) {
        let (mut next, mut left) = (Some(Place::START), usize::MAX);
        while let Some(place) = next {
            next = self.walk_shard(place, &mut left, &mut visit);
        }
    }

    /// Entries held, expired ones that have not been swept yet included.
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.table.read().len())
            .sum()
    }

    /// Commands served; each key of a batch and each run of a script counts as one.
    pub(super) fn commands(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.commands.load(Relaxed))
            .sum()
    }
}

pub(super) fn costs(table: &Table) -> Costs {
    Costs {
        all: table.cost(),
        evictable: table.evictable_cost(),
    }
}
