//! One connection that comes back by itself.
//!
//! A connection is dialled when a call needs it: one attempt for all callers, on a task of its own that lasts at most the
//! connect time-out, so that impatient callers do not keep a slow server from ever being reached. Between
//! failures there is a back-off, during which calls fail at once with the last reason instead of queueing up.
//!
//! A connection is given up when the library reports it broken, when nothing has been heard on it for too long (a half-open
//! socket reports nothing by itself), and when the server turns out to be a replica.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture, future::Shared};
use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, aio::MultiplexedConnection};
use tokio::{task::AbortHandle, time::Instant};

use super::{
    dial::{Dialer, Wire},
    inflight::InFlight,
};
use crate::{ConnectionState, Error, ErrorKind, Event, Observer, Observers, Result};

/// Requests queued for the socket before callers wait.
const PIPELINE_BUFFER: usize = 1_024;
/// Bytes buffered before a write waits for the socket; larger than the library's 8 KiB for large values.
const WRITE_BUFFER: usize = 64 << 10;
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_LAST: Duration = Duration::from_secs(1);
/// A server that stays a replica is dialled again no more often than this.
const ROLE_REDIAL: Duration = Duration::from_secs(1);

/// The store's way to its server. Dropping it ends the connection and an attempt to make one.
pub(super) struct Link {
    core: Arc<Core>,
    pub(super) in_flight: InFlight,
}

/// What the link shares with the attempt to connect and with the callback that hears of a connection's end.
struct Core {
    dialer: Dialer,
    request_timeout: Duration,
    observers: Observers,
    live: Mutex<Option<Arc<Live>>>,
    dialling: Mutex<Dialling>,
    closed: AtomicBool,
}

/// A connection in use.
pub(super) struct Live {
    wire: Wire,
    made: Instant,
    /// When the first call timed out since the last answer, in milliseconds after `made` plus one; 0 for none.
    silent_since: AtomicU64,
}

/// The attempt to connect that all callers wait for.
type Attempt = Shared<BoxFuture<'static, Result<Arc<Live>>>>;

#[derive(Default)]
struct Dialling {
    attempt: Option<(Attempt, AbortHandle)>,
    failures: u32,
    /// Until when calls fail at once, and with what.
    back_off: Option<(Instant, Error)>,
    /// When a connection was last given up because the server is a replica.
    role_redial: Option<Instant>,
}

impl Link {
    pub(super) fn new(dialer: Dialer, request_timeout: Duration, observers: Observers) -> Self {
        let core = Core {
            dialer,
            request_timeout,
            observers,
            live: Mutex::default(),
            dialling: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        Self {
            core: Arc::new(core),
            in_flight: InFlight::default(),
        }
    }

    /// Host and port, for errors.
    pub(super) fn address(&self) -> &str {
        self.core.dialer.shown()
    }

    /// How the server is reached, for connections of another kind.
    pub(super) fn dialer(&self) -> &Dialer {
        &self.core.dialer
    }

    /// The deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.core.request_timeout
    }

    /// Number of the selected database.
    pub(super) fn database(&self) -> i64 {
        self.core.dialer.database()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.core.closed.load(Ordering::SeqCst)
    }

    /// The connection at hand, without waiting.
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.core.live.lock().clone()
    }

    /// The connection at hand, or a new one.
    ///
    /// # Cancel safety
    /// A caller that goes away leaves the attempt running for the next one.
    pub(super) async fn acquire(&self) -> Result<Arc<Live>> {
        let attempt = {
            let mut dialling = self.core.dialling.lock();
            if let Some(live) = self.current() {
                return Ok(live);
            }
            if self.is_closed() {
                return Err(closed());
            }
            dialling.join_or_start(&self.core)?
        };
        attempt.await
    }

    /// Gives a connection up, if it is still the one in use.
    pub(super) fn discard(&self, live: &Arc<Live>) {
        self.core.discard(live);
    }

    /// Notes that a call on `live` had no answer in time. After a further time-out's length without any answer the
    /// connection counts as half-open; many calls that time out in one stall count as one.
    pub(super) fn note_timeout(&self, live: &Arc<Live>) {
        let limit = self.core.request_timeout;
        if live.silence().is_some_and(|silence| silence >= limit) {
            self.core.discard(live);
        }
    }

    /// Notes that the server answered as a replica: after a failover the same address may lead to the new primary.
    pub(super) fn note_replica(&self, live: &Arc<Live>) {
        let mut dialling = self.core.dialling.lock();
        if dialling
            .role_redial
            .is_none_or(|last| last.elapsed() >= ROLE_REDIAL)
        {
            dialling.role_redial = Some(Instant::now());
            drop(dialling);
            self.core.discard(live);
        }
    }

    /// Takes no more calls, lets those in flight finish, and ends the connection.
    ///
    /// # Cancel safety
    /// A dropped call has closed the link to new calls; those in flight go on to their deadline.
    pub(super) async fn close(&self) {
        self.core.closed.store(true, Ordering::SeqCst);
        self.in_flight.none_left().await;
        self.core.end();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.core.closed.store(true, Ordering::SeqCst);
        self.core.end();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl Core {
    fn end(&self) {
        let live = self.live.lock().take();
        if live.is_some() {
            self.observe(ConnectionState::Closed);
        }
        if let Some((_, task)) = self.dialling.lock().attempt.take() {
            task.abort();
        }
    }

    /// One attempt from beginning to end, with what follows from it.
    async fn attempt(self: Arc<Self>) -> Result<Arc<Live>> {
        let outcome = self.dial().await;
        let outcome = self.conclude(outcome);
        match &outcome {
            Ok(_) => self.observe(ConnectionState::Connected),
            // Nothing failed where the link was closed meanwhile.
            Err(_) if self.closed.load(Ordering::SeqCst) => {}
            Err(error) => self.observe(ConnectionState::Failed(error)),
        }
        outcome
    }

    /// Enters an attempt's outcome in the books, in one step: nobody may find neither an attempt nor a connection.
    fn conclude(&self, outcome: Result<Arc<Live>>) -> Result<Arc<Live>> {
        let mut dialling = self.dialling.lock();
        dialling.attempt = None;
        match outcome {
            Ok(live) => {
                dialling.failures = 0;
                dialling.back_off = None;
                self.install(live)
            }
            Err(error) => {
                dialling.note_failure(&error);
                Err(error)
            }
        }
    }

    /// Makes a new connection the one in use, unless the link was closed meanwhile.
    fn install(&self, live: Arc<Live>) -> Result<Arc<Live>> {
        let mut slot = self.live.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        *slot = Some(Arc::clone(&live));
        Ok(live)
    }

    async fn dial(self: &Arc<Self>) -> Result<Arc<Live>> {
        let cell = Arc::new(Mutex::new(Weak::<Live>::new()));
        let config = self.connection_config(Arc::clone(&cell));
        let wire = self.dialer.dial(config).await?;
        let live = Arc::new(Live {
            wire,
            made: Instant::now(),
            silent_since: AtomicU64::new(0),
        });
        *cell.lock() = Arc::downgrade(&live);
        Ok(live)
    }

    fn connection_config(self: &Arc<Self>, own: Arc<Mutex<Weak<Live>>>) -> AsyncConnectionConfig {
        let core = Arc::downgrade(self);
        AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            // Calls carry their own deadline, which covers the wait for a connection too.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_write_backpressure_boundary(WRITE_BUFFER)
            .set_push_sender(move |push: PushInfo| -> std::result::Result<(), Error> {
                if push.kind == PushKind::Disconnection
                    && let (Some(core), Some(live)) = (core.upgrade(), own.lock().upgrade())
                {
                    core.discard(&live);
                }
                Ok(())
            })
    }

    fn discard(&self, live: &Arc<Live>) {
        let mut slot = self.live.lock();
        if slot
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, live))
        {
            slot.take();
            drop(slot);
            self.observe(ConnectionState::Lost);
        }
    }

    fn observe(&self, state: ConnectionState<'_>) {
        let address = self.dialer.shown();
        self.observers
            .observe(&Event::Connection { address, state });
    }
}

impl Dialling {
    /// The attempt under way, or a new one; the last failure while the back-off runs.
    fn join_or_start(&mut self, core: &Arc<Core>) -> Result<Attempt> {
        // One that ended without saying so was cut off by the end of its runtime.
        if let Some((attempt, task)) = &self.attempt
            && !task.is_finished()
        {
            return Ok(attempt.clone());
        }
        if let Some((until, error)) = &self.back_off
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let task = tokio::spawn(Arc::clone(core).attempt());
        let handle = task.abort_handle();
        let watched = Arc::downgrade(core);
        let attempt = task
            .map(move |joined| joined.unwrap_or_else(|_| Err(cut_off(&watched))))
            .boxed()
            .shared();
        self.attempt = Some((attempt.clone(), handle));
        Ok(attempt)
    }

    /// Doubles the pause after each failure, with jitter so that clients do not return in step.
    fn note_failure(&mut self, error: &Error) {
        let pause = BACKOFF_FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(BACKOFF_LAST);
        self.failures = self.failures.saturating_add(1);
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.back_off = Some((Instant::now() + jittered, error.clone()));
    }
}

impl Live {
    /// A handle for one call.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.wire.connection.clone()
    }

    /// Notes that the server answered.
    pub(super) fn note_answer(&self) {
        if self.silent_since.load(Ordering::Relaxed) != 0 {
            self.silent_since.store(0, Ordering::Relaxed);
        }
    }

    /// How long ago the first call timed out since the last answer; `None` where this is the first.
    fn silence(&self) -> Option<Duration> {
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let first =
            self.silent_since
                .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        first
            .err()
            .map(|since| Duration::from_millis(now.saturating_sub(since)))
    }
}

/// An attempt ends without a result when the link is closed, or when the runtime that it began on is shut down.
fn cut_off(core: &Weak<Core>) -> Error {
    match core.upgrade() {
        Some(core) if !core.closed.load(Ordering::SeqCst) => {
            Error::new(ErrorKind::Unavailable, "connect")
                .with_detail("the attempt ended with the runtime that it began on")
        }
        _ => closed(),
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "connect")
}
