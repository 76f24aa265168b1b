//! Where a command goes next, and how often it may be sent on.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::view::Node;

/// Redirections that one command follows. A cluster that is at rest needs one.
const MAX_HOPS: u8 = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_LAST: Duration = Duration::from_millis(100);

/// Where a command goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// To the node that serves its slot by what is known.
    Owner,
    /// To the node that another one named.
    Named {
        node: Arc<Node>,
        /// Whether the node takes it only after `ASKING`.
        asking: bool,
    },
}

/// What a command has been through, and so what it may still try.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    hops: u8,
    pauses: u8,
}

impl Course {
    /// Whether the command may go to yet another node.
    pub(super) fn hop(&mut self) -> bool {
        self.hops = self.hops.saturating_add(1);
        self.hops <= MAX_HOPS
    }

    /// How many nodes sent the command away.
    pub(super) fn hops(self) -> usize {
        usize::from(self.hops)
    }

    /// How long to wait before the next try, or `None` where that would be too close to the deadline: a try that cannot be
    /// answered in time would leave it open what it did. Doubles each time, with jitter so that commands do not return in
    /// step.
    pub(super) fn pause(&mut self, deadline: Instant) -> Option<Duration> {
        let pause = PAUSE_FIRST
            .saturating_mul(1 << self.pauses.min(8))
            .min(PAUSE_LAST)
            .mul_f64(0.5 + fastrand::f64() / 2.0);
        self.pauses = self.pauses.saturating_add(1);
        (Instant::now() + 2 * pause < deadline).then_some(pause)
    }
}
