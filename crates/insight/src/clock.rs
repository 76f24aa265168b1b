//! The server's wall clock, as far as this process knows it.

use std::time::SystemTime;

use cachekit_store::{Result, Store};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// How long a reading is good enough to name an hour by, where no flush brings a newer one.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Tells the time by the server's clock, so that all processes mean the same hour: asked for once, brought along by every
/// flush from then on, and in between carried on by tokio's monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    /// Since the Unix epoch.
    time: Duration,
}

impl ServerClock {
    /// The time since the Unix epoch, asked for where it is not known.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn now(&self, store: &dyn Store) -> Result<Duration> {
        if let Some(now) = self.known() {
            return Ok(now);
        }
        let time = store.time().await?.duration_since(SystemTime::UNIX_EPOCH);
        let time = time.unwrap_or_default();
        self.learn(time);
        Ok(time)
    }

    fn known(&self) -> Option<Duration> {
        let reading = (*self.0.lock())?;
        let since = reading.at.elapsed();
        (since <= GOOD_FOR).then(|| reading.time.saturating_add(since))
    }

    /// The server has just said that it is so long since the Unix epoch.
    pub(crate) fn learn(&self, time: Duration) {
        let at = Instant::now();
        *self.0.lock() = Some(Reading { at, time });
    }
}
