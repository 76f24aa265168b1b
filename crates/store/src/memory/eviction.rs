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

/// The entries that an eviction leaves alone: those with the hash of the key that is about to be overwritten.
#[derive(Clone, Copy, Debug, Default)]
struct Spared {
    hash: Option<u64>,
    /// What they count among what could be evicted.
    cost: u64,
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
        let cost = entry::cost(key, value_len as u64);
        if self.budget.reserve(cost) {
            return Some(cost);
        }
        // Now it is worth a look at how much of it the value that is overwritten gives back.
        let (old, cost_of_spared) = {
            let table = self.read(hash);
            table
                .find(hash, key)
                .map_or((0, 0), |entry| (entry.cost(), entry.evictable_cost()))
        };
        self.budget.release(cost.min(old));
        let reserved = cost.saturating_sub(old);
        let spared = Spared {
            hash: Some(hash),
            cost: cost_of_spared,
        };
        if self.evict_until_kept(spared, now) {
            return Some(reserved);
        }
        self.budget.release(reserved);
        None
    }

    /// Brings the use down to the budget, before and after what cannot reserve its room because it is not known:
    /// a script's run. Answers whether the budget is kept; where it cannot be, nothing is evicted.
    ///
    /// No lock of a shard may be held.
    pub(super) fn keep_budget(&self) -> bool {
        !self.budget.is_exceeded() || self.evict_until_kept(Spared::default(), self.clock.now())
    }

    /// Turns the hand until the budget is kept.
    fn evict_until_kept(&self, spared: Spared, now: Moment) -> bool {
        let mut hand = self.hand.lock();
        // The hottest entry is taken on the turn after its last use is.
        let mut turns = u32::from(MAX_HEAT) + 2;
        while self.budget.is_exceeded() {
            if turns == 0 || !self.budget.can_be_kept(spared.cost) {
                return false;
            }
            let (freed, next) = self.evict_at(*hand, spared, now);
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
    fn evict_at(&self, place: Place, spared: Spared, now: Moment) -> (bool, Option<Place>) {
        self.settled(place.shard(), 0, |table| {
            let before = table.len();
            table.prune(place, |entry| {
                let evictable = !entry.deadline.is_never() && Some(entry.hash) != spared.hash;
                !entry.is_live(now) || (evictable && entry.cool())
            });
            (table.len() < before, table.place_after(place))
        })
    }
}
