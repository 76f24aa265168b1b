//! Calls under way, counted so that closing can wait for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of calls under way.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    calls: AtomicUsize,
    /// Told when the last call ends.
    ended: Notify,
}

/// One call under way; ends when dropped, in whatever way the call ends.
#[derive(Debug)]
pub(super) struct Call<'a>(&'a InFlight);

impl InFlight {
    /// Counts a call.
    pub(super) fn begin(&self) -> Call<'_> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Call(self)
    }

    /// Waits until no call is under way.
    pub(super) async fn none_left(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Registered before looking, so that an end between the look and the wait is not missed.
            ended.as_mut().enable();
            if self.calls.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}
