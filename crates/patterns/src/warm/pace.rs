//! Keeping an origin from being asked too fast.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets so many pass in a second, evenly spread. Time that nobody used is not saved up.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let gap = per_second.map_or(Duration::ZERO, |most| Duration::from_secs(1) / most.max(1));
        Self {
            gap,
            next: Instant::now(),
        }
    }

    /// Waits for one's turn.
    pub(super) async fn wait(&mut self) {
        if self.gap.is_zero() {
            return;
        }
        let turn = self.next.max(Instant::now());
        sleep_until(turn).await;
        self.next = turn + self.gap;
    }
}
