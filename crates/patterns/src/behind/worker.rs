//! What drains a queue.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use cachekit_keys::{KeyFamily, WriteKey};
use cachekit_store::{Error, ErrorKind, Event, Observer, Result, StopSignal, Wakeup, Woken};
use futures_util::future::{Either, join, join_all, select};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

use super::{DrainReport, Drained, backoff::Backoff, drain::Round, shared::Shared};

/// How soon a worker that has nothing to do looks again, should it not be woken.
const IDLE: Duration = Duration::from_secs(1);
/// How soon one that cannot reach the store or the sink tries again, at most.
const OUTAGE: Duration = Duration::from_secs(5);
/// How often the backlog is reported.
const REPORT: Duration = Duration::from_secs(5);
/// For how long a worker hurries after a barrier has called. Who waits at one calls again every 100 milliseconds.
const HURRY: Duration = Duration::from_millis(250);
/// How often all slots of a cluster are looked into.
const SWEEP: Duration = Duration::from_secs(30);

/// Takes what is due out of a queue and gives it to the sink: the worker that belongs to a [`WriteBehind`](super::WriteBehind).
///
/// Any number of processes may run one, and a process any number of clones: a key is in the hands of one of them at a time, as
/// long as none is frozen for longer than its claim. A worker holds one batch in memory, times its
/// [concurrency](super::WriteBehindBuilder::concurrency), and spawns nothing.
///
/// # Examples
/// See [`WriteBehind`](super::WriteBehind).
#[must_use = "nothing is persisted until the worker runs"]
pub struct WriteBehindWorker<K, V> {
    shared: Arc<Shared<K, V>>,
    backoff: Arc<Backoff>,
}

impl<K, V> WriteBehindWorker<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(shared: Arc<Shared<K, V>>) -> Self {
        let backoff = Arc::new(Backoff::new(&shared.queue.options));
        Self { shared, backoff }
    }

    /// Drains until it is told to end. Then it drains everything that is left, due or not, for as long as
    /// [`drain_within`](super::WriteBehindBuilder::drain_within) says, and answers what is left after that. For a task of
    /// [`Tasks`](cachekit_store::Tasks::spawn_until_stopped), whose shutdown cuts it off at its own deadline.
    ///
    /// Where the store or the sink cannot be reached it tries again, after pauses of up to 5 seconds. It does not poll: it
    /// sleeps until something is due, and is woken by what comes before.
    ///
    /// # Cancel safety
    /// A dropped worker loses nothing: what it has claimed is taken by another one when the claim is over.
    ///
    /// # Examples
    /// See [`WriteBehind`](super::WriteBehind).
    pub async fn run(self, stop: StopSignal) -> DrainReport {
        let lanes = 0..self.shared.queue.options.concurrency;
        let lanes: Vec<_> = lanes.map(|_| self.lane(&stop)).collect();
        let (watch, stopped) = (pin!(self.watch()), pin!(stop.stopped()));
        join(join_all(lanes), select(watch, stopped)).await;
        // A store that hangs is not waited for.
        let left = timeout(OUTAGE, self.report()).await;
        DrainReport {
            left: left.ok().and_then(Result::ok),
        }
    }

    /// Gives one batch of what is due now to the sink.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    ///
    /// # Examples
    /// See [`WriteBehind`](super::WriteBehind).
    pub async fn drain_once(&self) -> Result<Drained> {
        let round = self.round(false).await?;
        round.failure.map_or(Ok(round.drained), Err)
    }

    /// Gives everything to the sink that can be claimed, due or not, in as many batches at the same time as the worker's
    /// [concurrency](super::WriteBehindBuilder::concurrency). What waits for another attempt, or is in the hands of another
    /// worker, stays.
    ///
    /// # Errors
    /// Those of the store, also where a node of a cluster is away, once what the others have is drained; and
    /// [`Timeout`](ErrorKind::Timeout) at the deadline.
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    ///
    /// # Examples
    /// See [`WriteBehind`](super::WriteBehind).
    pub async fn drain(&self, deadline: Duration) -> Result<Drained> {
        let lanes = 0..self.shared.queue.options.concurrency;
        let lanes = join_all(lanes.map(|_| self.drain_lane(deadline))).await;
        let mut drained = Drained::default();
        for lane in lanes {
            drained += lane?;
        }
        Ok(drained)
    }

    async fn drain_lane(&self, deadline: Duration) -> Result<Drained> {
        let start = Instant::now();
        let mut drained = Drained::default();
        let mut failure = None;
        loop {
            let round = self.round(true).await?;
            drained += round.drained;
            failure = failure.or(round.failure);
            // A sink that cannot be reached will not be in the next moment.
            if round.claimed == 0 || round.drained.unavailable {
                return failure.map_or(Ok(drained), Err);
            }
            if start.elapsed() >= deadline {
                let detail = format!("there is more to be drained after {deadline:?}");
                return Err(Error::new(ErrorKind::Timeout, "write_behind").with_detail(detail));
            }
        }
    }

    async fn round(&self, is_all: bool) -> Result<Round> {
        self.shared.round(&self.backoff, is_all).await
    }

    /// One batch after the other.
    async fn lane(&self, stop: &StopSignal) {
        let queue = &self.shared.queue;
        let mut arrivals = queue.wakeup(WriteKey::Arrivals).await;
        let mut flush = queue.wakeup(WriteKey::Flush).await;
        let (mut failures, mut hurried) = (0, None::<Instant>);
        while !stop.is_stopped() {
            let is_all = hurried.is_some_and(|at| at.elapsed() < HURRY);
            let pause = match self.round(is_all).await {
                Ok(round) if round.drained.unavailable => {
                    failures += 1;
                    self.outage(failures)
                }
                Ok(round) => {
                    failures = 0;
                    // There may be more, and more has become due meanwhile.
                    if round.claimed > 0 {
                        // Who waits for all is heard in the midst of work, too.
                        if flush.wait(Duration::ZERO).await == Woken::Message {
                            hurried = Some(Instant::now());
                        }
                        continue;
                    }
                    self.pause(round.next)
                }
                Err(error) => {
                    failures += 1;
                    self.shared.report_failure(&error);
                    self.outage(failures)
                }
            };
            // While there is an outage, nobody's hurry helps.
            let hurry = failures == 0;
            if rest(pause, hurry, &mut arrivals, &mut flush, stop).await {
                hurried = Some(Instant::now());
            }
        }
        let drained = self.drain_lane(queue.options.drain_within);
        // What is left is reported by who waits for the lanes.
        let _ = timeout(queue.options.drain_within, drained).await;
    }

    /// How long to sleep until something is due.
    fn pause(&self, next: Option<Duration>) -> Duration {
        let queue = &self.shared.queue;
        let idle = match queue.clustered {
            false => IDLE,
            // Nobody wakes it there, and what has just been noted is due after a window.
            true => queue.options.window.clamp(Duration::from_millis(20), IDLE),
        };
        // A millisecond is what the server rounds off.
        let next = next.map(|next| next + Duration::from_millis(1));
        next.map_or(idle, |next| next.min(idle))
    }

    fn outage(&self, failures: u32) -> Duration {
        let floor = Duration::from_millis(10);
        self.backoff.pause(failures).clamp(floor, OUTAGE)
    }

    /// Reports the backlog, and looks into all slots of a cluster, now and then.
    async fn watch(&self) {
        let queue = &self.shared.queue;
        let mut swept: Option<Instant> = None;
        loop {
            if queue.clustered && swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                queue.sweep_slots().await;
                swept = Some(Instant::now());
            }
            if !self.shared.cache.access.base().observers.is_empty() {
                let _ = self.report().await;
            }
            let spread = fastrand::f64().mul_add(0.4, 0.8);
            tokio::time::sleep(REPORT.mul_f64(spread)).await;
        }
    }

    async fn report(&self) -> Result<super::Backlog> {
        let queue = &self.shared.queue;
        let backlog = queue.backlog().await?;
        let observers = &self.shared.cache.access.base().observers;
        observers.observe(&Event::write_backlog(
            queue.name.as_encoded(),
            backlog.pending,
            backlog.oldest_age.unwrap_or_default(),
            backlog.dead_letters,
        ));
        Ok(backlog)
    }
}

/// Sleeps; answers whether someone waits for all to be persisted.
async fn rest(
    pause: Duration,
    hurry: bool,
    arrivals: &mut Wakeup,
    flush: &mut Wakeup,
    stop: &StopSignal,
) -> bool {
    if !hurry {
        let _ = timeout(pause, stop.stopped()).await;
        return false;
    }
    let (flush, arrivals) = (pin!(flush.wait(pause)), pin!(arrivals.wait(pause)));
    match select(select(flush, arrivals), pin!(stop.stopped())).await {
        Either::Left((Either::Left((woken, _)), _)) => woken == Woken::Message,
        _ => false,
    }
}

impl<K, V> Clone for WriteBehindWorker<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            backoff: Arc::clone(&self.backoff),
        }
    }
}

impl<K, V> fmt::Debug for WriteBehindWorker<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehindWorker")
            .field("queue", &self.shared.queue.name)
            .finish_non_exhaustive()
    }
}
