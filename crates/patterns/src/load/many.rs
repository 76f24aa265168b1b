//! Loading many keys: one round trip for their leases, one call of the loader for those that were got.

use std::{pin::pin, sync::Arc, time::Duration};

use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Result, Tasks};
use futures_util::future::{BoxFuture, Either, join, join_all, select};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

use super::{
    BoxError, Loaded, Request,
    engine::{Engine, is_away},
    flight::{End, Mode, Seen, Settled, uncached},
    flights::{Flying, Outcome, Ticket},
    loaded::Answer,
    request::guarded,
};
use crate::{
    Cached, Origin,
    access::{Found, Look},
    lease::{self, Fill, Late, Taken, Token},
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

/// A flight that a call of many keys carries out.
struct Aboard<V> {
    index: usize,
    request: Request<V>,
    flying: Flying<V>,
    seen: Seen<V>,
    token: Token,
}

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Looks at many keys in one round trip.
    pub(crate) async fn look_many(&self, keys: &[Key]) -> Vec<Result<Look<V>>> {
        match self.access.read_many(keys).await {
            Ok(stored) => {
                let stored = keys.iter().zip(stored);
                let judge = |(key, (bytes, left))| self.access.judge(key, bytes, left);
                stored.map(judge).collect()
            }
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
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
                Ok(look) if self.is_left_alone(&request.key, look) => None,
                Ok(look) => {
                    let (ticket, flying) = self.flights.join_or_start(&request.key);
                    let seen = Seen::of(look);
                    leased.extend(flying.map(|flying| aboard(index, &request, flying, seen)));
                    Some(ticket)
                }
                Err(error) if is_away(error) => {
                    let (ticket, flying) = self.unleased.join_or_start(&request.key);
                    let seen = Seen::nothing();
                    unleased.extend(flying.map(|flying| aboard(index, &request, flying, seen)));
                    Some(ticket)
                }
                Err(_) => None,
            };
            calls.push((index, request, look, first));
        }
        // Where they are refused, the flights end, and those who wait hear of it.
        if !leased.is_empty() {
            let flight = Arc::clone(&self).fly_many(leased, Arc::clone(&loader));
            let _ = tasks.spawn("load values", flight);
        }
        if !unleased.is_empty() {
            let flight = Arc::clone(&self).fly_many_unleased(unleased, loader, true);
            let _ = tasks.spawn("load values without the store", flight);
        }
        let load = |(index, request, look, first): (_, _, _, Option<Ticket<V>>)| {
            let load = Arc::clone(&self).load(tasks.clone(), request, look, first);
            async move { (index, load.await) }
        };
        join_all(calls.into_iter().map(load)).await
    }

    /// Whether a key takes no part in the common load.
    fn is_left_alone(&self, key: &Key, look: &Look<V>) -> bool {
        match &look.found {
            Found::Unreadable(error) => error.kind() == ErrorKind::Newer,
            _ => Self::stale(look).is_some() && self.setbacks.is_held_back(key),
        }
    }

    async fn fly_many(self: Arc<Self>, aboard: Vec<Aboard<V>>, loader: ManyLoader<V>) {
        let base = self.access.base();
        if !base.store.capabilities().scripts {
            return self.fly_each(aboard).await;
        }
        let looks: Vec<u64> = aboard.iter().map(|one| one.flying.next_look()).collect();
        let wishes = aboard.iter();
        let wishes = wishes.map(|one| self.wish(&one.request, &one.seen, &one.token));
        let (wishes, since): (Vec<_>, _) = (wishes.collect(), Instant::now());
        let taken = match lease::take(&*base.store, base.word().as_ref(), &wishes).await {
            Ok(taken) => taken,
            Err(error) if is_away(&error) => {
                return self.fly_many_unleased(aboard, loader, false).await;
            }
            Err(error) => {
                let refused = |one: Aboard<V>| one.flying.finish(Outcome::Refused(error.clone()));
                return aboard.into_iter().for_each(refused);
            }
        };
        let (mut granted, mut others) = (Vec::new(), Vec::new());
        for ((one, look), (now, taken)) in aboard.into_iter().zip(looks).zip(taken) {
            base.clock.learn(now);
            match taken {
                Taken::Granted => granted.push(one),
                Taken::Found { value, expires_in } => {
                    let found = self.access.judge(&one.request.key, Some(value), expires_in);
                    match found.map(|look| look.found) {
                        Ok(Found::Fresh(hit)) => {
                            let cached = hit.cached(Origin::Fresh);
                            one.flying.finish(Outcome::Found(cached, look));
                        }
                        _ => others.push(one),
                    }
                }
                Taken::Unpersisted(write) => {
                    let outcome = self.unpersisted(&one.request.key, &write, look);
                    one.flying.finish(outcome);
                }
                _ => others.push(one),
            }
        }
        // The others go the way of a single key: they wait for who loads, or are told what is wrong.
        join(
            self.load_many_leased(granted, loader, since),
            Arc::clone(&self).fly_each(others),
        )
        .await;
    }

    async fn fly_each(self: Arc<Self>, aboard: Vec<Aboard<V>>) {
        let flights = aboard.into_iter().map(|one| {
            let this = Arc::clone(&self);
            this.fly(one.flying, one.request, one.seen, Mode::Load)
        });
        join_all(flights).await;
    }

    /// Loads without leases. The values are for those who started it; where all of them found the store of no help, `shared`.
    async fn fly_many_unleased(
        self: Arc<Self>,
        aboard: Vec<Aboard<V>>,
        loader: ManyLoader<V>,
        shared: bool,
    ) {
        let limit = longest(&aboard);
        let permit = timeout(limit, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return self.fly_each_overloaded(aboard);
        };
        match self.ask_many(&aboard, loader, limit).await {
            Err(error) => {
                for one in aboard {
                    let error = error.clone().with_key(&one.request.key);
                    one.flying.finish(Outcome::Failed(error));
                }
            }
            Ok((answers, _)) => {
                for (one, loaded) in aboard.into_iter().zip(answers) {
                    let value = match loaded.answer {
                        Answer::Value(value) | Answer::Uncached(value) => Some(value),
                        Answer::NotModified => one.seen.into_value(),
                        Answer::Negative => None,
                        Answer::Failed(failure) => {
                            let error = failure.into_error().with_key(&one.request.key);
                            one.flying.finish(Outcome::Failed(error));
                            continue;
                        }
                    };
                    one.flying.finish(match uncached(value) {
                        Outcome::Loaded(cached) if !shared => Outcome::Private(cached),
                        outcome => outcome,
                    });
                }
            }
        }
    }

    fn fly_each_overloaded(&self, aboard: Vec<Aboard<V>>) {
        for one in aboard {
            let error = super::flight::overloaded(&one.request.key);
            one.flying.finish(Outcome::Failed(error));
        }
    }

    /// Runs the loader once for all; answers how long it took too.
    async fn ask_many(
        &self,
        aboard: &[Aboard<V>],
        loader: ManyLoader<V>,
        limit: Duration,
    ) -> Result<(Vec<Loaded<V>>, Duration)> {
        let began = Instant::now();
        let places: Vec<usize> = aboard.iter().map(|one| one.index).collect();
        // The call itself belongs to the future, so that a panic of it is caught there.
        let answers = guarded(async move { loader(places).await }, limit).await;
        let load_time = began.elapsed();
        self.access.note_load(aboard.len(), &answers, load_time);
        Ok((answers?, load_time))
    }

    /// The leases were asked for after `since`.
    async fn load_many_leased(
        &self,
        aboard: Vec<Aboard<V>>,
        loader: ManyLoader<V>,
        since: Instant,
    ) {
        if aboard.is_empty() {
            return;
        }
        let asked = {
            let asking = pin!(self.ask_many(&aboard, loader, longest(&aboard)));
            let kept = aboard.iter();
            let kept = kept.map(|one| self.keep(&one.flying, &one.request.key, &one.token));
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
                        Settled::Give(value) => {
                            flying.close();
                            given.push((flying, value, request.key, token));
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
    async fn end_many(
        &self,
        ended: Vec<(Flying<V>, Key, Token, End<V>)>,
        given: Vec<(Flying<V>, Option<V>, Key, Token)>,
    ) {
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
        for (place, (flying, value, ..)) in given.into_iter().enumerate() {
            let was_held = held.get(first_given + place) == Some(&true);
            flying.finish(match uncached(value) {
                Outcome::Loaded(cached) if !was_held => Outcome::Private(cached),
                outcome => outcome,
            });
        }
    }

    /// Gives leases back; answers which were still held, as far as that is known.
    async fn give_back(&self, leases: impl Iterator<Item = (Key, Token)>) -> Vec<bool> {
        let lease = |(key, token)| Ok((lease::lease_of(&key)?, token));
        let leases: Vec<(Key, Token)> =
            leases.map(lease).collect::<Result<_>>().unwrap_or_default();
        if leases.is_empty() {
            return Vec::new();
        }
        let released = lease::release(&*self.access.base().store, &leases).await;
        released.unwrap_or_default()
    }
}

fn aboard<V>(index: usize, request: &Request<V>, flying: Flying<V>, seen: Seen<V>) -> Aboard<V> {
    Aboard {
        index,
        request: request.clone(),
        flying,
        seen,
        token: Token::random(),
    }
}

fn longest<V>(aboard: &[Aboard<V>]) -> Duration {
    let limits = aboard.iter().map(|one| one.request.hard_timeout);
    limits.max().unwrap_or_default()
}
