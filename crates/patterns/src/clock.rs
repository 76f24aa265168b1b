//! The server's wall clock, as far as this process knows it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::SystemTime,
};

use tokio::time::Instant;

/// Tells the time by the server's clock without asking for it: every lease that is taken brings the time with it, and in
/// between tokio's monotonic clock goes on. So freshness means the same in all processes, whatever their clocks say, and
/// a test with paused time meets it exactly. Until a server has been heard this is the system's clock.
#[derive(Debug)]
pub(crate) struct ServerClock {
    origin: Instant,
    /// The server's time at the origin, in milliseconds since the Unix epoch.
    offset: AtomicI64,
}

impl ServerClock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |since| since.as_millis());
        Self {
            origin: Instant::now(),
            offset: AtomicI64::new(i64::try_from(millis).unwrap_or(i64::MAX)),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_millis(&self) -> u64 {
        let now = self
            .elapsed()
            .saturating_add(self.offset.load(Ordering::Relaxed));
        u64::try_from(now).unwrap_or_default()
    }

    /// The server has just said that it is so many microseconds since the Unix epoch.
    pub(crate) fn learn(&self, micros: u64) {
        let millis = i64::try_from(micros / 1_000).unwrap_or(i64::MAX);
        let offset = millis.saturating_sub(self.elapsed());
        self.offset.store(offset, Ordering::Relaxed);
    }

    fn elapsed(&self) -> i64 {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }
}
