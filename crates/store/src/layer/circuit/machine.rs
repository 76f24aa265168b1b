//! The breaker's states, as a machine without a clock: the moment comes with every question.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{options::CircuitOptions, verdict::Verdict};
use crate::CircuitState;

/// Decides which calls pass, from how the ones before them ended.
#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// Counts the changes of state: how a call that began before the last one is told apart.
    generation: u64,
    /// How often it has opened since it was last closed.
    openings: u32,
    random: fastrand::Rng,
}

#[derive(Debug)]
enum Phase {
    /// When each of the last failures in a row happened, oldest first; fewer than open the circuit.
    Closed {
        failures: VecDeque<Instant>,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        is_probing: bool,
    },
}

/// A call that may pass, as the machine knows it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) generation: u64,
    pub(super) is_probe: bool,
}

/// What a call is told that wants to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted(Pass),
    /// Not before a probe has succeeded; the next may start after this time.
    Refused {
        wait: Duration,
    },
}

impl Machine {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self {
            phase: Phase::Closed {
                failures: VecDeque::new(),
            },
            generation: 0,
            openings: 0,
            random: seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether calls pass and none has failed lately, so that neither a call nor its answer changes anything.
    pub(super) fn is_clean(&self) -> bool {
        matches!(&self.phase, Phase::Closed { failures } if failures.is_empty())
    }

    /// Asks whether a call may pass.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return Admission::Refused { wait: until - now };
            }
            self.change(Phase::HalfOpen { is_probing: false });
        }
        let is_probe = match &mut self.phase {
            Phase::HalfOpen { is_probing: true } => {
                return Admission::Refused {
                    wait: Duration::ZERO,
                };
            }
            Phase::HalfOpen { is_probing } => {
                *is_probing = true;
                true
            }
            Phase::Closed { .. } | Phase::Open { .. } => false,
        };
        Admission::Granted(Pass {
            generation: self.generation,
            is_probe,
        })
    }

    /// Tells how a call ended that had passed. One that began in an earlier state tells nothing about this one.
    pub(super) fn settle(
        &mut self,
        pass: Pass,
        verdict: Verdict,
        now: Instant,
        options: &CircuitOptions,
    ) {
        if pass.generation != self.generation {
            return;
        }
        match (&mut self.phase, verdict) {
            (Phase::Closed { failures }, Verdict::Answered) => failures.clear(),
            (Phase::Closed { failures }, Verdict::Failed) => {
                failures.push_back(now);
                let too_old = |&first: &Instant| now.duration_since(first) > options.window;
                while failures.front().is_some_and(too_old) {
                    failures.pop_front();
                }
                if failures.len() >= options.failures as usize {
                    self.open(now, options);
                }
            }
            (Phase::HalfOpen { .. }, Verdict::Answered) => {
                self.openings = 0;
                self.change(Phase::Closed {
                    failures: VecDeque::new(),
                });
            }
            (Phase::HalfOpen { .. }, Verdict::Failed) => self.open(now, options),
            // The next call is the probe in its place.
            (Phase::HalfOpen { is_probing }, Verdict::Silent) => *is_probing = false,
            (Phase::Closed { .. }, Verdict::Silent) | (Phase::Open { .. }, _) => {}
        }
    }

    fn open(&mut self, now: Instant, options: &CircuitOptions) {
        let doublings = self.openings.min(31);
        let planned = options
            .open_for
            .saturating_mul(1 << doublings)
            .min(options.max_open);
        let longer = f64::from(options.jitter_percent) / 100.0 * self.random.f64();
        self.openings = self.openings.saturating_add(1);
        self.change(Phase::Open {
            until: now + planned + planned.mul_f64(longer),
        });
    }

    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}
