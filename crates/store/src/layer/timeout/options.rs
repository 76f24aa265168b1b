//! How long calls may take.

use std::time::Duration;

use crate::{
    Result,
    layer::range::{DURATIONS, check},
};

/// How long the calls of a [`Timeout`](super::Timeout) may take, by what they do. Default: as long as they like.
///
/// Each deadline lies between 1 ms and 1 hour; `None` is no deadline. It holds for a call as a whole: a batch of any size
/// has one.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::TimeoutOptions;
///
/// let options = TimeoutOptions::all(Duration::from_millis(250)).with_read(Duration::from_millis(50));
/// assert_eq!(options.write, Some(Duration::from_millis(250)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutOptions {
    /// Of calls that change nothing: `get`, `get_many`, `get_entries`, `expiries`, `scan`, `time`, `server_facts`, and of
    /// `subscribe` until the subscription stands.
    pub read: Option<Duration>,
    /// Of `set`, `set_many`, `delete`, `expire`, `increment` and `publish`.
    pub write: Option<Duration>,
    /// Of `run_script`, whatever the script does.
    pub script: Option<Duration>,
}

impl TimeoutOptions {
    /// The same deadline for every call.
    ///
    /// # Examples
    /// See [`TimeoutOptions`].
    #[must_use]
    pub const fn all(limit: Duration) -> Self {
        Self {
            read: Some(limit),
            write: Some(limit),
            script: Some(limit),
        }
    }

    /// Another deadline for reads.
    ///
    /// # Examples
    /// See [`TimeoutOptions`].
    #[must_use]
    pub const fn with_read(mut self, limit: Duration) -> Self {
        self.read = Some(limit);
        self
    }

    /// Another deadline for writes.
    ///
    /// # Examples
    /// See [`TimeoutOptions`].
    #[must_use]
    pub const fn with_write(mut self, limit: Duration) -> Self {
        self.write = Some(limit);
        self
    }

    /// Another deadline for scripts.
    ///
    /// # Examples
    /// See [`TimeoutOptions`].
    #[must_use]
    pub const fn with_script(mut self, limit: Duration) -> Self {
        self.script = Some(limit);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let limits = [
            ("the deadline of reads", self.read),
            ("the deadline of writes", self.write),
            ("the deadline of scripts", self.script),
        ];
        for (option, limit) in limits {
            if let Some(limit) = limit {
                check("timeout", option, limit, &DURATIONS)?;
            }
        }
        Ok(())
    }
}
