//! How often, how soon and how long calls are repeated.

use std::time::Duration;

use crate::{
    Observers, Result,
    layer::range::{DURATIONS, check},
};

/// How the layer [`Retry`](super::Retry) repeats calls. The setters cannot fail; [`Retry::new`](super::Retry::new) does.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::RetryOptions;
///
/// let options = RetryOptions::new().with_attempts(4).with_deadline(Duration::from_secs(2));
/// assert_eq!((options.attempts, options.budget_percent), (4, 20));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryOptions {
    /// Attempts in all, the first one included; see [`with_attempts`](Self::with_attempts).
    pub attempts: u32,
    /// The longest first pause; see [`with_pauses`](Self::with_pauses).
    pub first_pause: Duration,
    /// The longest pause of all; see [`with_pauses`](Self::with_pauses).
    pub max_pause: Duration,
    /// How long a call may take with all its attempts; see [`with_deadline`](Self::with_deadline).
    pub deadline: Option<Duration>,
    /// Repetitions a hundred calls; see [`with_budget`](Self::with_budget).
    pub budget_percent: u32,
    /// Repetitions beyond those; see [`with_budget`](Self::with_budget).
    pub reserve: u32,
    /// Whether `delete` is repeated after a lost answer; see [`with_repeated_deletes`](Self::with_repeated_deletes).
    pub repeats_deletes: bool,
    /// Where the pauses' randomness starts; see [`with_seed`](Self::with_seed).
    pub seed: Option<u64>,
    /// Who hears of repetitions; see [`with_observers`](Self::with_observers).
    pub observers: Observers,
}

impl RetryOptions {
    /// The defaults: 3 attempts, pauses of at most 10 ms and then 20 ms, repetitions for 20 % of the calls and 100 more.
    ///
    /// # Examples
    /// See [`RetryOptions`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(10),
            max_pause: Duration::from_millis(500),
            deadline: None,
            budget_percent: 20,
            reserve: 100,
            repeats_deletes: false,
            seed: None,
            observers: Observers::none(),
        }
    }

    /// Attempts in all, the first one included; default 3, from 1 (which repeats nothing) to 10.
    ///
    /// # Examples
    /// See [`RetryOptions`].
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long to wait: before the first repetition at most `first` (default 10 ms), before each further one at most
    /// twice as long as before the last, and never more than `max` (default 500 ms). Both lie between 1 ms and 1 hour.
    ///
    /// Each pause is drawn evenly from zero to that limit, so that callers who failed together do not come back together
    /// ("full jitter", M. Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::RetryOptions;
    ///
    /// let options = RetryOptions::new().with_pauses(Duration::from_millis(50), Duration::from_secs(1));
    /// assert_eq!(options.max_pause, Duration::from_secs(1));
    /// ```
    #[must_use]
    pub const fn with_pauses(mut self, first: Duration, max: Duration) -> Self {
        self.first_pause = first;
        self.max_pause = max;
        self
    }

    /// How long a call may take with all its attempts and pauses; default as long as they like, from 1 ms to 1 hour.
    ///
    /// An attempt under way by then is given up, as by [`Timeout`](crate::Timeout). A pause that would not end before it is
    /// not begun: the caller has the last error at once.
    ///
    /// # Examples
    /// See [`RetryOptions`].
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How many repetitions all calls of the layer share: `percent` a hundred calls (default 20, from 0 to 100) and
    /// `reserve` beyond those (default 100, at most 1 000 000), which fills again by the same share.
    ///
    /// In any stretch of time there are at most `percent` / 100 · calls + `reserve` repetitions (one, for a reserve of 0): an outage makes the load
    /// 1.2 times what it was, and not 3 times. The reserve is what may follow at once where many calls in flight fail
    /// together, as they do when their connection is cut. This is the token bucket of gRPC's retry throttling, counted by
    /// calls as in Finagle's `RetryBudget`; the default reserve is that of the AWS SDKs' standard retry quota.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RetryOptions;
    ///
    /// let options = RetryOptions::new().with_budget(10, 20);
    /// assert_eq!((options.budget_percent, options.reserve), (10, 20));
    /// ```
    #[must_use]
    pub const fn with_budget(mut self, percent: u32, reserve: u32) -> Self {
        self.budget_percent = percent;
        self.reserve = reserve;
        self
    }

    /// Repeats [`Store::delete`](crate::Store::delete) even where an attempt may have deleted the keys. Default: not.
    ///
    /// The keys are gone either way, but the answer counts only those that the last attempt found. That is right for
    /// services that delete in order to invalidate, and wrong where the count decides who took something: a token that is
    /// valid once, say. And what another caller writes between two attempts is deleted too.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RetryOptions;
    ///
    /// assert!(RetryOptions::new().with_repeated_deletes().repeats_deletes);
    /// ```
    #[must_use]
    pub const fn with_repeated_deletes(mut self) -> Self {
        self.repeats_deletes = true;
        self
    }

    /// Draws the pauses from this seed, for tests. Default: from the process's randomness.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::RetryOptions;
    ///
    /// assert_eq!(RetryOptions::new().with_seed(7).seed, Some(7));
    /// ```
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Tells them of each repetition, before its pause, as an [`Event::Retry`](crate::Event::Retry).
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Observers, RetryOptions};
    ///
    /// assert!(RetryOptions::new().with_observers(Observers::none()).observers.is_empty());
    /// ```
    #[must_use]
    pub fn with_observers(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        const LAYER: &str = "retry";
        check(LAYER, "the number of attempts", self.attempts, &(1..=10))?;
        check(LAYER, "the first pause", self.first_pause, &DURATIONS)?;
        check(
            LAYER,
            "the longest pause",
            self.max_pause,
            &(self.first_pause..=*DURATIONS.end()),
        )?;
        if let Some(deadline) = self.deadline {
            check(LAYER, "the deadline", deadline, &DURATIONS)?;
        }
        check(
            LAYER,
            "the budget's percentage",
            self.budget_percent,
            &(0..=100),
        )?;
        check(LAYER, "the reserve", self.reserve, &(0..=1_000_000))
    }
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self::new()
    }
}
