//! The hub's task: connects, keeps the server's subscriptions equal to what is wanted, and comes back after a loss.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use foldhash::quality::RandomState;
use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::{Shared, endpoint::shuffled, session::Session};
use crate::{Error, ErrorKind, Event, Observer, Result, subscription::listeners::Name};

const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_LAST: Duration = Duration::from_secs(1);
/// A connection that lasted for less did not end a series of failures.
const STEADY: Duration = Duration::from_secs(1);
/// Why a connection is no longer served.
enum End {
    /// Nobody has listened for a while.
    Idle,
    Lost,
}

/// What a connection's task has to do next.
enum Cause {
    Lost,
    Asked,
    Check,
}

/// Runs until nobody listens; ends with the store.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.listeners.suspend();
        let failure = match shared.session().await {
            Ok(End::Idle) => return,
            Ok(End::Lost) => None,
            Err(error) => Some(error),
        };
        shared.pause(failure.as_ref()).await;
        if shared.retire() {
            return;
        }
    }
}

impl Shared {
    /// Connects, and serves the connection to its end. `Err` where it did not come to the point that everything wanted was
    /// subscribed to.
    async fn session(&self) -> Result<End> {
        let mut serving = Serving {
            shared: self,
            session: self.connect().await?,
            wired: HashSet::default(),
            was_down: false,
        };
        serving.begin().await?;
        let began = Instant::now();
        let end = serving.serve().await;
        if began.elapsed() >= STEADY {
            self.failures.store(0, Ordering::Relaxed);
        }
        // When idle another task may have taken over, whose connection counts.
        if matches!(end, End::Lost) {
            self.listeners.suspend();
        }
        Ok(end)
    }

    /// A connection to the first server that takes one.
    async fn connect(&self) -> Result<Session> {
        let mut failure = None;
        let avoided = self.avoided.lock().clone();
        for dialer in shuffled(&*self.endpoints, avoided.as_deref()) {
            let source = self.sources.fetch_add(1, Ordering::Relaxed);
            match Session::open(dialer, &self.options, &self.listeners, source).await {
                Ok(session) => return Ok(session),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Error::new(ErrorKind::Unavailable, "connect").with_detail("no server is known")
        }))
    }

    /// Waits before the next attempt: longer after each failure, with jitter so that clients do not return in step. After
    /// a failure whoever asks meanwhile gets its reason at once; after a loss they may wait for the next attempt.
    async fn pause(&self, failure: Option<&Error>) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(10);
        let pause = BACKOFF_FIRST.saturating_mul(1 << failures);
        let pause = pause.min(BACKOFF_LAST).mul_f64(0.5 + fastrand::f64() / 2.0);
        let mut over = pin!(sleep(pause));
        let Some(error) = failure else {
            return over.await;
        };
        loop {
            self.desk.refuse_all(error);
            let asked = pin!(self.desk.changed());
            if let Either::Left(_) = select(&mut over, asked).await {
                return;
            }
        }
    }
}

/// A connection at work.
struct Serving<'a> {
    shared: &'a Shared,
    session: Session,
    /// The names that the server has confirmed.
    wired: HashSet<Name, RandomState>,
    /// Whether the node counted the cluster as down when it was asked last.
    was_down: bool,
}

impl Serving<'_> {
    /// Subscribes to everything that is wanted, then lets messages through.
    ///
    /// A listener of a name that the server refuses now ends, because it would wait in vain. A refusal that will pass fails
    /// the attempt as a whole.
    async fn begin(&mut self) -> Result<()> {
        let Shared {
            desk, listeners, ..
        } = self.shared;
        let waiting = desk.take().waiting;
        let mut names = listeners.names();
        let refused = self.session.add(&names).await;
        let refused = refused.inspect_err(|_| self.session.lose())?;
        if let Some(error) = refused.values().find(|error| error.is_retryable()) {
            return Err(error.clone());
        }
        for (name, error) in &refused {
            self.end(name, error);
        }
        names.retain(|name| !refused.contains_key(name));
        self.wired.extend(names);
        listeners.resume(self.session.source);
        desk.answer(&waiting, &refused);
        Ok(())
    }

    fn end(&self, name: &Name, error: &Error) {
        let ended = self.shared.listeners.end(name);
        if ended.listeners > 0 {
            let observers = &self.shared.options.observers;
            observers.observe(&Event::SubscriptionRefused { error });
        }
        self.shared.desk.look_at(ended.unwanted);
    }

    /// Works requests off until the connection is lost, or not needed.
    async fn serve(&mut self) -> End {
        let silence = self.shared.options.silence;
        let mut checks = interval_at(Instant::now() + silence, silence);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = self.session.heard();
        let mut idle_since = None;
        loop {
            let outcome = match self.next(&mut checks).await {
                Cause::Lost => return End::Lost,
                Cause::Asked => self.catch_up().await,
                Cause::Check if self.is_idle(&mut idle_since) && self.shared.retire() => {
                    return End::Idle;
                }
                Cause::Check if self.shared.endpoints.are_nodes() => self.look_after_node().await,
                Cause::Check => self.listen_for_life(&mut heard).await,
            };
            if outcome.is_err() {
                self.session.lose();
                return End::Lost;
            }
        }
    }

    /// Waits for something to do.
    async fn next(&self, checks: &mut Interval) -> Cause {
        let lost = pin!(self.session.lost().map(|()| Cause::Lost));
        let asked = pin!(self.shared.desk.changed().map(|()| Cause::Asked));
        let check = pin!(checks.tick().map(|_| Cause::Check));
        let request = select(asked, check).map(|first| first.factor_first().0);
        select(lost, request).await.factor_first().0
    }

    /// Makes the server's subscriptions equal to what is wanted, in at most two round trips for any number of requests.
    async fn catch_up(&mut self) -> Result<()> {
        let Shared {
            desk, listeners, ..
        } = self.shared;
        let work = desk.take();
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for name in work.names {
            match (listeners.wants(&name), self.wired.contains(&name)) {
                (true, false) => add.push(name),
                (false, true) => remove.push(name),
                _ => {}
            }
        }
        let refused = self.session.add(&add).await?;
        add.retain(|name| !refused.contains_key(name));
        self.wired.extend(add);
        desk.answer(&work.waiting, &refused);
        self.session.remove(&remove).await?;
        for name in &remove {
            self.wired.remove(name);
        }
        Ok(())
    }

    /// Whether nobody has listened for long.
    fn is_idle(&self, since: &mut Option<Instant>) -> bool {
        if !self.shared.listeners.is_empty() {
            *since = None;
            return false;
        }
        since.get_or_insert_with(Instant::now).elapsed() >= self.shared.options.idle
    }

    /// A half-open connection reports nothing by itself: after a silence the server has to answer.
    async fn listen_for_life(&self, heard: &mut u64) -> Result<()> {
        let now = self.session.heard();
        if now == *heard {
            self.session.ping().await?;
        }
        *heard = self.session.heard();
        Ok(())
    }

    /// Asks the node how it stands in its cluster, which is a sign of life too. `Err` where messages do not reach it, and where
    /// it has been cut off from the others and is back: what was sent meanwhile has not reached it.
    async fn look_after_node(&mut self) -> Result<()> {
        let Some(standing) = self.session.standing().await? else {
            return Ok(());
        };
        let is_back = self.was_down && !standing.is_down;
        self.was_down = standing.is_down;
        // Nobody is to wait for a subscription because another node is slow.
        let disowned = self.shared.endpoints.disown(standing);
        let disowned = timeout(self.shared.options.request_timeout, disowned).await;
        if is_back || disowned == Ok(true) {
            *self.shared.avoided.lock() = Some(self.session.address.clone());
            return Err(Error::new(ErrorKind::Unavailable, "subscribe")
                .with_detail("the node is cut off from its cluster"));
        }
        Ok(())
    }
}
