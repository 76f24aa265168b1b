//! How a queue is kept and drained.

use std::time::Duration;

use cachekit_store::{Error, ErrorKind, Result};

/// What a write does that finds the backlog full.
///
/// A write to a key that has an unpersisted one already needs no room, and is taken in each case.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_patterns::WhenFull;
/// assert_eq!(WhenFull::default(), WhenFull::Wait(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room for so long, and fails then as with [`Refuse`](Self::Refuse).
    Wait(Duration),
    /// It fails with [`Overloaded`](ErrorKind::Overloaded), and nothing was written.
    Refuse,
    /// It calls the sink itself, and returns when the write is persisted. What the sink refuses is an error, and taken back.
    WriteThrough,
}

impl Default for WhenFull {
    fn default() -> Self {
        Self::Wait(Duration::from_secs(5))
    }
}

/// The choices of one queue.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) window: Duration,
    pub(crate) batch: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) concurrency: usize,
    pub(crate) claim: Duration,
    pub(crate) sink_timeout: Option<Duration>,
    pub(crate) backlog: u64,
    pub(crate) max_age: Option<Duration>,
    pub(crate) when_full: WhenFull,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) drain_within: Duration,
    pub(crate) seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(200),
            batch: 500,
            batch_bytes: 16 << 20,
            concurrency: 1,
            claim: Duration::from_secs(30),
            sink_timeout: None,
            backlog: 100_000,
            max_age: None,
            when_full: WhenFull::default(),
            max_attempts: 16,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(60),
            drain_within: Duration::from_secs(3),
            seed: None,
        }
    }
}

impl Options {
    /// Attempts are three digits of a header.
    pub(crate) const MOST_ATTEMPTS: u32 = 999;

    /// # Errors
    /// `Configuration`, naming what is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        let millis = |span: Duration| span >= Duration::from_millis(1);
        let day = Duration::from_secs(86_400);
        let rules = [
            (self.window <= day, "the window is longer than a day"),
            (
                (1..=10_000).contains(&self.batch),
                "a batch has 1 to 10 000 items",
            ),
            (self.batch_bytes > 0, "a batch has room for no byte"),
            (
                (1..=64).contains(&self.concurrency),
                "1 to 64 batches may be under way",
            ),
            (
                self.claim >= Duration::from_millis(100) && self.claim <= day,
                "a claim lasts 100 milliseconds to a day",
            ),
            (
                self.sink_timeout().is_some_and(|time| time < self.claim),
                "the sink's time-out has to be shorter than a claim",
            ),
            (self.backlog > 0, "the backlog has room for nothing"),
            (
                self.max_age.is_none_or(millis),
                "the greatest age is below a millisecond",
            ),
            (
                (1..=Self::MOST_ATTEMPTS).contains(&self.max_attempts),
                "1 to 999 attempts are possible",
            ),
            (
                millis(self.backoff) && self.backoff <= self.max_backoff && self.max_backoff <= day,
                "the pauses between attempts last 1 millisecond to a day",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, why)) => {
                Err(Error::new(ErrorKind::Configuration, "write_behind").with_detail(why))
            }
        }
    }

    /// How long a call of the sink may take.
    pub(crate) fn sink_timeout(&self) -> Option<Duration> {
        let timeout = self.sink_timeout.unwrap_or(self.claim * 2 / 3);
        (!timeout.is_zero()).then_some(timeout)
    }

    /// The longest time for which an item is kept from being claimed again.
    pub(crate) fn longest_hold(&self) -> Duration {
        self.claim.max(self.max_backoff)
    }
}
