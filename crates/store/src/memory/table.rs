//! A hash table whose buckets follow the order of the hashes, so that a scan can walk it while it changes.
//!
//! A bucket is a range of hashes. Doubling the table halves every range and halving it joins two: a place in
//! the order of hashes stays a place, whatever the table does meanwhile. A scan that visits every range
//! once therefore meets every key that was there all the time, and needs no memory between its steps.
//! The tables of the usual libraries give no such order. Expiry is not looked at here, except by [`Table::sweep`].

use cachekit_keys::Key;

use super::{
    clock::{Deadline, Moment},
    entry::Entry,
    value::Value,
};

/// Leading bits of a hash that choose the table (the shard); the table itself goes by the bits after them.
pub(super) const SHARD_BITS: u32 = 6;

/// Most bits that choose a bucket: the hash's low bits are zero in every place.
const MAX_BITS: u32 = 32;

/// Entries per bucket above which the table doubles.
const FULL: usize = 3;

/// Buckets per entry above which the table is halved.
const SPARSE: usize = 8;

/// The first hash of a bucket, over all shards: a place in the order of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    pub(super) const START: Self = Self(0);

    /// Reads a place back from a number; `None` where no table has a bucket that starts there.
    pub(super) fn from_raw(raw: u64) -> Option<Self> {
        (raw.trailing_zeros() >= u64::BITS - SHARD_BITS - MAX_BITS).then_some(Self(raw))
    }

    pub(super) fn raw(self) -> u64 {
        self.0
    }

    /// The shard that the place lies in.
    pub(super) fn shard(self) -> usize {
        shard_of(self.0)
    }
}

/// The shard that a hash belongs to.
pub(super) fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}

/// The entries of one shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Empty, or a power of two.
    buckets: Vec<Vec<Entry>>,
    len: usize,
    cost: u64,
    evictable_cost: u64,
    sweep: Sweep,
}

/// Where the search for expired entries is, and from when on it is of any use.
#[derive(Debug)]
struct Sweep {
    /// The bucket that was looked at last.
    at: usize,
    /// Buckets that the present round has still to look at.
    left: usize,
    /// No entry expires before it.
    soonest: Deadline,
    /// What is to be `soonest` after the round: of what it has met, and of what was written meanwhile.
    next: Deadline,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            at: 0,
            left: 0,
            soonest: Deadline::NEVER,
            next: Deadline::NEVER,
        }
    }
}

impl Sweep {
    /// An entry has this deadline.
    fn note(&mut self, deadline: Deadline) {
        self.soonest = self.soonest.min(deadline);
        self.next = self.next.min(deadline);
    }

    /// The next bucket to look at, unless nothing can have expired.
    fn step(&mut self, now: Moment, buckets: usize) -> Option<usize> {
        if !self.soonest.has_come(now) {
            return None;
        }
        if self.left == 0 {
            (self.left, self.next) = (buckets, Deadline::NEVER);
        }
        self.at = (self.at + 1) & (buckets - 1);
        Some(self.at)
    }

    /// The bucket was looked at, and the first of those that are left in it expires then.
    fn met(&mut self, soonest: Deadline) {
        self.next = self.next.min(soonest);
        self.left -= 1;
        if self.left == 0 {
            self.soonest = self.next;
        }
    }

    /// The buckets are others now.
    fn restart(&mut self) {
        (self.at, self.left) = (0, 0);
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that all entries are charged with.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// The part of the cost that eviction may take back.
    pub(super) fn evictable_cost(&self) -> u64 {
        self.evictable_cost
    }

    pub(super) fn find(&self, hash: u64, key: &Key) -> Option<&Entry> {
        let bucket = self.buckets.get(self.index(hash))?;
        bucket.iter().find(|entry| is(entry, hash, key))
    }

    /// Writes a value, over that of the same key if there is one; the key that is there stays.
    pub(super) fn put(&mut self, hash: u64, key: &Key, value: Value, deadline: Deadline) {
        if let Some(entry) = self.find_mut(hash, key) {
            let before = charge(entry);
            entry.renew(value, deadline);
            let after = charge(entry);
            self.enter(before, after, deadline);
            return;
        }
        let entry = Entry::new(hash, key.clone(), value, deadline);
        self.enter((0, 0), charge(&entry), deadline);
        self.grow_if_full();
        self.len += 1;
        self.push(entry);
    }

    pub(super) fn remove(&mut self, hash: u64, key: &Key) -> Option<Entry> {
        let index = self.index(hash);
        let bucket = self.buckets.get_mut(index)?;
        let position = bucket.iter().position(|entry| is(entry, hash, key))?;
        let entry = bucket.swap_remove(position);
        if bucket.is_empty() {
            *bucket = Vec::new();
        }
        self.subtract_cost(&entry);
        self.len -= 1;
        Some(entry)
    }

    /// Changes an entry in place and keeps the books.
    pub(super) fn change<R>(
        &mut self,
        hash: u64,
        key: &Key,
        work: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let entry = self.find_mut(hash, key)?;
        let before = charge(entry);
        let answer = work(entry);
        let (after, deadline) = (charge(entry), entry.deadline);
        self.enter(before, after, deadline);
        Some(answer)
    }

    /// The entries of the bucket at `place`, which must lie in this shard.
    pub(super) fn bucket(&self, place: Place) -> &[Entry] {
        self.buckets
            .get(self.index(place.0))
            .map_or(&[], Vec::as_slice)
    }

    /// The place after the bucket at `place`; `None` after the last bucket of the last shard.
    pub(super) fn place_after(&self, place: Place) -> Option<Place> {
        let width = 1 << (u64::BITS - SHARD_BITS - self.bits());
        // A table that was halved meanwhile has a wider bucket, which starts before the place.
        let start = place.0 & !(width - 1);
        start.checked_add(width).map(Place)
    }

    /// Removes the entries of the bucket at `place` for which `unwanted` says so.
    pub(super) fn prune(&mut self, place: Place, unwanted: impl FnMut(&mut Entry) -> bool) {
        self.prune_bucket(self.index(place.0), unwanted);
    }

    /// Removes what has expired from the next few buckets, and gives memory back where most are empty.
    ///
    /// Called with every write, it bounds the garbage: a table is swept once while as many writes reach it
    /// as it has buckets, divided by `buckets`. Where nothing can have expired yet, no bucket is looked at.
    pub(super) fn sweep(&mut self, now: Moment, buckets: usize) {
        for _ in 0..buckets.min(self.buckets.len()) {
            let Some(index) = self.sweep.step(now, self.buckets.len()) else {
                break;
            };
            self.prune_bucket(index, |entry| !entry.is_live(now));
            let deadlines = self.buckets[index].iter().map(|entry| entry.deadline);
            self.sweep.met(deadlines.min().unwrap_or(Deadline::NEVER));
        }
        if self.buckets.len() > SPARSE && self.len * SPARSE < self.buckets.len() {
            self.resize(self.buckets.len() / 2);
        }
    }

    fn prune_bucket(&mut self, index: usize, unwanted: impl FnMut(&mut Entry) -> bool) {
        let Some(bucket) = self.buckets.get_mut(index) else {
            return;
        };
        let mut freed = (0, 0, 0);
        for entry in bucket.extract_if(.., unwanted) {
            freed = (
                freed.0 + 1,
                freed.1 + entry.cost(),
                freed.2 + entry.evictable_cost(),
            );
        }
        if bucket.is_empty() {
            *bucket = Vec::new();
        }
        self.len -= freed.0;
        self.cost -= freed.1;
        self.evictable_cost -= freed.2;
    }

    fn grow_if_full(&mut self) {
        if self.buckets.is_empty() {
            self.buckets.push(Vec::new());
        } else if self.len >= self.buckets.len() * FULL && self.bits() < MAX_BITS {
            self.resize(self.buckets.len() * 2);
        }
    }

    fn resize(&mut self, buckets: usize) {
        let old = std::mem::take(&mut self.buckets);
        self.buckets.resize_with(buckets, Vec::new);
        self.sweep.restart();
        for entry in old.into_iter().flatten() {
            self.push(entry);
        }
    }

    fn push(&mut self, entry: Entry) {
        let index = self.index(entry.hash);
        // Buckets hold few entries: room for one more, and not the doubled capacity of `push`, keeps them small.
        self.buckets[index].reserve_exact(1);
        self.buckets[index].push(entry);
    }

    fn find_mut(&mut self, hash: u64, key: &Key) -> Option<&mut Entry> {
        let index = self.index(hash);
        self.buckets
            .get_mut(index)?
            .iter_mut()
            .find(|entry| is(entry, hash, key))
    }

    fn bits(&self) -> u32 {
        self.buckets.len().max(1).trailing_zeros()
    }

    fn index(&self, hash: u64) -> usize {
        let within_shard = hash << SHARD_BITS;
        within_shard
            .checked_shr(u64::BITS - self.bits())
            .unwrap_or(0) as usize
    }

    /// Enters a change of one entry, which has this deadline now.
    fn enter(&mut self, before: Charge, after: Charge, deadline: Deadline) {
        self.cost = self.cost - before.0 + after.0;
        self.evictable_cost = self.evictable_cost - before.1 + after.1;
        self.sweep.note(deadline);
    }

    fn subtract_cost(&mut self, entry: &Entry) {
        self.cost -= entry.cost();
        self.evictable_cost -= entry.evictable_cost();
    }
}

/// What an entry costs, and how much of that can be evicted.
type Charge = (u64, u64);

fn charge(entry: &Entry) -> Charge {
    (entry.cost(), entry.evictable_cost())
}

fn is(entry: &Entry, hash: u64, key: &Key) -> bool {
    entry.hash == hash && entry.key == *key
}
