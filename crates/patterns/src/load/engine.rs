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
    LoadOptions, Policy, Request,
    flight::{Mode, Seen},
    flights::{Flights, Moment, Outcome, Ticket},
    setbacks::Setbacks,
};
use crate::{
    Cached, Origin,
    access::{Access, Found, Hit, Look},
};

/// How often a caller joins a load whose result it may not have, before it loads for itself.
const ROUNDS: usize = 3;

/// So much longer than its load may take does a caller wait, so that it hears how a load ended that began with it.
const GRACE: Duration = Duration::from_millis(50);

/// With whom a load without a lease is shared. No invalidation reaches it.
enum Company<V> {
    /// With those on a flight that is under way.
    Known(Ticket<V>),
    /// With others who could not read the store either: nobody of them can hear of an invalidation.
    Anyone,
    /// Only where the load began after the call did. While another one is under way, those who came later wait for the
    /// next one together.
    Later,
}

/// One call that may load.
struct Call<V> {
    tasks: Tasks,
    request: Request<V>,
    start: Instant,
    /// When it began, among the loads without a lease.
    moment: Moment,
}

/// What loads for one cache.
pub(crate) struct Engine<V> {
    pub(super) access: Access,
    pub(super) policy: Policy,
    pub(super) flights: Arc<Flights<V>>,
    /// Loads without a lease, which no invalidation reaches.
    pub(super) unleased: Arc<Flights<V>>,
    pub(super) permits: Semaphore,
    /// How many loads may run at once, where that is bounded.
    pub(super) turns: Option<Semaphore>,
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
            turns: policy.loads.map(Semaphore::new),
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
    pub(crate) fn is_due(&self, hit: &Hit<V>, options: &LoadOptions) -> bool {
        if hit.value.is_none() {
            return false;
        }
        let average = match self.load_time.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        };
        let load_time = hit.load_time.or(average);
        let draw = || self.random.lock().f64();
        let refresh = options.refresh.unwrap_or(self.policy.refresh);
        refresh.is_due(hit.age, hit.left, load_time, draw)
    }
}

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Looks once, and counts the request.
    pub(crate) async fn look(&self, key: &Key, options: &LoadOptions) -> Result<Look<V>> {
        let (bytes, expires_in) = self.access.read(key, options.reads_expiry()).await?;
        self.access.judge(key, bytes, expires_in)
    }

    /// What could be served although it is not fresh.
    pub(super) fn stale(look: &Look<V>, options: &LoadOptions) -> Option<Hit<V>> {
        let Found::Stale(hit) = &look.found else {
            return None;
        };
        let over = hit.over.unwrap_or_default();
        let is_within = options
            .stale_for
            .is_none_or(|bound| over <= bound.as_duration());
        (hit.value.is_some() && is_within).then(|| hit.clone())
    }

    fn serve_stale(&self, hit: Hit<V>) -> Cached<V> {
        self.access.note_stale();
        hit.cached(Origin::Stale)
    }

    /// Loads what a look did not find, or waits for whoever does; for as long as the call's load may take, and no longer.
    pub(crate) async fn load(
        self: Arc<Self>,
        tasks: Tasks,
        request: Request<V>,
        look: Result<Look<V>>,
        first: Option<Ticket<V>>,
    ) -> Result<Cached<V>> {
        let start = Instant::now();
        let (key, limit) = (request.key.clone(), request.hard_timeout);
        let mut stale = None;
        let call = Call {
            tasks,
            request,
            start,
            moment: self.unleased.moment(),
        };
        let answer = self.answer(&call, look, first, &mut stale);
        let answered = match start.checked_add(limit.saturating_add(GRACE)) {
            Some(deadline) => timeout_at(deadline, answer).await,
            None => Ok(answer.await),
        };
        answered.unwrap_or_else(|_| {
            let detail = format!("the value was not there within {limit:?}; its load goes on");
            let error = Error::new(ErrorKind::Timeout, "load").with_detail(detail);
            self.stale_or(&mut stale, error.with_key(&key))
        })
    }

    /// Serves what there is that is not fresh, or fails.
    fn stale_or(&self, stale: &mut Option<Hit<V>>, error: Error) -> Result<Cached<V>> {
        stale.take().map(|hit| self.serve_stale(hit)).ok_or(error)
    }

    /// `stale` is told what could be served although it is not fresh.
    async fn answer(
        self: &Arc<Self>,
        call: &Call<V>,
        look: Result<Look<V>>,
        mut first: Option<Ticket<V>>,
        stale: &mut Option<Hit<V>>,
    ) -> Result<Cached<V>> {
        let request = &call.request;
        let mut look = match look {
            Ok(look) => look,
            Err(error) if is_away(&error) => {
                let company = first.map_or(Company::Anyone, Company::Known);
                return self.load_unleased(call, stale, company).await;
            }
            Err(error) => return Err(error),
        };
        for _ in 0..ROUNDS {
            *stale = Self::stale(&look, &request.options);
            if let Found::Unreadable(error) = &look.found
                && error.kind() == ErrorKind::Newer
            {
                return self.load_unleased(call, stale, Company::Later).await;
            }
            if first.is_none()
                && let Some(held_back) = self.held_back(&request.key, stale)
            {
                return held_back;
            }
            let (mut ticket, flying) = match first.take() {
                Some(ticket) => (ticket, None),
                None => self.flights.join_or_start(&request.key),
            };
            if let Some(flying) = flying {
                let (seen, this) = (Seen::of(&look), Arc::clone(self));
                // Boxed, because it is large and would be copied several times on its way into the task.
                let fly =
                    |stop| Box::pin(this.fly(flying, request.clone(), seen, Mode::Load, stop));
                if let Err(error) = call.tasks.spawn_until_stopped("load a value", fly) {
                    return self.stale_or(stale, error);
                }
            }
            let soft = self.soft_deadline(call);
            let Some(outcome) = wait(&mut ticket, stale.is_some(), soft).await else {
                // Only where there is something stale is a wait given up.
                return self.stale_or(stale, Error::new(ErrorKind::Unexpected, "load"));
            };
            match outcome {
                Outcome::Found(cached, look) if ticket.joined < look => return Ok(cached),
                Outcome::Loaded(cached) => return Ok(cached),
                Outcome::Private(cached) if ticket.started => return Ok(cached),
                Outcome::Failed(error) => return self.stale_or(stale, error),
                Outcome::Refused(error) => return Err(error),
                Outcome::Away => return self.load_unleased(call, stale, Company::Later).await,
                Outcome::Found(..) | Outcome::Private(_) | Outcome::Nothing => {}
            }
            look = match self.look(&request.key, &request.options).await {
                Ok(look) => look,
                Err(error) if is_away(&error) => {
                    return self.load_unleased(call, stale, Company::Later).await;
                }
                Err(error) => return Err(error),
            };
            if let Found::Fresh(hit) = look.found {
                return Ok(hit.cached(Origin::Fresh));
            }
        }
        *stale = Self::stale(&look, &request.options);
        self.load_unleased(call, stale, Company::Later).await
    }

    /// What is answered in place of a load, where one failed a moment ago.
    fn held_back(&self, key: &Key, stale: &mut Option<Hit<V>>) -> Option<Result<Cached<V>>> {
        if stale.is_none() {
            return self.setbacks.error(key).map(Err);
        }
        let hit = stale.take_if(|_| self.setbacks.is_held_back(key))?;
        Some(Ok(self.serve_stale(hit)))
    }

    /// Loads without the store.
    async fn load_unleased(
        self: &Arc<Self>,
        call: &Call<V>,
        stale: &mut Option<Hit<V>>,
        mut company: Company<V>,
    ) -> Result<Cached<V>> {
        let request = &call.request;
        loop {
            let is_anyones = !matches!(company, Company::Later);
            let (mut ticket, flying) = match std::mem::replace(&mut company, Company::Later) {
                Company::Known(ticket) => (ticket, None),
                Company::Anyone | Company::Later => {
                    if let Some(held_back) = self.held_back(&request.key, stale) {
                        return held_back;
                    }
                    self.unleased.join_or_start(&request.key)
                }
            };
            if let Some(flying) = flying {
                let value = stale.as_ref().and_then(|hit| hit.value.clone());
                let flight = Arc::clone(self).fly_unleased(flying, request.clone(), value);
                let spawned = call.tasks.spawn("load a value without the store", flight);
                if let Err(error) = spawned {
                    return self.stale_or(stale, error);
                }
            }
            let soft = self.soft_deadline(call);
            let unexpected = || Error::new(ErrorKind::Unexpected, "load");
            let Some(outcome) = wait(&mut ticket, stale.is_some(), soft).await else {
                return self.stale_or(stale, unexpected());
            };
            let is_ours = is_anyones || ticket.started || ticket.began_after(call.moment);
            match outcome {
                Outcome::Private(_) if !ticket.started => {}
                _ if !is_ours => {}
                Outcome::Loaded(cached) | Outcome::Private(cached) | Outcome::Found(cached, _) => {
                    return Ok(cached);
                }
                Outcome::Failed(error) | Outcome::Refused(error) => {
                    return self.stale_or(stale, error);
                }
                Outcome::Away | Outcome::Nothing => return self.stale_or(stale, unexpected()),
            }
        }
    }

    fn soft_deadline(&self, call: &Call<V>) -> Option<Instant> {
        let soft = call
            .request
            .options
            .soft_timeout
            .or(self.policy.soft_timeout)?;
        call.start.checked_add(soft)
    }

    /// Loads a value anew that is still fresh, in the background, unless someone does already.
    pub(crate) fn refresh(self: &Arc<Self>, tasks: &Tasks, request: Request<V>, seen: Seen<V>) {
        if self.setbacks.is_held_back(&request.key) {
            return;
        }
        let (_, flying) = self.flights.join_or_start(&request.key);
        if let Some(flying) = flying {
            let this = Arc::clone(self);
            let fly = |stop| this.fly(flying, request, seen, Mode::Refresh, stop);
            // After a shutdown nothing is refreshed any more.
            let _ = tasks.spawn_until_stopped("refresh a value", fly);
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
