//! How many requests share a call, and how long they wait for one.

use std::time::Duration;

/// Options of a [`Coalescer`](super::Coalescer): 2 calls at a time, with up to 256 requests each, 10 000 requests that wait, and a
/// patience of 20 milliseconds.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::CoalescerOptions;
///
/// let options = CoalescerOptions::new("set").in_flight(4).batch(64).patience(Duration::from_millis(50));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options do nothing before a coalescer has them"]
pub struct CoalescerOptions {
    pub(super) operation: &'static str,
    pub(super) in_flight: usize,
    pub(super) batch: usize,
    pub(super) queue: usize,
    pub(super) patience: Duration,
}

impl CoalescerOptions {
    /// The defaults, for calls that errors name so.
    ///
    /// # Examples
    /// See [`CoalescerOptions`].
    pub const fn new(operation: &'static str) -> Self {
        Self {
            operation,
            in_flight: 2,
            batch: 256,
            queue: 10_000,
            patience: Duration::from_millis(20),
        }
    }

    /// How many calls may be on their way at a time, at least 1. Fewer means that more requests share a call.
    ///
    /// # Examples
    /// See [`CoalescerOptions`].
    pub const fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = if calls == 0 { 1 } else { calls };
        self
    }

    /// How many requests share a call at most, at least 1.
    ///
    /// # Examples
    /// See [`CoalescerOptions`].
    pub const fn batch(mut self, requests: usize) -> Self {
        self.batch = if requests == 0 { 1 } else { requests };
        self
    }

    /// How many requests may wait for a call, at least 1. Those that were given up count until their call has left.
    ///
    /// # Examples
    /// See [`CoalescerOptions`].
    pub const fn queue(mut self, requests: usize) -> Self {
        self.queue = if requests == 0 { 1 } else { requests };
        self
    }

    /// How long a call waits for those before it at most. So a server that hangs is not waited for twice, or as often as there are
    /// calls ahead; and more calls than [may be](Self::in_flight) are on their way to a slow one.
    ///
    /// # Examples
    /// See [`CoalescerOptions`].
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}
