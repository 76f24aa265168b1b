//! When a circuit opens, and for how long.

use std::time::Duration;

use crate::{
    Observers, Result,
    layer::range::{DURATIONS, check},
};

/// When a [`CircuitBreaker`](super::CircuitBreaker) opens, and for how long. The setters cannot fail;
/// [`CircuitBreaker::new`](super::CircuitBreaker::new) does.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_store::CircuitOptions;
///
/// let options = CircuitOptions::new().with_failures(10, Duration::from_secs(30));
/// assert_eq!((options.failures, options.open_for), (10, Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CircuitOptions {
    /// Failures in a row that open it; see [`with_failures`](Self::with_failures).
    pub failures: u32,
    /// Within what time they must fall; see [`with_failures`](Self::with_failures).
    pub window: Duration,
    /// How long it stays open at first; see [`with_open_times`](Self::with_open_times).
    pub open_for: Duration,
    /// How long it stays open at most; see [`with_open_times`](Self::with_open_times).
    pub max_open: Duration,
    /// How much longer it may stay open, in per cent; see [`with_jitter`](Self::with_jitter).
    pub jitter_percent: u32,
    /// Where the jitter's randomness starts; see [`with_seed`](Self::with_seed).
    pub seed: Option<u64>,
    /// Who hears of changes; see [`with_observers`](Self::with_observers).
    pub observers: Observers,
}

impl CircuitOptions {
    /// The defaults: 5 failures in a row within 60 s open it, for 5 s at first and 60 s at most, and up to 10 % longer.
    ///
    /// # Examples
    /// See [`CircuitOptions`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(60),
            open_for: Duration::from_secs(5),
            max_open: Duration::from_secs(60),
            jitter_percent: 10,
            seed: None,
            observers: Observers::none(),
        }
    }

    /// How many failures without an answer in between open it (default 5, from 1 to 1 000), if all fall within `window`
    /// (default 60 s, from 1 ms to 1 hour).
    ///
    /// # Examples
    /// See [`CircuitOptions`].
    #[must_use]
    pub const fn with_failures(mut self, failures: u32, window: Duration) -> Self {
        self.failures = failures;
        self.window = window;
        self
    }

    /// How long it stays open: `first` (default 5 s) when it opens, twice as long after each probe that fails, and never
    /// longer than `max` (default 60 s). Both lie between 1 ms and 1 hour.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit_store::CircuitOptions;
    ///
    /// let options = CircuitOptions::new().with_open_times(Duration::from_secs(1), Duration::from_secs(8));
    /// assert_eq!(options.max_open, Duration::from_secs(8));
    /// ```
    #[must_use]
    pub const fn with_open_times(mut self, first: Duration, max: Duration) -> Self {
        self.open_for = first;
        self.max_open = max;
        self
    }

    /// By how many per cent it may stay open longer, at random; default 10, from 0 to 100. Processes that lost a server
    /// together do not probe it together then.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::CircuitOptions;
    ///
    /// assert_eq!(CircuitOptions::new().with_jitter(0).jitter_percent, 0);
    /// ```
    #[must_use]
    pub const fn with_jitter(mut self, percent: u32) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// Draws the jitter from this seed, for tests. Default: from the process's randomness.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::CircuitOptions;
    ///
    /// assert_eq!(CircuitOptions::new().with_seed(7).seed, Some(7));
    /// ```
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Tells them of each change, in the order of the changes, as an [`Event::Circuit`](crate::Event::Circuit).
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{CircuitOptions, Observers};
    ///
    /// assert!(CircuitOptions::new().with_observers(Observers::none()).observers.is_empty());
    /// ```
    #[must_use]
    pub fn with_observers(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        const LAYER: &str = "circuit";
        check(LAYER, "the number of failures", self.failures, &(1..=1_000))?;
        check(LAYER, "the window", self.window, &DURATIONS)?;
        check(LAYER, "the first open time", self.open_for, &DURATIONS)?;
        check(
            LAYER,
            "the longest open time",
            self.max_open,
            &(self.open_for..=*DURATIONS.end()),
        )?;
        check(
            LAYER,
            "the jitter in per cent",
            self.jitter_percent,
            &(0..=100),
        )
    }
}

impl Default for CircuitOptions {
    fn default() -> Self {
        Self::new()
    }
}
