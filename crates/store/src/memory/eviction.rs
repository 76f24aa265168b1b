//! Making room: the clock algorithm with a small use counter, over entries that have a TTL.
//!
//! A hand goes round the table. An entry that has been used since its last visit loses one use and stays, one
//! without uses goes: approximately the least frequently used, aged by the hand itself. A hit costs one relaxed
//! store at most and takes no exclusive lock, unlike a list in order of use. Entries that never expire are never
//! taken, as under Redis's `volatile-lfu`: their owner cannot make them again. It is not a background task: the
//! write that needs the room makes it.

use super::{
    budget::Budget,
    clock::Moment,
    entry::{self, MAX_HEAT},
    keyspace::Keyspace,
    table::Place,
};
use cachekit_keys::Key;

/// The policy's name in the server's facts.
pub(super) fn policy(budget: &Budget) -> &'static str {
    if budget.limit().is_some() {
        "volatile-lfu"
    } else {
        "noeviction"
    }
}

impl Keyspace {
    /// Reserves room for a value of `value_len` bytes under `key`, evicting others where needed. Answers the
    /// bytes reserved, or `None`, with nothing evicted, where the budget cannot be kept.
    pub(super) fn make_room(
        &self,
        hash: u64,
        key: &Key,
        value_len: usize,
        now: Moment,
    ) -> Option<u64> {
        let cost = entry::cost(key, value_len);
        if self.budget.reserve(cost) {
            return Some(cost);
        }
        // Now it is worth a look at how much of it the value that is overwritten gives back.
        let (old, spared) = {
            let table = self.read(hash);
            table
                .find(hash, key)
                .map_or((0, 0), |entry| (entry.cost(), entry.evictable_cost()))
        };
        self.budget.release(cost.min(old));
        let reserved = cost.saturating_sub(old);
        if self.evict_until_kept(hash, spared, now) {
            return Some(reserved);
        }
        self.budget.release(reserved);
        None
    }

    /// Turns the hand until the budget is kept. The entries with the hash `spared_hash` stay.
    fn evict_until_kept(&self, spared_hash: u64, spared: u64, now: Moment) -> bool {
        let mut hand = self.hand.lock();
        // The hottest entry is taken on the turn after its last use is.
        let mut turns = u32::from(MAX_HEAT) + 2;
        while self.budget.is_exceeded() {
            if turns == 0 || !self.budget.can_be_kept(spared) {
                return false;
            }
            let (freed, next) = self.evict_at(*hand, spared_hash, now);
            if freed {
                turns = u32::from(MAX_HEAT) + 2;
            }
            *hand = next.unwrap_or_else(|| {
                turns = turns.saturating_sub(1);
                Place::START
            });
        }
        true
    }

    /// Visits one bucket; answers whether it freed something, and where to go on.
    fn evict_at(&self, place: Place, spared_hash: u64, now: Moment) -> (bool, Option<Place>) {
        self.settled(place.shard(), 0, |table| {
            let before = table.len();
            table.prune(place, |entry| {
                let evictable = !entry.deadline.is_never() && entry.hash != spared_hash;
                !entry.is_live(now) || (evictable && entry.cool())
            });
            (table.len() < before, table.place_after(place))
        })
    }
}
