//! A hash table whose buckets follow the order of the hashes, so that a scan can walk it while it changes.
//!
//! A bucket is a range of hashes. Doubling the table halves every range and halving it joins two: a place in
//! the order of hashes stays a place, whatever the table does meanwhile. A scan that visits every range
//! once therefore meets every key that was there all the time, and needs no memory between its steps.
//! The tables of the usual libraries give no such order. Expiry is not looked at here, except by [`Table::sweep`].

use cachekit_keys::Key;

use super::{clock::Moment, entry::Entry};

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
    swept: usize,
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

    /// Writes an entry, over the one with the same key if there is one.
    pub(super) fn put(&mut self, entry: Entry) {
        self.add_cost(&entry);
        if let Some(old) = self.find_mut(entry.hash, &entry.key) {
            let old = std::mem::replace(old, entry);
            self.subtract_cost(&old);
            return;
        }
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
        let before = (entry.cost(), entry.evictable_cost());
        let answer = work(entry);
        let after = (entry.cost(), entry.evictable_cost());
        self.cost = self.cost - before.0 + after.0;
        self.evictable_cost = self.evictable_cost - before.1 + after.1;
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
    /// as it has buckets, divided by `buckets`.
    pub(super) fn sweep(&mut self, now: Moment, buckets: usize) {
        for _ in 0..buckets.min(self.buckets.len()) {
            self.swept = (self.swept + 1) & (self.buckets.len() - 1);
            self.prune_bucket(self.swept, |entry| !entry.is_live(now));
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
        self.swept = 0;
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

    fn add_cost(&mut self, entry: &Entry) {
        self.cost += entry.cost();
        self.evictable_cost += entry.evictable_cost();
    }

    fn subtract_cost(&mut self, entry: &Entry) {
        self.cost -= entry.cost();
        self.evictable_cost -= entry.evictable_cost();
    }
}

fn is(entry: &Entry, hash: u64, key: &Key) -> bool {
    entry.hash == hash && entry.key == *key
}
