//! What calls of a queue answer.

use std::time::Duration;

/// What a queue holds.
///
/// # Examples
/// See [`WriteBehind`](super::WriteBehind).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Keys with an unpersisted write.
    pub pending: u64,
    /// For how long the oldest of them has been waiting, by the server's clock; `None` where there is none.
    pub oldest_age: Option<Duration>,
    /// Keys with a dead letter.
    pub dead_letters: u64,
}

/// How a barrier ended.
///
/// # Examples
/// See [`WriteBehind::flush`](super::WriteBehind::flush).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "what was not persisted is only said here"]
#[non_exhaustive]
pub struct Flushed {
    /// Keys whose write became a dead letter meanwhile instead of being persisted.
    pub dead_letters: u64,
}

/// What one round of a worker did.
///
/// # Examples
/// See [`WriteBehindWorker::drain_once`](super::WriteBehindWorker::drain_once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Items that were persisted.
    pub persisted: u64,
    /// Accepted writes that these items stand for: over `persisted` this is the coalescing ratio.
    pub writes: u64,
    /// Items that are tried again later.
    pub retried: u64,
    /// Items that became dead letters.
    pub dead_letters: u64,
    /// Whether the sink said that it cannot be reached.
    pub unavailable: bool,
}

impl Drained {
    /// Whether there was nothing to be done.
    ///
    /// # Examples
    /// ```
    /// assert!(cachekit_patterns::Drained::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.persisted += other.persisted;
        self.writes += other.writes;
        self.retried += other.retried;
        self.dead_letters += other.dead_letters;
        self.unavailable |= other.unavailable;
    }
}

/// What was left when a worker ended.
///
/// # Examples
/// See [`WriteBehindWorker::run`](super::WriteBehindWorker::run).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// What the queue holds, `None` where the store did not answer. Nothing of it is lost: the next worker goes on.
    pub left: Option<Backlog>,
}
