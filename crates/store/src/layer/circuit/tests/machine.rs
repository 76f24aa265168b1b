//! The machine alone, on a clock of the test's own.

use std::time::Duration;

use tokio::time::Instant;

use super::{SECOND, options};
use crate::{
    CircuitState,
    layer::circuit::{
        CircuitOptions,
        machine::{Admission, Machine, Pass},
        verdict::Verdict::{self, Answered, Failed, Silent},
    },
};

use self::Step::{Call, Refused, Wait};

/// One step of a scenario.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This much time passes.
    Wait(u64),
    /// A call passes and ends like this at once.
    Call(Verdict),
    /// A call is refused.
    Refused,
}

fn check(name: &str, steps: &[Step], expected: CircuitState) {
    let (options, mut machine) = (options(), Machine::new(Some(1)));
    let mut now = Instant::now();
    for (number, step) in steps.iter().enumerate() {
        let place = format!("{name}, step {number}: {step:?}");
        match step {
            Wait(seconds) => now += u32::try_from(*seconds).unwrap() * SECOND,
            Call(verdict) => {
                let Admission::Granted(pass) = machine.admit(now) else {
                    panic!("{place}: refused")
                };
                machine.settle(pass, *verdict, now, &options);
            }
            Refused => {
                let admission = machine.admit(now);
                assert!(matches!(admission, Admission::Refused { .. }), "{place}");
            }
        }
    }
    assert_eq!(machine.state(), expected, "{name}");
}

#[test]
fn it_goes_from_state_to_state_as_calls_end() {
    use CircuitState::{Closed, HalfOpen, Open};
    check("one failure", &[Call(Failed)], Closed);
    check("two in a row", &[Call(Failed), Call(Failed), Refused], Open);
    let answered_between = [Call(Failed), Call(Answered), Call(Failed)];
    check("an answer in between", &answered_between, Closed);
    let silence_between = [Call(Failed), Call(Silent), Call(Failed)];
    check("silence in between", &silence_between, Open);
    check(
        "too far apart",
        &[Call(Failed), Wait(61), Call(Failed)],
        Closed,
    );
    check(
        "just near enough",
        &[Call(Failed), Wait(60), Call(Failed)],
        Open,
    );
    let sliding = [Call(Failed), Wait(61), Call(Failed), Wait(59), Call(Failed)];
    check("the window slides", &sliding, Open);
    let opened = [Call(Failed), Call(Failed), Wait(4), Refused, Wait(1)];
    let then = |more: &[Step], expected| {
        check("after opening", &[&opened, more].concat(), expected);
    };
    then(&[], Open);
    then(&[Call(Answered)], Closed);
    then(&[Call(Silent)], HalfOpen);
    then(&[Call(Silent), Call(Answered)], Closed);
    then(&[Call(Failed), Wait(9), Refused], Open);
    then(
        &[Call(Failed), Wait(10), Call(Failed), Wait(19), Refused],
        Open,
    );
    let at_its_longest = [
        Call(Failed),
        Wait(10),
        Call(Failed),
        Wait(20),
        Call(Failed),
        Wait(19),
        Refused,
        Wait(1),
        Call(Answered),
    ];
    then(&at_its_longest, Closed);
    let closed_starts_anew = [
        Call(Failed),
        Wait(10),
        Call(Answered),
        Call(Failed),
        Call(Failed),
        Wait(5),
        Call(Answered),
    ];
    then(&closed_starts_anew, Closed);
}

#[test]
fn calls_of_an_earlier_state_tell_nothing() {
    let (options, mut machine) = (options(), Machine::new(Some(1)));
    let mut now = Instant::now();
    let pass = |machine: &mut Machine, now| match machine.admit(now) {
        Admission::Granted(pass) => pass,
        Admission::Refused { .. } => panic!("refused"),
    };
    let late: Vec<Pass> = (0..10).map(|_| pass(&mut machine, now)).collect();
    machine.settle(late[0], Failed, now, &options);
    machine.settle(late[1], Failed, now, &options);
    assert_eq!(machine.state(), CircuitState::Open);
    machine.settle(late[2], Answered, now, &options);
    assert_eq!(machine.state(), CircuitState::Open, "it began before");
    now += 5 * SECOND;
    let probe = pass(&mut machine, now);
    assert!(probe.is_probe);
    machine.settle(late[3], Failed, now, &options);
    machine.settle(late[4], Answered, now, &options);
    assert_eq!(
        machine.state(),
        CircuitState::HalfOpen,
        "only the probe counts"
    );
    machine.settle(probe, Answered, now, &options);
    for &pass in &late[5..] {
        machine.settle(pass, Failed, now, &options);
    }
    assert_eq!(
        machine.state(),
        CircuitState::Closed,
        "failures of the last outage"
    );
}

/// What must hold, in words of its own: no state machine, only the history.
#[derive(Default)]
struct History {
    /// Ends of calls since the last change, with the moment of each.
    ends: Vec<(Verdict, Duration)>,
    is_probing: bool,
    opened_at: Duration,
    openings: u32,
}

impl History {
    fn run_of_failures(&self, now: Duration) -> usize {
        let telling = self
            .ends
            .iter()
            .rev()
            .filter(|(verdict, _)| *verdict != Silent);
        let run = telling.take_while(|(verdict, _)| *verdict == Failed);
        run.filter(|(_, at)| now - *at <= 60 * SECOND).count()
    }

    /// How long it stays open since it last opened.
    fn open_for(&self) -> Duration {
        match self.openings {
            0 => Duration::ZERO,
            1 => 5 * SECOND,
            2 => 10 * SECOND,
            _ => 20 * SECOND,
        }
    }
}

fn expect_settled(history: &mut History, before: CircuitState, now: Duration) -> CircuitState {
    let last = history.ends.last().map(|(verdict, _)| *verdict);
    let opens = match before {
        CircuitState::Closed => history.run_of_failures(now) >= 2,
        _ => last == Some(Failed),
    };
    if opens {
        history.openings += 1;
        history.opened_at = now;
        history.ends.clear();
        return CircuitState::Open;
    }
    if before == CircuitState::HalfOpen && last == Some(Answered) {
        history.openings = 0;
        history.ends.clear();
        return CircuitState::Closed;
    }
    before
}

fn follows_its_history(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (options, mut machine) = (options(), Machine::new(Some(seed)));
    let start = Instant::now();
    let mut now = Duration::ZERO;
    let mut history = History::default();
    let mut under_way: Vec<(Pass, u64)> = Vec::new();
    let mut changes = 0;
    for _ in 0..400 {
        let before = machine.state();
        match random.u8(0..10) {
            0 | 1 => now += SECOND * random.u32(0..8),
            2..=5 => {
                let time_is_up = now >= history.opened_at + history.open_for();
                let expected = match before {
                    CircuitState::Closed => Some(false),
                    CircuitState::Open => time_is_up.then_some(true),
                    CircuitState::HalfOpen => (!history.is_probing).then_some(true),
                };
                let admitted = match machine.admit(start + now) {
                    Admission::Granted(pass) => Some(pass),
                    Admission::Refused { .. } => None,
                };
                assert_eq!(admitted.map(|pass| pass.is_probe), expected, "seed {seed}");
                if before == CircuitState::Open && admitted.is_some() {
                    changes += 1;
                    history.ends.clear();
                    assert_eq!(machine.state(), CircuitState::HalfOpen);
                }
                if let Some(pass) = admitted {
                    history.is_probing |= pass.is_probe;
                    under_way.push((pass, changes));
                }
            }
            _ if under_way.is_empty() => {}
            _ => {
                let (pass, began) = under_way.swap_remove(random.usize(..under_way.len()));
                let verdict = [Answered, Failed, Silent, Failed][random.usize(..4)];
                machine.settle(pass, verdict, start + now, &options);
                if began != changes {
                    assert_eq!(machine.state(), before, "seed {seed}: it began before");
                    continue;
                }
                history.is_probing = false;
                history.ends.push((verdict, now));
                let expected = expect_settled(&mut history, before, now);
                assert_eq!(machine.state(), expected, "seed {seed}");
                changes += u64::from(expected != before);
            }
        }
    }
    assert!(changes > 3, "seed {seed} changes nothing");
}

#[test]
fn it_follows_its_history_whatever_the_calls() {
    for seed in 0..500 {
        follows_its_history(seed);
    }
}

#[test]
fn it_stays_open_longer_by_no_more_than_the_jitter() {
    let open = |percent, seed| {
        let options: CircuitOptions = options().with_jitter(percent);
        let mut machine = Machine::new(Some(seed));
        let now = Instant::now();
        for _ in 0..2 {
            let Admission::Granted(pass) = machine.admit(now) else {
                panic!("refused")
            };
            machine.settle(pass, Failed, now, &options);
        }
        match machine.admit(now) {
            Admission::Refused { wait } => wait,
            Admission::Granted(_) => panic!("granted"),
        }
    };
    let waits: Vec<Duration> = (0..200).map(|seed| open(50, seed)).collect();
    let range = 5 * SECOND..=7 * SECOND + SECOND / 2;
    assert!(waits.iter().all(|wait| range.contains(wait)));
    assert!(waits.iter().max() > waits.iter().min());
    assert_eq!(open(0, 1), 5 * SECOND);
    assert_eq!(open(50, 1), open(50, 1));
}
