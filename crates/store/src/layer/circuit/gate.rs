//! The machine where many callers ask it: a word to read while all is well, a lock for everything else.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    machine::{Admission, Machine, Pass},
    options::CircuitOptions,
    verdict::Verdict,
};
use crate::{CircuitState, Error, ErrorKind, Event, Observer, Result, layer::call::Call};

/// Lets calls through, or not.
#[derive(Debug)]
pub(super) struct Gate {
    options: CircuitOptions,
    machine: Mutex<Machine>,
    /// What the machine showed when its lock was last given back.
    shown: AtomicU64,
}

/// The machine in one word: its state in two bits, a bit for clean, and the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown(u64);

impl Shown {
    const CLEAN: u64 = 0b100;

    fn of(machine: &Machine) -> Self {
        let state = match machine.state() {
            CircuitState::Closed => 0,
            CircuitState::Open => 1,
            CircuitState::HalfOpen => 2,
        };
        let clean = if machine.is_clean() { Self::CLEAN } else { 0 };
        Self(machine.generation() << 3 | clean | state)
    }

    fn state(self) -> CircuitState {
        match self.0 & 0b11 {
            0 => CircuitState::Closed,
            1 => CircuitState::Open,
            _ => CircuitState::HalfOpen,
        }
    }

    fn is_clean(self) -> bool {
        self.0 & Self::CLEAN != 0
    }

    fn generation(self) -> u64 {
        self.0 >> 3
    }
}

impl Gate {
    pub(super) fn new(options: CircuitOptions) -> Self {
        let machine = Machine::new(options.seed);
        Self {
            options,
            shown: AtomicU64::new(Shown::of(&machine).0),
            machine: Mutex::new(machine),
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        self.shown().state()
    }

    /// Lets a call through, or refuses it.
    pub(super) fn enter(&self, call: &Call<'_>) -> Result<Permit<'_>> {
        let shown = self.shown();
        let admission = if shown.is_clean() {
            Admission::Granted(Pass {
                generation: shown.generation(),
                is_probe: false,
            })
        } else {
            self.with_machine(|machine| machine.admit(Instant::now()))
        };
        match admission {
            Admission::Granted(pass) => Ok(Permit {
                gate: self,
                pass,
                verdict: Verdict::Silent,
            }),
            Admission::Refused { wait } => {
                let detail = if wait.is_zero() {
                    "the circuit is half-open, and a probe is under way".to_owned()
                } else {
                    format!("the circuit is open for another {wait:?}")
                };
                Err(Error::new(ErrorKind::Overloaded, call.operation).with_detail(detail))
            }
        }
    }

    fn settle(&self, pass: Pass, verdict: Verdict) {
        let changes_nothing = match verdict {
            Verdict::Answered => self.shown().is_clean(),
            Verdict::Failed => false,
            Verdict::Silent => !pass.is_probe,
        };
        if !changes_nothing {
            self.with_machine(|machine| {
                machine.settle(pass, verdict, Instant::now(), &self.options);
            });
        }
    }

    fn shown(&self) -> Shown {
        Shown(self.shown.load(Ordering::Acquire))
    }

    /// Asks the machine, and tells of a change. Under its lock, so that changes are heard of in their order.
    fn with_machine<T>(&self, ask: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        let before = machine.generation();
        let answer = ask(&mut machine);
        self.shown.store(Shown::of(&machine).0, Ordering::Release);
        if machine.generation() != before {
            let state = machine.state();
            self.options.observers.observe(&Event::Circuit { state });
        }
        answer
    }
}

/// A call that was let through. Dropped without a verdict it says nothing, and frees the place of a probe.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    pass: Pass,
    verdict: Verdict,
}

impl Permit<'_> {
    pub(super) fn end(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.gate.settle(self.pass, self.verdict);
    }
}
