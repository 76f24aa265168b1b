//! What flushes, for as long as a service runs.

use std::time::Duration;

use cachekit_store::StopSignal;
use tokio::time::timeout;

use crate::HitTracker;

/// Adds the counts of a [`HitTracker`] to those of the fleet, again and again until it is told to end: the worker that belongs to
/// the handle.
///
/// # Examples
/// See [`HitTracker`].
#[derive(Debug)]
#[must_use = "counts stay in the process until the worker runs"]
pub struct HitFlusher {
    tracker: HitTracker,
}

impl HitFlusher {
    pub(crate) fn new(tracker: HitTracker) -> Self {
        Self { tracker }
    }

    /// Flushes in every interval, and once more when it is told to end. For a task of
    /// [`Tasks`](cachekit_store::Tasks::spawn_until_stopped).
    ///
    /// A flush that fails is counted ([`HitTracker::failed_flushes`]) and made up for by the next one. What other tasks count
    /// after this one was told to end stays in the process unless someone calls [`HitTracker::flush`] at the very end, as a
    /// kit does.
    ///
    /// # Cancel safety
    /// Dropping the future loses no counts: another call of [`HitTracker::flush`] adds them.
    ///
    /// # Examples
    /// See [`HitTracker`].
    pub async fn run(self, stop: StopSignal) {
        loop {
            let pause = jittered(self.tracker.options().interval());
            let is_stopped = timeout(pause, stop.stopped()).await.is_ok();
            // Failures are counted by the tracker.
            let _ = self.tracker.flush().await;
            if is_stopped {
                return;
            }
        }
    }
}

/// From four fifths of it to all of it.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - 0.2 * fastrand::f64())
}
