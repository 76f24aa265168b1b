//! A guess at the server's clock, to name the windows of the calendar that a call may fall into.
//!
//! The guess decides nothing: the script picks the window by its own time, and answers with that time where the guess was too
//! far off.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::SystemTime,
};

/// How far the server's clock is ahead of this machine's, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    ahead: AtomicI64,
}

impl ServerClock {
    pub(crate) fn guess(&self) -> i64 {
        local().saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    pub(crate) fn learn(&self, server: i64) {
        self.ahead
            .store(server.saturating_sub(local()), Ordering::Relaxed);
    }
}

/// Microseconds since the Unix epoch; 0 before it.
fn local() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
