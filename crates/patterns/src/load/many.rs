//! Loading many keys: who takes part in a common load, and what becomes of its answers.

use std::{pin::pin, sync::Arc, time::Duration};

use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Result, StopSignal, Tasks};
use futures_util::future::{BoxFuture, Either, join_all, select};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

use super::{
    BoxError, LoadOptions, Loaded, Request,
    engine::{Engine, is_away},
    flight::{End, Mode, Seen},
    flights::{Flying, Outcome, Ticket},
    request::guarded,
    settle::Settled,
    together::Aboard,
    unleased::{overloaded, uncached},
};
use crate::{
    Cached, Origin,
    access::{Found, Look},
    lease::{self, Fill, Late, Token},
};

/// Loads the keys at some places of a call; one answer for each, in their order.
pub(crate) type ManyLoader<V> =
    Arc<dyn Fn(Vec<usize>) -> BoxFuture<'static, Result<Vec<Loaded<V>>, BoxError>> + Send + Sync>;

/// A key of a call that is to be loaded.
pub(crate) struct Member<V> {
    index: usize,
    request: Request<V>,
    look: Result<Look<V>>,
}

impl<V> Member<V> {
    pub(crate) fn new(index: usize, request: Request<V>, look: Result<Look<V>>) -> Self {
        Self {
            index,
            request,
            look,
        }
    }
}

/// A value that is not stored, whether it is for all who joined, and the lease that is to be given back.
type Given<V> = (Flying<V>, (Option<V>, bool), Key, Token);

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Looks at many keys in one round trip.
    pub(crate) async fn look_many(
        &self,
        keys: &[Key],
        options: &LoadOptions,
    ) -> Vec<Result<Look<V>>> {
        let with_expiry = options.reads_expiry();
        let stored = match self.access.read_many(keys, with_expiry).await {
            Ok(stored) => stored.into_iter().map(Ok).collect(),
            Err(error) if is_away(&error) && self.is_spread(keys.iter()) => {
                self.read_apart(keys, with_expiry).await
            }
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        };
        let stored = keys.iter().zip(stored);
        let judge = |(key, stored): (&Key, Result<_>)| {
            let (bytes, left) = stored?;
            self.access.judge(key, bytes, left)
        };
        stored.map(judge).collect()
    }

    /// Loads what looks did not find, or waits for whoever does; answers for each with its place.
    pub(crate) async fn load_many(
        self: Arc<Self>,
        tasks: Tasks,
        members: Vec<Member<V>>,
        loader: ManyLoader<V>,
    ) -> Vec<(usize, Result<Cached<V>>)> {
        let (mut leased, mut unleased, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for Member {
            index,
            request,
            look,
        } in members
        {
            let first = match &look {
                Ok(look) if self.is_left_alone(&request, look) => None,
                Ok(look) => {
                    let (ticket, flying) = self.flights.join_or_start(&request.key);
                    let seen = Seen::of(look);
                    leased.extend(flying.map(|flying| Aboard::new(index, &request, flying, seen)));
                    Some(ticket)
                }
                Err(error) if is_away(error) && self.setbacks.error(&request.key).is_none() => {
                    let (ticket, flying) = self.unleased.join_or_start(&request.key);
                    let seen = Seen::nothing();
                    unleased
                        .extend(flying.map(|flying| Aboard::new(index, &request, flying, seen)));
                    Some(ticket)
                }
                Err(_) => None,
            };
            calls.push((index, request, look, first));
        }
        // Where they are refused, the flights end, and those who wait hear of it.
        if !leased.is_empty() {
            let (this, loader) = (Arc::clone(&self), Arc::clone(&loader));
            let fly = |stop| this.fly_many(leased, loader, Mode::Load, stop);
            let _ = tasks.spawn_until_stopped("load values", fly);
        }
        if !unleased.is_empty() {
            let flight = Arc::clone(&self).fly_many_unleased(unleased, loader);
            let _ = tasks.spawn("load values without the store", flight);
        }
        let load = |(index, request, look, first): (_, _, _, Option<Ticket<V>>)| {
            let load = Arc::clone(&self).load(tasks.clone(), request, look, first);
            async move { (index, load.await) }
        };
        join_all(calls.into_iter().map(load)).await
    }

    /// Loads values anew that are still fresh, in the background and together, but for those that someone loads already.
    pub(crate) fn refresh_many(
        self: &Arc<Self>,
        tasks: &Tasks,
        due: Vec<(usize, Request<V>, Seen<V>)>,
        loader: ManyLoader<V>,
    ) {
        let mut aboard = Vec::new();
        for (index, request, seen) in due {
            if !self.setbacks.is_held_back(&request.key) {
                let (_, flying) = self.flights.join_or_start(&request.key);
                aboard.extend(flying.map(|flying| Aboard::new(index, &request, flying, seen)));
            }
        }
        if !aboard.is_empty() {
            let this = Arc::clone(self);
            let fly = |stop| this.fly_many(aboard, loader, Mode::Refresh, stop);
            // After a shutdown nothing is refreshed any more.
            let _ = tasks.spawn_until_stopped("refresh values", fly);
        }
    }

    /// Whether a key takes no part in the common load.
    fn is_left_alone(&self, request: &Request<V>, look: &Look<V>) -> bool {
        let (key, options) = (&request.key, &request.options);
        match &look.found {
            Found::Unreadable(error) => error.kind() == ErrorKind::Newer,
            _ if Self::stale(look, options).is_some() => self.setbacks.is_held_back(key),
            _ => self.setbacks.error(key).is_some(),
        }
    }

    async fn fly_many_unleased(self: Arc<Self>, aboard: Vec<Aboard<V>>, loader: ManyLoader<V>) {
        self.load_many_unleased(aboard, loader).await;
    }

    /// Loads without leases, for all who joined before.
    pub(super) async fn load_many_unleased(&self, aboard: Vec<Aboard<V>>, loader: ManyLoader<V>) {
        let (start, limit) = (Instant::now(), longest(&aboard));
        let permit = timeout(limit, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            for one in aboard {
                let error = overloaded(&one.request.key);
                one.flying.finish(Outcome::Failed(error));
            }
            return;
        };
        let left = limit.saturating_sub(start.elapsed());
        match self.ask_many(places(&aboard), loader, left).await {
            Err(error) => {
                for one in aboard {
                    let key = &one.request.key;
                    let outcome = self.unleased_failure(key, error.clone().with_key(key));
                    one.flying.finish(outcome);
                }
            }
            Ok((answers, _)) => {
                for (one, loaded) in aboard.into_iter().zip(answers) {
                    let stale = one.seen.into_value();
                    let outcome = self.unleased_outcome(&one.request.key, loaded, stale);
                    one.flying.finish(outcome);
                }
            }
        }
    }

    /// Runs the loader once for all; answers how long it took too.
    async fn ask_many(
        &self,
        places: Vec<usize>,
        loader: ManyLoader<V>,
        limit: Duration,
    ) -> Result<(Vec<Loaded<V>>, Duration)> {
        let start = Instant::now();
        let _turn = self.turn(limit).await?;
        let limit = limit.saturating_sub(start.elapsed());
        let began = Instant::now();
        let keys = places.len();
        // The call itself belongs to the future, so that a panic of it is caught there.
        let answers = guarded(async move { loader(places).await }, limit).await;
        let load_time = began.elapsed();
        self.access.note_load(keys, &answers, load_time);
        Ok((answers?, load_time))
    }

    /// The leases were asked for after `since`.
    pub(super) async fn load_many_leased(
        &self,
        aboard: Vec<Aboard<V>>,
        loader: ManyLoader<V>,
        since: Instant,
        stop: &StopSignal,
    ) {
        let asked = {
            let asking = pin!(self.ask_many(places(&aboard), loader, longest(&aboard)));
            let kept = aboard.iter();
            let kept = kept.map(|one| self.keep(&one.flying, &one.request.key, &one.token, stop));
            match select(asking, join_all(kept)).await {
                Either::Left((asked, _)) => asked,
                Either::Right(_) => return, // none of them ever ends
            }
        };
        let (mut ended, mut given, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        match asked {
            Err(error) => {
                for one in aboard {
                    let error = error.clone().with_key(&one.request.key);
                    let end = self.failed(&one.request, error);
                    ended.push((one.flying, one.request.key, one.token, end));
                }
            }
            Ok((answers, load_time)) => {
                for (one, loaded) in aboard.into_iter().zip(answers) {
                    let Aboard {
                        request,
                        flying,
                        seen,
                        token,
                        ..
                    } = one;
                    match self.settle(&request, seen, loaded, load_time) {
                        Settled::Store(write, tags, value) => {
                            flying.close();
                            let late = Late { tags, since };
                            let fill = Fill::new(write, &request.tags, late, token);
                            stored.push((flying, value, fill));
                        }
                        Settled::Give { value, shared } => {
                            flying.close();
                            let shared = shared && !lease::outlives_words(since);
                            given.push((flying, (value, shared), request.key, token));
                        }
                        Settled::Ended(end) => ended.push((flying, request.key, token, end)),
                    }
                }
            }
        }
        self.end_many(ended, given).await;
        self.fill_many(stored).await;
    }

    /// Stores what was loaded, in one round trip.
    async fn fill_many(&self, stored: Vec<(Flying<V>, Option<V>, Fill)>) {
        if stored.is_empty() {
            return;
        }
        let (mut flights, mut fills) = (Vec::new(), Vec::new());
        for (flying, value, fill) in stored {
            flights.push((flying, value));
            fills.push(fill);
        }
        let base = self.access.base();
        let filled = lease::fill(&*base.store, base.word().as_ref(), &fills).await;
        let failed = filled.is_err();
        let filled = filled.unwrap_or_else(|_| vec![false; fills.len()]);
        for (((flying, value), fill), filled) in flights.into_iter().zip(&fills).zip(filled) {
            let origin = if failed {
                Origin::Uncached
            } else {
                Origin::Loaded
            };
            let cached = Cached::new(value, origin, Some(Duration::ZERO));
            flying.finish(match filled {
                true => {
                    self.setbacks.succeeded(&fill.write.key);
                    Outcome::Loaded(cached)
                }
                false => Outcome::Private(cached),
            });
        }
        if failed {
            self.give_back(fills.into_iter().map(|fill| (fill.write.key, fill.token)))
                .await;
        }
    }

    /// Ends flights that store nothing, and gives their leases back in one round trip.
    async fn end_many(&self, ended: Vec<(Flying<V>, Key, Token, End<V>)>, given: Vec<Given<V>>) {
        let mut leases = Vec::new();
        for (flying, key, token, end) in ended {
            flying.finish(end.outcome);
            if end.release {
                leases.push((key, token));
            }
        }
        let first_given = leases.len();
        leases.extend(
            given
                .iter()
                .map(|(.., key, token)| (key.clone(), token.clone())),
        );
        let held = self.give_back(leases.into_iter()).await;
        for (place, (flying, (value, shared), ..)) in given.into_iter().enumerate() {
            let shared = shared && held.get(first_given + place) == Some(&true);
            flying.finish(match uncached(value) {
                Outcome::Loaded(cached) if !shared => Outcome::Private(cached),
                outcome => outcome,
            });
        }
    }

    /// Gives leases back; answers which were still held, as far as that is known.
    pub(super) async fn give_back(&self, leases: impl Iterator<Item = (Key, Token)>) -> Vec<bool> {
        let lease = |(key, token)| Ok((lease::lease_of(&key)?, token));
        let leases: Vec<(Key, Token)> =
            leases.map(lease).collect::<Result<_>>().unwrap_or_default();
        if leases.is_empty() {
            return Vec::new();
        }
        let base = self.access.base();
        let released = lease::release(&*base.store, base.word().as_ref(), &leases).await;
        released.unwrap_or_default()
    }
}

fn places<V>(aboard: &[Aboard<V>]) -> Vec<usize> {
    aboard.iter().map(|one| one.index).collect()
}

fn longest<V>(aboard: &[Aboard<V>]) -> Duration {
    let limits = aboard.iter().map(|one| one.request.hard_timeout);
    limits.max().unwrap_or_default()
}
