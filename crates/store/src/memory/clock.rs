//! The memory store's two clocks: a monotonic one for expiry, a wall clock for [`Store::time`](crate::Store::time).
//!
//! Expiry follows tokio's clock, so that a test with paused time meets every deadline exactly; outside a
//! runtime that is the system's monotonic clock. The wall clock can be set and shifted without touching expiry,
//! as a server's TTLs are not touched by a client's clock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

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

    #[cfg(test)]
    pub(super) fn plus(self, duration: Duration) -> Self {
        Self(self.0 + nanos(duration))
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
    /// The same in nanoseconds since the Unix epoch, for runs of scripts, which would all meet at the lock; [`FAR_OFF`] where
    /// that does not say it.
    nanos_at_origin: AtomicU64,
}

/// A wall clock that started before the Unix epoch, or five centuries after it.
const FAR_OFF: u64 = u64::MAX;

fn nanos_since_epoch(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(FAR_OFF, nanos)
}

impl Clock {
    pub(super) fn start() -> Self {
        let wall = SystemTime::now();
        Self {
            origin: Instant::now(),
            wall_at_origin: Mutex::new(wall),
            nanos_at_origin: AtomicU64::new(nanos_since_epoch(wall)),
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
        self.wall_after(self.elapsed())
    }

    /// The wall clock at a moment, in microseconds since the Unix epoch; 0 before it.
    pub(super) fn wall_micros(&self, at: Moment) -> u64 {
        let start = self.nanos_at_origin.load(Relaxed);
        match start.checked_add(at.0) {
            Some(now) if start != FAR_OFF => now / 1_000,
            _ => self.far_off_micros(at),
        }
    }

    fn far_off_micros(&self, at: Moment) -> u64 {
        let wall = self.wall_after(Duration::from_nanos(at.0));
        let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
    }

    fn wall_after(&self, elapsed: Duration) -> SystemTime {
        let start = *self.wall_at_origin.lock();
        start.checked_add(elapsed).unwrap_or(start)
    }

    /// Makes the wall clock show `time` now; it goes on from there. A time that the platform cannot
    /// represent at the origin starts the clock at `time` there.
    pub(super) fn set_wall(&self, time: SystemTime) {
        let start = time.checked_sub(self.elapsed()).unwrap_or(time);
        self.change_start(|_| start);
    }

    pub(super) fn advance_wall(&self, by: Duration) {
        self.change_start(|start| start.checked_add(by).unwrap_or(start));
    }

    pub(super) fn rewind_wall(&self, by: Duration) {
        self.change_start(|start| start.checked_sub(by).unwrap_or(start));
    }

    fn change_start(&self, change: impl FnOnce(SystemTime) -> SystemTime) {
        let mut start = self.wall_at_origin.lock();
        *start = change(*start);
        // Under the lock, so that of two changes both keep the same.
        self.nanos_at_origin
            .store(nanos_since_epoch(*start), Relaxed);
    }
}
