//! Loads under way in this process, each shared by all callers of its key.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::hash::BuildHasher;
use tokio::sync::watch;

use crate::Cached;

/// More than the threads of most machines, so that callers of different keys do not wait for each other.
const SHARDS: usize = 32;

/// The loads under way, by key.
pub(super) struct Flights<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    hasher: RandomState,
    /// How many there have been.
    begun: AtomicU64,
}

type Shard<V> = HashMap<Key, Arc<Flight<V>>, RandomState>;

/// One load, or the wait for someone else's.
struct Flight<V> {
    stage: watch::Sender<Stage<V>>,
    /// How many looks at the store it has taken.
    looks: AtomicU64,
    /// Its number among those that it can be found with.
    number: AtomicU64,
}

/// How far it is.
#[derive(Clone)]
pub(super) enum Stage<V> {
    Busy,
    /// Another process loads.
    Elsewhere,
    Done(Outcome<V>),
}

/// What came of it.
#[derive(Clone)]
pub(super) enum Outcome<V> {
    /// Found in the store by the look of this number: for those who joined before it. A later one may have come after an
    /// invalidation, and looks for itself.
    Found(Cached<V>, u64),
    /// Loaded, and no invalidation came in between: for all who joined.
    Loaded(Cached<V>),
    /// Loaded, and perhaps invalidated since: for the caller that started it.
    Private(Cached<V>),
    /// The loader failed.
    Failed(Error),
    /// The call is wrong, or the store will not take it: nothing would be better another time.
    Refused(Error),
    /// The store is of no help: load without it.
    Away,
    /// Nothing: look again.
    Nothing,
}

/// A caller's place on a flight.
pub(crate) struct Ticket<V> {
    pub(super) stage: watch::Receiver<Stage<V>>,
    /// How many looks had been taken when the caller joined.
    pub(super) joined: u64,
    pub(super) started: bool,
    /// The flight's number.
    number: u64,
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            begun: AtomicU64::new(0),
        }
    }

    /// Joins the flight of a key, or starts one, which the caller has to carry out.
    pub(super) fn join_or_start(self: &Arc<Self>, key: &Key) -> (Ticket<V>, Option<Flying<V>>) {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.get(key) {
            return (flight.ticket(false), None);
        }
        let flight = Arc::new(Flight::new(self.next_number()));
        shard.insert(key.clone(), Arc::clone(&flight));
        let flying = Flying {
            flights: Arc::clone(self),
            key: key.clone(),
            flight,
        };
        (flying.flight.ticket(true), Some(flying))
    }

    /// A moment: it comes before all flights that begin from now on.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.begun.load(Ordering::SeqCst))
    }

    fn next_number(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard<V>> {
        let hash = self.hasher.hash_one(key);
        // The remainder is below the number of shards.
        let place = usize::try_from(hash % self.shards.len() as u64).unwrap_or_default();
        &self.shards[place]
    }
}

/// When a call began, in terms of the flights that had begun before.
#[derive(Clone, Copy)]
pub(super) struct Moment(u64);

impl<V> Flight<V> {
    fn new(number: u64) -> Self {
        Self {
            number: AtomicU64::new(number),
            stage: watch::Sender::new(Stage::Busy),
            looks: AtomicU64::new(0),
        }
    }

    fn ticket(&self, started: bool) -> Ticket<V> {
        Ticket {
            joined: self.looks.load(Ordering::SeqCst),
            stage: self.stage.subscribe(),
            started,
            number: self.number.load(Ordering::SeqCst),
        }
    }
}

/// A flight as the one who carries it out has it. However that ends, those who wait hear of it.
pub(super) struct Flying<V> {
    flights: Arc<Flights<V>>,
    key: Key,
    flight: Arc<Flight<V>>,
}

impl<V> Flying<V> {
    /// Takes no more callers: from now on they look for themselves.
    pub(super) fn close(&self) {
        let mut shard = self.flights.shard(&self.key).lock();
        self.leave(&mut shard);
    }

    /// Closes where no caller is left; answers whether that was so.
    pub(super) fn close_if_abandoned(&self) -> bool {
        let mut shard = self.flights.shard(&self.key).lock();
        let is_abandoned = self.flight.stage.receiver_count() == 0;
        if is_abandoned {
            self.leave(&mut shard);
        }
        is_abandoned
    }

    /// Takes no more callers here, and is found among these flights from now on, unless there is one of the key already.
    pub(super) fn moves_to(&mut self, flights: &Arc<Flights<V>>) {
        self.close();
        self.flights = Arc::clone(flights);
        let mut shard = flights.shard(&self.key).lock();
        if !shard.contains_key(&self.key) {
            let number = flights.next_number();
            self.flight.number.store(number, Ordering::SeqCst);
            shard.insert(self.key.clone(), Arc::clone(&self.flight));
        }
    }

    fn leave(&self, shard: &mut Shard<V>) {
        let known = shard.get(&self.key);
        if known.is_some_and(|known| Arc::ptr_eq(known, &self.flight)) {
            shard.remove(&self.key);
        }
    }

    /// Waits until no caller is left, for the time being.
    pub(super) async fn abandoned(&self) {
        self.flight.stage.closed().await;
    }

    /// The number of a look that is about to be taken.
    pub(super) fn next_look(&self) -> u64 {
        self.flight.looks.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Tells that another process loads.
    pub(super) fn goes_on_elsewhere(&self) {
        self.flight.stage.send_replace(Stage::Elsewhere);
    }

    /// Tells that this one does after all.
    pub(super) fn goes_on_here(&self) {
        self.flight.stage.send_replace(Stage::Busy);
    }

    /// Tells what came of it.
    pub(super) fn finish(self, outcome: Outcome<V>) {
        self.close();
        self.flight.stage.send_replace(Stage::Done(outcome));
    }
}

impl<V> Drop for Flying<V> {
    fn drop(&mut self) {
        self.close();
        self.flight.stage.send_if_modified(|stage| {
            let is_cut_off = !matches!(stage, Stage::Done(_));
            if is_cut_off {
                let (kind, detail) = match std::thread::panicking() {
                    true => (ErrorKind::LoadFailed, "the load panicked"),
                    false => (ErrorKind::Closed, "the load was cut off by a shutdown"),
                };
                let error = Error::new(kind, "load").with_detail(detail);
                *stage = Stage::Done(Outcome::Refused(error));
            }
            is_cut_off
        });
    }
}

impl<V> Ticket<V> {
    /// Whether the flight began after this.
    pub(super) fn began_after(&self, moment: Moment) -> bool {
        self.number > moment.0
    }
}

impl<V: Clone> Ticket<V> {
    /// The outcome, where it is there already.
    pub(super) fn known_outcome(&self) -> Option<Outcome<V>> {
        match &*self.stage.borrow() {
            Stage::Done(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// Waits for the outcome; `None` as soon as another process turns out to load, where `unless_elsewhere`.
    pub(super) async fn outcome(&mut self, unless_elsewhere: bool) -> Option<Outcome<V>> {
        loop {
            match &*self.stage.borrow_and_update() {
                Stage::Done(outcome) => return Some(outcome.clone()),
                Stage::Elsewhere if unless_elsewhere => return None,
                _ => {}
            }
            if self.stage.changed().await.is_err() {
                return Some(Outcome::Nothing); // it says how it ended before it goes
            }
        }
    }
}
