//! Units that a process takes ahead, and gives out without asking anyone.
//!
//! They are taken from the limit like any others, so that all that passes was counted before it passed. A lease ends before its
//! window does by any clock that drifts as far as clocks may; what is left of it goes back, or is lost with the process: then
//! less passes than might have, never more.

mod keeper;
mod options;
mod refill;
mod slot;

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use cachekit_keys::UserId;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::options::Leasing;
use self::slot::Slot;
pub(crate) use self::{
    keeper::keep,
    refill::{Order, Refill, Refilled, Turn},
    slot::Returned,
};
use crate::LimitStatus;

/// Parts of the table, so that threads seldom wait for each other. A power of two.
const SHARDS: usize = 16;

type Shard = Mutex<HashMap<UserId, Slot, RandomState>>;

/// The units of all subjects that are with this process.
pub(crate) struct Leases {
    options: Leasing,
    shards: [Shard; SHARDS],
    hasher: RandomState,
    subjects: AtomicUsize,
    next: AtomicU64,
    /// Nothing is leased any more.
    closed: AtomicBool,
}

impl Leases {
    pub(crate) fn new(options: Leasing) -> Self {
        let hasher = RandomState::default();
        Self {
            options,
            shards: std::array::from_fn(|_| Mutex::new(HashMap::with_hasher(hasher.clone()))),
            hasher,
            subjects: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes `cost` from what is there, or finds out how to get more; `refill` makes the call where nobody has.
    pub(crate) fn turn(
        &self,
        subject: &UserId,
        cost: u64,
        refill: impl FnOnce(Order) -> Refill,
    ) -> Turn {
        let now = Instant::now();
        let mut shard = self.shard(subject).lock();
        if let Some(statuses) = shard
            .get_mut(subject)
            .and_then(|slot| slot.spend(cost, now))
        {
            return Turn::Spent(statuses);
        }
        if cost > self.options.most || self.closed.load(Ordering::SeqCst) {
            return Turn::Ask;
        }
        if !shard.contains_key(subject) {
            if self.subjects.load(Ordering::Relaxed) >= self.options.subjects {
                return Turn::Ask;
            }
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            self.subjects.fetch_add(1, Ordering::Relaxed);
            shard.insert(subject.clone(), Slot::new(id, &self.options, now));
        }
        match shard.get_mut(subject) {
            Some(slot) => Turn::Wait(slot.refill(subject, cost, &self.options, now, refill)),
            None => Turn::Ask,
        }
    }

    /// Puts in what the store gave for an order; answers what has to go back, as nothing is leased any more.
    pub(crate) fn fill(
        &self,
        order: &Order,
        taken: u64,
        statuses: Vec<LimitStatus>,
        sent: Instant,
        window: Option<Duration>,
    ) -> Option<Returned> {
        let mut shard = self.shard(&order.subject).lock();
        if self.closed.load(Ordering::SeqCst) {
            return Returned::of(taken, &statuses);
        }
        // A slot that was dropped meanwhile belongs to limits that were reset or changed: nobody knows what its units are worth.
        let slot = shard.get_mut(&order.subject);
        if let Some(slot) = slot.filter(|slot| slot.id == order.slot) {
            let life = window.map_or(self.options.lasting, |left| {
                slot::life_in(left).min(self.options.lasting)
            });
            slot.fill(taken, statuses, sent, life);
        }
        None
    }

    /// Takes back units that a caller got from here and did not use; answers whether they have a place here.
    pub(crate) fn give_back(&self, subject: &UserId, units: u64, given: &[LimitStatus]) -> bool {
        let mut shard = self.shard(subject).lock();
        let slot = shard.get_mut(subject);
        slot.is_some_and(|slot| slot.give_back(units, given, &self.options))
    }

    /// Drops the units of a subject whose limits were reset or changed. They are not returned.
    pub(crate) fn forget(&self, subject: &UserId) {
        if self.shard(subject).lock().remove(subject).is_some() {
            self.subjects.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes out what was not used in time, or all.
    fn take_rests(&self, all: bool) -> Vec<(UserId, Returned)> {
        let now = Instant::now();
        let mut rests = Vec::new();
        for shard in &self.shards {
            shard.lock().retain(|subject, slot| {
                let stays = !all && !slot.is_idle(now);
                if !stays {
                    rests.extend(slot.take_rest().map(|rest| (subject.clone(), rest)));
                    self.subjects.fetch_sub(1, Ordering::Relaxed);
                }
                stays
            });
        }
        rests
    }

    fn shard(&self, subject: &UserId) -> &Shard {
        // Not the bits by which the table within is arranged.
        let hash = self.hasher.hash_one(subject) >> 32;
        &self.shards[usize::try_from(hash).unwrap_or(0) % SHARDS]
    }
}
