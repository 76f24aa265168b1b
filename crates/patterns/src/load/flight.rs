//! The way of a load: look again, take the lease or wait for its holder, load, store.

use std::{convert::Infallible, future::pending, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{Error, ErrorKind, Result, StopSignal, StoreExt, Wakeup};
use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep, timeout},
};

use super::{
    LoadContext, Loaded, Request,
    engine::{Engine, digest, is_away},
    flights::{Flying, Outcome},
    settle::Settled,
};
use crate::{
    Cached, Origin,
    access::{Found, Hit, Look},
    behind::unpersisted,
    lease::{self, Fill, Late, Take, Taken, Token},
};

/// The life of a lease from the beginning of a shutdown on.
const LAST_LEASE: Ttl = Ttl::seconds(1);
/// How often a flight looks again because the entry changed to something that is no better.
pub(super) const CHANGES: usize = 8;

/// Why a flight is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Callers wait for a value.
    Load,
    /// A value is there: whoever else loads already is let go on.
    Refresh,
}

/// What the key held when the flight began.
pub(crate) struct Seen<V> {
    digest: Option<String>,
    /// How long it was to live, where that was read.
    left: Option<Duration>,
    pub(super) value: Option<V>,
}

impl<V> Seen<V> {
    pub(super) const fn nothing() -> Self {
        Self {
            digest: None,
            left: None,
            value: None,
        }
    }

    pub(super) fn into_value(self) -> Option<V> {
        self.value
    }

    /// What it was when the lease was granted: the same, or gone. What was removed in between is not to be kept.
    pub(super) fn granted(self, has_seen: bool) -> Self {
        if has_seen { self } else { Self::nothing() }
    }
}

impl<V: Clone> Seen<V> {
    /// What a look found that was good enough.
    pub(crate) fn of_hit(bytes: Option<&Bytes>, left: Option<Duration>, hit: &Hit<V>) -> Self {
        Self {
            digest: bytes.map(digest),
            left,
            value: hit.value.clone(),
        }
    }

    pub(crate) fn of(look: &Look<V>) -> Self {
        Self {
            digest: look.bytes.as_ref().map(digest),
            left: look.expires_in,
            value: match &look.found {
                Found::Fresh(hit) | Found::Stale(hit) => hit.value.clone(),
                _ => None,
            },
        }
    }
}

/// How a flight ended, and whether the lease is still to be given back.
pub(super) struct End<V> {
    pub(super) outcome: Outcome<V>,
    pub(super) release: bool,
}

impl<V> End<V> {
    pub(super) fn of(outcome: Outcome<V>) -> Self {
        Self {
            outcome,
            release: false,
        }
    }

    pub(super) fn releasing(outcome: Outcome<V>) -> Self {
        Self {
            outcome,
            release: true,
        }
    }
}

/// A lease that a flight holds.
struct Held<'t> {
    token: &'t Token,
    /// Before it was asked for.
    since: Instant,
    stop: &'t StopSignal,
}

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub(super) async fn fly(
        self: Arc<Self>,
        flying: Flying<V>,
        request: Request<V>,
        seen: Seen<V>,
        mode: Mode,
        stop: StopSignal,
    ) {
        let token = Token::random();
        let End { outcome, release } = match self.access.base().store.capabilities().scripts {
            true => {
                self.run(&flying, &request, seen, mode, (&token, &stop))
                    .await
            }
            false => End::of(self.run_without_lease(&flying, &request, seen).await),
        };
        // Callers do not wait for the lease to be given back, nor for a store that does not answer.
        flying.finish(outcome);
        if release {
            let _ = self.release(&request.key, token).await;
        }
    }

    async fn run(
        &self,
        flying: &Flying<V>,
        request: &Request<V>,
        mut seen: Seen<V>,
        mode: Mode,
        (token, stop): (&Token, &StopSignal),
    ) -> End<V> {
        let (mut changes, mut wakeup) = (0, None);
        loop {
            let (look, since) = (flying.next_look(), Instant::now());
            let taken = match self.take(request, &seen, token).await {
                Ok(taken) => taken,
                Err(error) => {
                    // The lease may have been granted to one who never hears of it.
                    let release = error.may_have_applied();
                    let outcome = match is_away(&error) {
                        true => Outcome::Away,
                        false => Outcome::Refused(error),
                    };
                    return End { outcome, release };
                }
            };
            match taken {
                Taken::Granted { has_seen } => {
                    flying.goes_on_here();
                    let seen = seen.granted(has_seen);
                    let held = Held { token, since, stop };
                    return self.load_leased(flying, request, seen, held).await;
                }
                Taken::OtherType => {
                    let error = Error::new(ErrorKind::WrongType, "get").with_key(&request.key);
                    return End::of(Outcome::Refused(error));
                }
                Taken::Found { value, expires_in } => {
                    let found = self.access.judge(&request.key, Some(value), expires_in);
                    let found = match found {
                        Ok(found) => found,
                        Err(error) => return End::of(Outcome::Refused(error)),
                    };
                    changes += 1;
                    seen = Seen::of(&found);
                    match found.found {
                        Found::Fresh(hit) => {
                            return End::of(Outcome::Found(hit.cached(Origin::Fresh), look));
                        }
                        Found::Unreadable(error) if error.kind() == ErrorKind::Newer => {
                            return End::of(Outcome::Away);
                        }
                        _ if changes > CHANGES => return End::of(Outcome::Away),
                        _ => {}
                    }
                }
                Taken::Unpersisted(write) => {
                    return End::of(self.unpersisted(&request.key, &write, look));
                }
                Taken::Held { left } if mode == Mode::Refresh => {
                    self.setbacks.pause(&request.key, left);
                    return End::of(Outcome::Nothing);
                }
                Taken::Held { left } => {
                    let Some(wakeup) = &mut wakeup else {
                        flying.goes_on_elsewhere();
                        let store = &self.access.base().store;
                        let registered = store.wakeup(&request.key).await;
                        wakeup = Some(registered.unwrap_or_else(|_| Wakeup::never()));
                        continue; // register, then look
                    };
                    // Callers have patience of their own: it ends with the last of them.
                    let wait = left + slack(left);
                    let (woken, abandoned) = (pin!(wakeup.wait(wait)), pin!(flying.abandoned()));
                    let ended = select(woken, abandoned).await;
                    if matches!(ended, Either::Right(_)) && flying.close_if_abandoned() {
                        return End::of(Outcome::Nothing);
                    }
                }
            }
        }
    }

    /// What an unpersisted write says: the origin does not know it yet, and a load would bring an older value.
    pub(super) fn unpersisted(&self, key: &Key, write: &[u8], look: u64) -> Outcome<V> {
        match unpersisted(&self.access.base().format, key, write) {
            Ok(value) => Outcome::Found(Cached::new(value, Origin::Fresh, None), look),
            // Someone else can read it. What is loaded must not be stored over it.
            Err(_) => Outcome::Away,
        }
    }

    async fn take(&self, request: &Request<V>, seen: &Seen<V>, token: &Token) -> Result<Taken> {
        let base = self.access.base();
        let wish = self.wish(request, seen, token);
        let (now, taken) = base.leases.take(&base.store, base.word(), wish).await?;
        base.clock.learn(now);
        Ok(taken)
    }

    /// The lease that a flight wants.
    pub(super) fn wish(&self, request: &Request<V>, seen: &Seen<V>, token: &Token) -> Take {
        let ttl = self.policy.lease_ttl;
        let life = request.hard_timeout.saturating_add(ttl.as_duration());
        Take {
            key: request.key.clone(),
            roots: request.roots.clone(),
            tags: request.tags.clone(),
            token: token.clone(),
            seen: seen.digest.clone(),
            seen_left: seen.left,
            ttl,
            life: Ttl::new(life).unwrap_or(Ttl::MAX),
        }
    }

    /// Runs the loader, for at most so long; answers how long it took too.
    pub(super) async fn ask(
        &self,
        request: &Request<V>,
        stale: Option<V>,
        limit: Duration,
    ) -> Result<(Loaded<V>, Duration)> {
        let start = Instant::now();
        let _turn = self.turn(limit).await?;
        let limit = limit.saturating_sub(start.elapsed());
        let began = Instant::now();
        let context = LoadContext::new(request.key.clone(), stale);
        let result = request.loader.run(context, limit).await;
        let load_time = began.elapsed();
        self.access.note_load(1, &result, load_time);
        if result.is_ok() {
            self.learn(load_time);
        }
        result.map(|loaded| (loaded, load_time))
    }

    async fn load_leased(
        &self,
        flying: &Flying<V>,
        request: &Request<V>,
        seen: Seen<V>,
        Held { token, since, stop }: Held<'_>,
    ) -> End<V> {
        let asking = pin!(self.ask(request, seen.value.clone(), request.hard_timeout));
        let keeping = pin!(self.keep(flying, &request.key, token, stop));
        let asked = match select(asking, keeping).await {
            Either::Left((asked, _)) => asked,
            Either::Right((never, _)) => match never {},
        };
        let (loaded, load_time) = match asked {
            Ok(asked) => asked,
            Err(error) => return self.failed(request, error),
        };
        let (write, late, value) = match self.settle(request, seen, loaded, load_time) {
            Settled::Store(write, late, value) => (write, late, value),
            Settled::Give { value, shared } => {
                let shared = shared && !lease::outlives_words(since);
                let given = (value, shared);
                return self.give_uncached(flying, request, given, token).await;
            }
            Settled::Ended(end) => return end,
        };
        let fill = Fill::new(
            write,
            &request.tags,
            Late { tags: late, since },
            token.clone(),
        );
        // Whoever comes from now on may come after an invalidation that this value does not survive.
        flying.close();
        let base = self.access.base();
        let filled = base.leases.fill(&base.store, base.word(), fill).await;
        let cached = |origin| Cached::new(value, origin, Some(Duration::ZERO));
        match filled {
            Ok(true) => {
                self.setbacks.succeeded(&request.key);
                End::of(Outcome::Loaded(cached(Origin::Loaded)))
            }
            Ok(false) => End::of(Outcome::Private(cached(Origin::Loaded))),
            Err(_) => End::releasing(Outcome::Private(cached(Origin::Uncached))),
        }
    }

    pub(super) fn failed(&self, request: &Request<V>, error: Error) -> End<V> {
        self.setbacks
            .failed(&request.key, &error, self.policy.failure_hold);
        End::releasing(Outcome::Failed(error))
    }

    /// Gives a value that is not stored to all who joined, if nobody has invalidated it meanwhile.
    async fn give_uncached(
        &self,
        flying: &Flying<V>,
        request: &Request<V>,
        (value, shared): (Option<V>, bool),
        token: &Token,
    ) -> End<V> {
        flying.close();
        let was_held = self.release(&request.key, token.clone()).await;
        let cached = Cached::new(value, Origin::Uncached, Some(Duration::ZERO));
        End::of(match was_held {
            Ok(true) if shared => Outcome::Loaded(cached),
            _ => Outcome::Private(cached),
        })
    }

    async fn release(&self, key: &Key, token: Token) -> Result<bool> {
        let leases = [(lease::lease_of(key)?, token)];
        let base = self.access.base();
        let released = lease::release(&*base.store, base.word().as_ref(), &leases).await?;
        Ok(released.first() == Some(&true))
    }

    /// Renews the lease for as long as it is held: from the beginning of a shutdown on for a short time only, so that it does not
    /// outlive a load for long that is cut off.
    pub(super) async fn keep(
        &self,
        flying: &Flying<V>,
        key: &Key,
        token: &Token,
        stop: &StopSignal,
    ) -> Infallible {
        let Ok(lease) = lease::lease_of(key) else {
            return pending().await;
        };
        let store = &*self.access.base().store;
        let (mut ttl, mut is_ending) = (self.policy.lease_ttl, false);
        loop {
            let (pause, stopped) = (pin!(sleep(ttl.as_duration() / 3)), pin!(stop.stopped()));
            let ends_now = match is_ending {
                true => {
                    pause.await;
                    false
                }
                false => matches!(select(stopped, pause).await, Either::Left(_)),
            };
            if ends_now {
                (ttl, is_ending) = (ttl.min(LAST_LEASE), true);
            }
            let renewed = lease::renew(store, &lease, token, ttl).await;
            if matches!(renewed, Ok(false)) {
                // What is being loaded has been invalidated: only those who wait already are to hear of it.
                flying.close();
                return pending().await;
            }
            if ends_now {
                // Those who wait counted on a longer life.
                let _ = store.wake(key).await;
            }
        }
    }

    /// Waits until one more loader may run.
    ///
    /// # Errors
    /// `Overloaded` where that takes too long.
    pub(super) async fn turn(&self, limit: Duration) -> Result<Option<SemaphorePermit<'_>>> {
        let Some(turns) = &self.turns else {
            return Ok(None);
        };
        match timeout(limit, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => Err(Error::new(ErrorKind::Overloaded, "load")
                .with_detail("as many loads as may be are under way")),
        }
    }
}

/// Spreads the looks of those who wait for the same lease to expire. Never nothing: the lease is there until its last
/// millisecond is over.
pub(super) fn slack(left: Duration) -> Duration {
    let most = (left / 10).max(Duration::from_millis(20));
    most.mul_f64(fastrand::f64()) + Duration::from_millis(1)
}
