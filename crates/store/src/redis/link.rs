//! One connection that comes back by itself.
//!
//! A connection is dialled by the call that needs it, one attempt at a time for all callers, with
//! back-off between failures: during the back-off calls fail at once with the last reason instead of queueing up.
//! A connection is given up when the library reports it broken, or when calls on it
//! keep timing out, because a half-open socket reports nothing for a long time.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::{error::dial_error, trace};
use crate::{Error, ErrorKind, Result};

/// Requests queued for the socket before callers wait.
const PIPELINE_BUFFER: usize = 1_024;
/// Bytes buffered before a write waits for the socket; larger than the library's 8 KiB for large values.
const WRITE_BUFFER: usize = 64 << 10;
/// Time-outs in a row after which a connection counts as half-open.
const TIMEOUTS_BEFORE_REDIAL: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_LAST: Duration = Duration::from_secs(1);

/// What a link needs to know beside the client.
#[derive(Debug)]
pub(super) struct LinkOptions {
    /// Host and port, for errors.
    pub(super) address: String,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
}

/// The store's way to its server.
pub(super) struct Link {
    client: Client,
    options: LinkOptions,
    slot: Arc<Slot>,
    /// Held while dialling, so that one attempt serves all callers.
    dial: tokio::sync::Mutex<Backoff>,
}

/// The present connection, shared with the callback that hears of its end.
#[derive(Default)]
struct Slot {
    live: Mutex<Option<Arc<Live>>>,
    closed: AtomicBool,
}

/// A connection in use.
pub(super) struct Live {
    connection: MultiplexedConnection,
    timeouts: AtomicU32,
}

#[derive(Default)]
struct Backoff {
    failures: u32,
    until: Option<(Instant, Error)>,
}

impl Link {
    pub(super) fn new(client: Client, options: LinkOptions) -> Self {
        Self {
            client,
            options,
            slot: Arc::default(),
            dial: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn options(&self) -> &LinkOptions {
        &self.options
    }

    /// Number of the selected database.
    pub(super) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.slot.closed.load(Ordering::Acquire)
    }

    /// The connection at hand, without waiting.
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.slot.live.lock().clone()
    }

    /// The connection at hand, or a new one.
    ///
    /// # Cancel safety
    /// A caller that goes away while dialling leaves the attempt to the next caller.
    pub(super) async fn acquire(&self) -> Result<Arc<Live>> {
        let mut backoff = self.dial.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        backoff.check()?;
        match self.dial().await {
            Ok(live) => {
                *backoff = Backoff::default();
                trace::connected(&self.options.address);
                self.install(live)
            }
            Err(error) => {
                backoff.note(&error);
                trace::dial_failed(&error);
                Err(error)
            }
        }
    }

    /// Gives a connection up, if it is still the one in use.
    pub(super) fn discard(&self, live: &Arc<Live>) {
        if self.slot.clear_if(live) {
            trace::lost(&self.options.address);
        }
    }

    /// Notes that a call on `live` had no answer in time.
    pub(super) fn note_timeout(&self, live: &Arc<Live>) {
        if live.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_BEFORE_REDIAL {
            self.discard(live);
        }
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        self.slot.closed.store(true, Ordering::Release);
        self.slot.live.lock().take();
    }

    /// Makes a new connection the one in use, unless the link was closed meanwhile.
    fn install(&self, live: Arc<Live>) -> Result<Arc<Live>> {
        let mut slot = self.slot.live.lock();
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "connect"));
        }
        *slot = Some(Arc::clone(&live));
        Ok(live)
    }

    async fn dial(&self) -> Result<Arc<Live>> {
        let cell = Arc::new(Mutex::new(Weak::<Live>::new()));
        let config = self.connection_config(Arc::clone(&cell));
        let attempt = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = tokio::time::timeout(self.options.connect_timeout, attempt)
            .await
            .map_err(|_| {
                Error::new(ErrorKind::Timeout, "connect")
                    .with_detail(format!("{} did not accept in time", self.options.address))
            })?
            .map_err(|error| dial_error(&error, &self.options.address))?;
        let live = Arc::new(Live {
            connection,
            timeouts: AtomicU32::new(0),
        });
        *cell.lock() = Arc::downgrade(&live);
        Ok(live)
    }

    fn connection_config(&self, own: Arc<Mutex<Weak<Live>>>) -> AsyncConnectionConfig {
        let slot = Arc::downgrade(&self.slot);
        let address = self.options.address.clone();
        AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            // Calls carry their own deadline, which covers the wait for a connection too.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_write_backpressure_boundary(WRITE_BUFFER)
            .set_push_sender(move |push: PushInfo| -> std::result::Result<(), Error> {
                if push.kind == PushKind::Disconnection
                    && let (Some(slot), Some(live)) = (slot.upgrade(), own.lock().upgrade())
                    && slot.clear_if(&live)
                {
                    trace::lost(&address);
                }
                Ok(())
            })
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// A handle for one call.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Notes that the server answered.
    pub(super) fn note_answer(&self) {
        if self.timeouts.load(Ordering::Relaxed) != 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }
}

impl Slot {
    /// Takes `live` out of use; answers whether it was in use.
    fn clear_if(&self, live: &Arc<Live>) -> bool {
        let mut slot = self.live.lock();
        let in_use = slot
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, live));
        if in_use {
            slot.take();
        }
        in_use
    }
}

impl Backoff {
    /// Fails with the last reason while the back-off runs.
    fn check(&self) -> Result<()> {
        match &self.until {
            Some((until, error)) if Instant::now() < *until => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Doubles the pause after each failure, with jitter so that clients do not return in step.
    fn note(&mut self, error: &Error) {
        let pause = BACKOFF_FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(BACKOFF_LAST);
        self.failures = self.failures.saturating_add(1);
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.until = Some((Instant::now() + jittered, error.clone()));
    }
}
