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

    /// Waits for one's turn; answers whether it took any time.
    pub(super) async fn wait(&mut self) -> bool {
        if self.gap.is_zero() {
            return false;
        }
        let now = Instant::now();
        let turn = self.next.max(now);
        self.next = turn + self.gap;
        if turn == now {
            return false;
        }
        sleep_until(turn).await;
        true
    }
}
