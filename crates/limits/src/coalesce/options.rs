//! How many checks share a call.

use cachekit_store::CoalescerOptions;

/// How checks share calls, for [`Limiter::coalesced`](crate::Limiter::coalesced).
///
/// A check that finds fewer calls on their way than [may be](Self::calls_in_flight) leaves at once, alone. Those that come
/// later wait until one of the calls is back, for 20 milliseconds at most, and leave together: no timer holds anyone up, and the
/// busier it is the more share a call. A store that hangs is not waited for twice. One subject's checks are one entry of the call, decided in the order in which they came.
///
/// On a cluster, a call is split by slot: the checks of one subject share a run of the script, all runs are sent at once, and
/// each fails for itself.
///
/// # Examples
/// ```
/// use cachekit_limits::Coalescing;
///
/// let coalescing = Coalescing::new().calls_in_flight(4).checks_in_call(100).waiting_checks(1_000);
/// # let _ = coalescing;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options do nothing before a limiter has them"]
pub struct Coalescing {
    in_flight: usize,
    batch: usize,
    queue: usize,
}

impl Default for Coalescing {
    fn default() -> Self {
        Self {
            in_flight: 2,
            batch: 256,
            queue: 10_000,
        }
    }
}

impl Coalescing {
    /// 2 calls at a time, with up to 256 checks each, and 10 000 checks that wait.
    ///
    /// # Examples
    /// See [`Coalescing`].
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls may be on their way at a time, 1 to 64; what lies outside counts as the nearest. Fewer means that more
    /// checks share a call. Calls that take longer than 20 milliseconds do not count.
    ///
    /// # Examples
    /// See [`Coalescing`].
    pub fn calls_in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls.clamp(1, 64);
        self
    }

    /// How many checks share a call at most, 1 to 1 000; what lies outside counts as the nearest. A server does nothing else
    /// during a call: for a thousand checks about 4 ms.
    ///
    /// # Examples
    /// See [`Coalescing`].
    pub fn checks_in_call(mut self, checks: usize) -> Self {
        self.batch = checks.clamp(1, 1_000);
        self
    }

    /// How many checks may wait for a call, at least 1. Those that were given up count until their call has left. One more fails with
    /// [`Overloaded`](cachekit_store::ErrorKind::Overloaded), which counts as an [outage](crate::Outage).
    ///
    /// # Examples
    /// See [`Coalescing`].
    pub fn waiting_checks(mut self, checks: usize) -> Self {
        self.queue = checks.max(1);
        self
    }

    pub(crate) fn options(self) -> CoalescerOptions {
        CoalescerOptions::new("check")
            .in_flight(self.in_flight)
            .batch(self.batch)
            .queue(self.queue)
    }
}
