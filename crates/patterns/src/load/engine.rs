//! What the callers of one cache share, and the way of a call through it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Result, Tasks};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    Policy, Request,
    flight::{Mode, Seen},
    flights::{Flights, Outcome, Ticket},
    setbacks::Setbacks,
};
use crate::{
    Cached, Origin,
    access::{Access, Found, Hit, Look},
};

/// How often a caller joins a load whose result it may not have, before it loads for itself.
const ROUNDS: usize = 3;

/// With whom a load without a lease is shared.
enum Company<V> {
    /// With those on a flight that is under way.
    Known(Ticket<V>),
    /// With others who found the store of no help.
    Others,
    None,
}

/// What loads for one cache.
pub(crate) struct Engine<V> {
    pub(super) access: Access,
    pub(super) policy: Policy,
    pub(super) flights: Arc<Flights<V>>,
    /// Loads without a lease, which no invalidation reaches: for those alone who found the store of no help.
    pub(super) unleased: Arc<Flights<V>>,
    pub(super) permits: Semaphore,
    pub(super) setbacks: Setbacks,
    /// The moving average of load times, in microseconds; 0 before the first.
    load_time: AtomicU64,
    random: Mutex<fastrand::Rng>,
}

impl<V> Engine<V> {
    pub(crate) fn new(access: Access, policy: Policy) -> Self {
        let random = policy
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            access,
            policy,
            flights: Arc::new(Flights::new()),
            unleased: Arc::new(Flights::new()),
            permits: Semaphore::new(policy.unleased),
            setbacks: Setbacks::default(),
            load_time: AtomicU64::new(0),
            random: Mutex::new(random),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A load took so long. An eighth of the average is the latest one's.
    pub(super) fn learn(&self, load_time: Duration) {
        let latest = u64::try_from(load_time.as_micros()).unwrap_or(u64::MAX);
        let average = self.load_time.load(Ordering::Relaxed);
        let next = match average {
            0 => latest,
            average => average - average / 8 + latest / 8,
        };
        self.load_time.store(next.max(1), Ordering::Relaxed);
    }

    /// Whether a fresh value is to be loaded anew.
    pub(crate) fn is_due(&self, hit: &Hit<V>) -> bool {
        if hit.value.is_none() {
            return false;
        }
        let average = match self.load_time.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        };
        let load_time = hit.load_time.or(average);
        let draw = || self.random.lock().f64();
        self.policy
            .refresh
            .is_due(hit.age, hit.left, load_time, draw)
    }
}

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Looks once, and counts the request.
    pub(crate) async fn look(&self, key: &Key) -> Result<Look<V>> {
        let (bytes, expires_in) = self.access.read(key).await?;
        self.access.judge(key, bytes, expires_in)
    }

    /// What could be served although it is not fresh.
    pub(super) fn stale(look: &Look<V>) -> Option<Hit<V>> {
        match &look.found {
            Found::Stale(hit) if hit.value.is_some() => Some(hit.clone()),
            _ => None,
        }
    }

    fn serve_stale(&self, hit: Hit<V>) -> Cached<V> {
        self.access.note_stale();
        hit.cached(Origin::Stale)
    }

    /// Loads what a look did not find, or waits for whoever does.
    pub(crate) async fn load(
        self: Arc<Self>,
        tasks: Tasks,
        request: Request<V>,
        look: Result<Look<V>>,
        mut first: Option<Ticket<V>>,
    ) -> Result<Cached<V>> {
        let start = Instant::now();
        let mut look = match look {
            Ok(look) => look,
            Err(error) if is_away(&error) => {
                let company = first.map_or(Company::Others, Company::Known);
                return self
                    .load_unleased(&tasks, request, None, company, start)
                    .await;
            }
            Err(error) => return Err(error),
        };
        for _ in 0..ROUNDS {
            let stale = Self::stale(&look);
            match look.found {
                Found::Unreadable(ref error) if error.kind() == ErrorKind::Newer => {
                    return self
                        .load_unleased(&tasks, request, None, Company::Others, start)
                        .await;
                }
                _ => {}
            }
            if let Some(stale) = &stale
                && self.setbacks.is_held_back(&request.key)
            {
                return Ok(self.serve_stale(stale.clone()));
            }
            let (mut ticket, flying) = match first.take() {
                Some(ticket) => (ticket, None),
                None => self.flights.join_or_start(&request.key),
            };
            if let Some(flying) = flying {
                let seen = Seen::of(&look);
                let flight = Arc::clone(&self).fly(flying, request.clone(), seen, Mode::Load);
                // Boxed, because it is large and would be copied several times on its way into the task.
                let flight = Box::pin(flight);
                if let Err(error) = tasks.spawn("load a value", flight) {
                    return stale.map(|hit| self.serve_stale(hit)).ok_or(error);
                }
            }
            let soft = self.soft_deadline(&request, start);
            let Some(outcome) = wait(&mut ticket, stale.is_some(), soft).await else {
                // Only where there is something stale is a wait given up.
                return stale
                    .map(|hit| self.serve_stale(hit))
                    .ok_or_else(|| Error::new(ErrorKind::Unexpected, "load"));
            };
            match outcome {
                Outcome::Found(cached, look) if ticket.joined < look => return Ok(cached),
                Outcome::Loaded(cached) => return Ok(cached),
                Outcome::Private(cached) if ticket.started => return Ok(cached),
                Outcome::Failed(error) => {
                    return stale.map(|hit| self.serve_stale(hit)).ok_or(error);
                }
                Outcome::Refused(error) => return Err(error),
                Outcome::Away => {
                    return self
                        .load_unleased(&tasks, request, stale, Company::Others, start)
                        .await;
                }
                Outcome::Found(..) | Outcome::Private(_) | Outcome::Nothing => {}
            }
            look = match self.look(&request.key).await {
                Ok(look) => look,
                Err(error) if is_away(&error) => {
                    return self
                        .load_unleased(&tasks, request, stale, Company::Others, start)
                        .await;
                }
                Err(error) => return Err(error),
            };
            if let Found::Fresh(hit) = look.found {
                return Ok(hit.cached(Origin::Fresh));
            }
        }
        let stale = Self::stale(&look);
        self.load_unleased(&tasks, request, stale, Company::None, start)
            .await
    }

    /// Loads without the store, together with others who cannot use it either, or alone.
    async fn load_unleased(
        self: &Arc<Self>,
        tasks: &Tasks,
        request: Request<V>,
        stale: Option<Hit<V>>,
        company: Company<V>,
        start: Instant,
    ) -> Result<Cached<V>> {
        let (mut ticket, flying) = match company {
            Company::Known(ticket) => (ticket, None),
            Company::Others => self.unleased.join_or_start(&request.key),
            Company::None => {
                let (ticket, flying) = self.unleased.start_alone(&request.key);
                (ticket, Some(flying))
            }
        };
        let soft = self.soft_deadline(&request, start);
        if let Some(flying) = flying {
            let value = stale.as_ref().and_then(|hit| hit.value.clone());
            let flight = Arc::clone(self).fly_unleased(flying, request, value);
            if let Err(error) = tasks.spawn("load a value without the store", flight) {
                return stale.map(|hit| self.serve_stale(hit)).ok_or(error);
            }
        }
        let error = match wait(&mut ticket, stale.is_some(), soft).await {
            Some(
                Outcome::Loaded(cached) | Outcome::Private(cached) | Outcome::Found(cached, _),
            ) => {
                return Ok(cached);
            }
            Some(Outcome::Failed(error) | Outcome::Refused(error)) => error,
            Some(Outcome::Away | Outcome::Nothing) | None => {
                Error::new(ErrorKind::Unexpected, "load")
            }
        };
        stale.map(|hit| self.serve_stale(hit)).ok_or(error)
    }

    fn soft_deadline(&self, request: &Request<V>, start: Instant) -> Option<Instant> {
        let soft = request.soft_timeout.or(self.policy.soft_timeout)?;
        start.checked_add(soft)
    }

    /// Loads a value anew that is still fresh, in the background, unless someone does already.
    pub(crate) fn refresh(self: &Arc<Self>, tasks: &Tasks, request: Request<V>, seen: Seen<V>) {
        if self.setbacks.is_held_back(&request.key) {
            return;
        }
        let (_, flying) = self.flights.join_or_start(&request.key);
        if let Some(flying) = flying {
            let flight = Arc::clone(self).fly(flying, request, seen, Mode::Refresh);
            // After a shutdown nothing is refreshed any more.
            let _ = tasks.spawn("refresh a value", flight);
        }
    }
}

/// Waits for the outcome, where there is something stale only until the soft deadline or until someone else turns out to load.
async fn wait<V: Clone>(
    ticket: &mut Ticket<V>,
    has_stale: bool,
    soft: Option<Instant>,
) -> Option<Outcome<V>> {
    let Some(soft) = soft.filter(|_| has_stale) else {
        return ticket.outcome(has_stale).await;
    };
    if soft <= Instant::now() {
        return ticket.known_outcome(); // a timer would fire a millisecond late
    }
    timeout_at(soft, ticket.outcome(true)).await.ok().flatten()
}

/// Whether the store cannot help at present, so that the origin has to.
pub(crate) fn is_away(error: &Error) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::WritesRefused
}

/// The digest of bytes as scripts compute it.
pub(super) fn digest(bytes: &Bytes) -> String {
    cachekit_store::sha1hex(bytes)
}
