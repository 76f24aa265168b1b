//! The way of a load of many keys: all leases that are wanted in one round trip, one call of the loader for those that were
//! got, and the same again for those that become free later.

use std::{pin::pin, sync::Arc, time::Duration};

use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Result, StopSignal, StoreExt, Wakeup, Woken};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, join, join_all, select, select_all},
    stream::FuturesUnordered,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use super::{
    ManyLoader, Request,
    engine::{Engine, is_away},
    flight::{CHANGES, Mode, Seen, slack},
    flights::{Flying, Outcome},
};
use crate::{
    Origin,
    access::{Found, Look},
    lease::{self, Taken, Token},
};

/// How many calls of its loader a call of many keys has under way at most.
const CALLS: usize = 4;
/// Leases that were taken together become free one after another: so long is waited for more of them.
const GATHERING: Duration = Duration::from_millis(5);

/// A flight that a call of many keys carries out.
pub(super) struct Aboard<V> {
    pub(super) index: usize,
    pub(super) request: Request<V>,
    pub(super) flying: Flying<V>,
    pub(super) seen: Seen<V>,
    pub(super) token: Token,
    /// How often it was looked at because the entry had changed to something that is no better.
    changes: usize,
    wakeup: Option<Wakeup>,
    /// When the lease is tried again, which someone else holds.
    until: Instant,
    is_woken: bool,
}

impl<V> Aboard<V> {
    pub(super) fn new(
        index: usize,
        request: &Request<V>,
        flying: Flying<V>,
        seen: Seen<V>,
    ) -> Self {
        Self {
            index,
            request: request.clone(),
            flying,
            seen,
            token: Token::random(),
            changes: 0,
            wakeup: None,
            until: Instant::now(),
            is_woken: false,
        }
    }

    fn is_registered(&self) -> bool {
        self.wakeup.is_some()
    }

    /// Waits until it is to be looked at again.
    async fn wait(&mut self) {
        let left = self.until.saturating_duration_since(Instant::now());
        let Some(wakeup) = &mut self.wakeup else {
            return;
        };
        let (woken, abandoned) = (pin!(wakeup.wait(left)), pin!(self.flying.abandoned()));
        select(woken, abandoned).await;
        self.is_woken = true;
    }

    fn is_due(&mut self) -> bool {
        let was_woken = |wakeup: &mut Wakeup| {
            let woken = wakeup.wait(Duration::ZERO).now_or_never();
            woken.is_some_and(|woken| woken != Woken::TimedOut)
        };
        self.is_woken || self.until <= Instant::now() || self.wakeup.as_mut().is_none_or(was_woken)
    }
}

/// What came of an attempt to take leases.
struct Attempt<V> {
    granted: Vec<Aboard<V>>,
    /// Those that someone else holds.
    held: Vec<Aboard<V>>,
    /// Those to be tried again at once.
    changed: Vec<Aboard<V>>,
    /// Those for which the store is of no help, and whether their leases may have been granted all the same.
    away: Vec<Aboard<V>>,
    is_lost: bool,
    /// Before they were asked for.
    since: Instant,
}

/// The calls of the loader that are under way.
type Loads<'l> = FuturesUnordered<BoxFuture<'l, ()>>;

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub(super) async fn fly_many(
        self: Arc<Self>,
        mut due: Vec<Aboard<V>>,
        loader: ManyLoader<V>,
        mode: Mode,
        stop: StopSignal,
    ) {
        if !self.access.base().store.capabilities().scripts {
            return self.fly_each(due, mode, stop).await;
        }
        let (mut waiting, mut loads) = (Vec::new(), Loads::new());
        loop {
            while loads.len() >= CALLS {
                loads.next().await;
            }
            if !due.is_empty() {
                let attempt = self.attempt(std::mem::take(&mut due), mode);
                let attempt = while_loading(&mut loads, attempt).await;
                if !attempt.granted.is_empty() {
                    let (loader, since) = (Arc::clone(&loader), attempt.since);
                    let load = self.load_many_leased(attempt.granted, loader, since, &stop);
                    loads.push(load.boxed());
                }
                if !attempt.away.is_empty() {
                    let (loader, is_lost) = (Arc::clone(&loader), attempt.is_lost);
                    let load = self.go_on_unleased(attempt.away, loader, is_lost);
                    loads.push(load.boxed());
                }
                let (known, mut new): (Vec<_>, Vec<_>) =
                    attempt.held.into_iter().partition(Aboard::is_registered);
                while_loading(&mut loads, self.register(&mut new)).await;
                waiting.extend(known);
                due = attempt.changed;
                due.extend(new); // register, then look
                if !due.is_empty() {
                    continue;
                }
            }
            if waiting.is_empty() {
                return while loads.next().await.is_some() {};
            }
            while_loading(&mut loads, some_due(&mut waiting)).await;
            while_loading(&mut loads, sleep(GATHERING)).await;
            (due, waiting) = self.sort(waiting);
        }
    }

    /// Those that are to be looked at, and those that go on waiting. What nobody waits for any more ends here.
    fn sort(&self, all: Vec<Aboard<V>>) -> (Vec<Aboard<V>>, Vec<Aboard<V>>) {
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for mut one in all {
            if one.flying.close_if_abandoned() {
                one.flying.finish(Outcome::Nothing);
                continue;
            }
            match one.is_due() {
                true => due.push(one),
                false => waiting.push(one),
            }
        }
        (due, waiting)
    }

    /// Registers those for wake-ups that someone else holds.
    async fn register(&self, held: &mut [Aboard<V>]) {
        let store = &*self.access.base().store;
        join_all(held.iter_mut().map(|one| async {
            one.flying.goes_on_elsewhere();
            let wakeup = store.wakeup(&one.request.key).await;
            one.wakeup = Some(wakeup.unwrap_or_else(|_| Wakeup::never()));
        }))
        .await;
    }

    /// Tries to take leases, and ends those flights for which there is nothing more to be done.
    async fn attempt(&self, mut due: Vec<Aboard<V>>, mode: Mode) -> Attempt<V> {
        let base = self.access.base();
        let looks: Vec<u64> = due.iter().map(|one| one.flying.next_look()).collect();
        let wishes = due.iter();
        let wishes = wishes.map(|one| self.wish(&one.request, &one.seen, &one.token));
        let (wishes, since): (Vec<_>, _) = (wishes.collect(), Instant::now());
        let mut attempt = Attempt {
            granted: Vec::new(),
            held: Vec::new(),
            changed: Vec::new(),
            away: Vec::new(),
            is_lost: false,
            since,
        };
        let taken = match lease::take(&*base.store, base.word().as_ref(), &wishes).await {
            Ok(taken) => taken.into_iter().map(Ok).collect(),
            Err(error)
                if is_away(&error) && self.is_spread(wishes.iter().map(|wish| &wish.key)) =>
            {
                self.take_apart(&mut due).await
            }
            Err(error) => due.iter().map(|_| Err(error.clone())).collect::<Vec<_>>(),
        };
        let mut lost = Vec::new();
        for ((one, look), taken) in due.into_iter().zip(looks).zip(taken) {
            match taken {
                Ok((now, taken)) => {
                    base.clock.learn(now);
                    self.sort_in(&mut attempt, one, look, taken, mode);
                }
                Err(error) if is_away(&error) && mode == Mode::Load => {
                    attempt.is_lost |= error.may_have_applied();
                    attempt.away.push(one);
                }
                Err(error) => {
                    lost.extend(leases(std::slice::from_ref(&one), error.may_have_applied()));
                    one.flying.finish(match is_away(&error) {
                        true => Outcome::Away,
                        false => Outcome::Refused(error),
                    });
                }
            }
        }
        // They may have been granted to one who never hears of it.
        self.give_back(lost.into_iter()).await;
        attempt
    }

    fn sort_in(
        &self,
        attempt: &mut Attempt<V>,
        mut one: Aboard<V>,
        look: u64,
        taken: Taken,
        mode: Mode,
    ) {
        one.is_woken = false;
        match taken {
            Taken::Granted { has_seen } => {
                one.flying.goes_on_here();
                let seen = one.seen.granted(has_seen);
                let wakeup = None;
                attempt.granted.push(Aboard {
                    seen,
                    wakeup,
                    ..one
                });
            }
            Taken::Unpersisted(write) => {
                let outcome = self.unpersisted(&one.request.key, &write, look);
                one.flying.finish(outcome);
            }
            Taken::OtherType => {
                let error = Error::new(ErrorKind::WrongType, "get").with_key(&one.request.key);
                one.flying.finish(Outcome::Refused(error));
            }
            Taken::Held { left } if mode == Mode::Refresh => {
                self.setbacks.pause(&one.request.key, left);
                one.flying.finish(Outcome::Nothing);
            }
            Taken::Held { left } => {
                one.until = Instant::now() + left + slack(left);
                attempt.held.push(one);
            }
            Taken::Found { value, expires_in } => {
                let found = self.access.judge(&one.request.key, Some(value), expires_in);
                self.sort_found(attempt, one, look, found);
            }
        }
    }

    fn sort_found(
        &self,
        attempt: &mut Attempt<V>,
        mut one: Aboard<V>,
        look: u64,
        found: Result<Look<V>>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(error) => return one.flying.finish(Outcome::Refused(error)),
        };
        one.changes += 1;
        one.seen = Seen::of(&found);
        match found.found {
            Found::Fresh(hit) => {
                let cached = hit.cached(Origin::Fresh);
                one.flying.finish(Outcome::Found(cached, look));
            }
            Found::Unreadable(error) if error.kind() == ErrorKind::Newer => {
                one.flying.finish(Outcome::Away);
            }
            _ if one.changes > CHANGES => one.flying.finish(Outcome::Away),
            _ => attempt.changed.push(one),
        }
    }

    /// Goes on without the store: with those who have joined so far, as the load begins only now. A lease that was granted to
    /// one who never heard of it is given back.
    async fn go_on_unleased(&self, mut away: Vec<Aboard<V>>, loader: ManyLoader<V>, is_lost: bool) {
        let leases = leases(&away, is_lost);
        for one in &mut away {
            one.flying.moves_to(&self.unleased);
        }
        let load = self.load_many_unleased(away, loader);
        join(load, self.give_back(leases.into_iter())).await;
    }

    /// On a store that runs no scripts.
    async fn fly_each(self: Arc<Self>, aboard: Vec<Aboard<V>>, mode: Mode, stop: StopSignal) {
        let flights = aboard.into_iter().map(|one| {
            let this = Arc::clone(&self);
            this.fly(one.flying, one.request, one.seen, mode, stop.clone())
        });
        join_all(flights).await;
    }
}

/// The leases that are to be given back, where they may be held.
pub(super) fn leases<V>(aboard: &[Aboard<V>], are_held: bool) -> Vec<(Key, Token)> {
    let leases = aboard.iter().filter(|_| are_held);
    leases
        .map(|one| (one.request.key.clone(), one.token.clone()))
        .collect()
}

/// Waits for something, while loads go on.
async fn while_loading<T>(loads: &mut Loads<'_>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    while !loads.is_empty() {
        if let Either::Left((done, _)) = select(work.as_mut(), loads.next()).await {
            return done;
        }
    }
    work.await
}

/// Waits until one of them is to be looked at again.
async fn some_due<V>(waiting: &mut [Aboard<V>]) {
    let each = waiting.iter_mut().map(|one| Box::pin(one.wait()));
    select_all(each).await;
}
