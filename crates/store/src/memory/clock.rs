//! The memory store's two clocks: a monotonic one for expiry, a wall clock for [`Store::time`](crate::Store::time).
//!
//! Expiry follows tokio's clock, so that a test with paused time meets every deadline exactly; outside a
//! runtime that is the system's monotonic clock. The wall clock can be set and shifted without touching expiry,
//! as a server's TTLs are not touched by a client's clock.

use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Nanoseconds since the store was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// The moment `duration` later; centuries ahead it stays short of [`Deadline::NEVER`].
    pub(super) fn after(self, duration: Duration) -> Deadline {
        Deadline(self.0.saturating_add(nanos(duration)).min(u64::MAX - 1))
    }
}

/// When an entry ceases to exist. One word, because every entry carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(u64);

impl Deadline {
    /// Later than every other deadline.
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn is_never(self) -> bool {
        self == Self::NEVER
    }

    /// Whether it has come: an entry with a TTL of 5 s is gone when 5 s have passed, not a moment later.
    pub(super) fn has_come(self, now: Moment) -> bool {
        !self.is_never() && self.0 <= now.0
    }

    /// Time left; `None` where the deadline never comes.
    pub(super) fn remaining(self, now: Moment) -> Option<Duration> {
        (!self.is_never()).then(|| Duration::from_nanos(self.0.saturating_sub(now.0)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks of one store.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    /// What the wall clock showed at the origin.
    wall_at_origin: Mutex<SystemTime>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            origin: Instant::now(),
            wall_at_origin: Mutex::new(SystemTime::now()),
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment(nanos(self.elapsed()))
    }

    /// Monotonic time since the store was made.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }

    pub(super) fn wall(&self) -> SystemTime {
        let start = *self.wall_at_origin.lock();
        start.checked_add(self.elapsed()).unwrap_or(start)
    }

    /// The wall clock in microseconds since the Unix epoch; 0 before it.
    pub(super) fn wall_micros(&self) -> u64 {
        let since_epoch = self.wall().duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
    }

    /// Makes the wall clock show `time` now; it goes on from there. A time that the platform cannot
    /// represent at the origin starts the clock at `time` there.
    pub(super) fn set_wall(&self, time: SystemTime) {
        *self.wall_at_origin.lock() = time.checked_sub(self.elapsed()).unwrap_or(time);
    }

    pub(super) fn advance_wall(&self, by: Duration) {
        let mut start = self.wall_at_origin.lock();
        *start = start.checked_add(by).unwrap_or(*start);
    }

    pub(super) fn rewind_wall(&self, by: Duration) {
        let mut start = self.wall_at_origin.lock();
        *start = start.checked_sub(by).unwrap_or(*start);
    }
}
