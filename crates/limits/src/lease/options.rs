//! How much is leased, and for how long.

use std::time::Duration;

/// How a process takes units ahead, for [`Limiter::leased`](crate::Limiter::leased).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_limits::Leasing;
///
/// let leasing = Leasing::up_to(1_000).lasting(Duration::from_secs(2)).subjects(50_000);
/// # let _ = leasing;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options do nothing before a limiter has them"]
pub struct Leasing {
    pub(super) most: u64,
    pub(super) lasting: Duration,
    pub(super) subjects: usize,
}

const LASTING: Duration = Duration::from_secs(5);
const SUBJECTS: usize = 10_000;
const FIRST: u64 = 8;

impl Leasing {
    /// At most so many units of a subject are with this process at a time, at least 1: the limits' error for each process. How
    /// many are taken at once begins with 8, doubles with every lease that is used up, and falls with what is not used and with
    /// what the limit has left.
    ///
    /// They last 5 seconds, and are taken for up to 10 000 subjects, unless something else is said.
    ///
    /// # Examples
    /// See [`Leasing`].
    pub fn up_to(units: u64) -> Self {
        Self {
            most: units.max(1),
            lasting: LASTING,
            subjects: SUBJECTS,
        }
    }

    /// For how long units are kept that nobody asks for, 10 ms to a day; what lies outside counts as the nearest. Then they go
    /// back.
    ///
    /// # Examples
    /// See [`Leasing`].
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.lasting = duration.clamp(Duration::from_millis(10), Duration::from_secs(86_400));
        self
    }

    /// Of how many subjects units are kept at a time. Checks of others ask the store.
    ///
    /// # Examples
    /// See [`Leasing`].
    pub fn subjects(mut self, subjects: usize) -> Self {
        self.subjects = subjects;
        self
    }

    pub(super) fn first_chunk(&self) -> u64 {
        FIRST.min(self.most)
    }
}
