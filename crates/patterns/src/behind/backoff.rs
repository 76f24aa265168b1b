//! Pauses between attempts: exponential back-off with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

use parking_lot::Mutex;

use super::options::Options;

pub(super) struct Backoff {
    base: Duration,
    most: Duration,
    random: Mutex<fastrand::Rng>,
}

impl Backoff {
    pub(super) fn new(options: &Options) -> Self {
        let random = match options.seed {
            Some(seed) => fastrand::Rng::with_seed(seed),
            None => fastrand::Rng::new(),
        };
        Self {
            base: options.backoff,
            most: options.max_backoff,
            random: Mutex::new(random),
        }
    }

    /// From nothing to the base, twice as much with each further attempt.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(30);
        let most = self.base.saturating_mul(1 << doublings).min(self.most);
        most.mul_f64(self.random.lock().f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Options};

    fn backoff() -> Backoff {
        Backoff::new(&Options {
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            seed: Some(7),
            ..Options::default()
        })
    }

    #[test]
    fn pauses_fill_a_range_that_doubles_up_to_its_limit() {
        let backoff = backoff();
        for (attempt, limit) in [(1, 100), (2, 200), (3, 400), (8, 10_000), (900, 10_000)] {
            let limit = Duration::from_millis(limit);
            let pauses: Vec<_> = (0..200).map(|_| backoff.pause(attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause <= limit), "{attempt}");
            assert!(
                pauses.iter().any(|pause| *pause > limit * 3 / 4),
                "{attempt}"
            );
            assert!(pauses.iter().any(|pause| *pause < limit / 4), "{attempt}");
        }
    }

    #[test]
    fn one_seed_draws_the_same_pauses() {
        let (one, other) = (backoff(), backoff());
        assert!((1..50).all(|attempt| one.pause(attempt) == other.pause(attempt)));
    }
}
