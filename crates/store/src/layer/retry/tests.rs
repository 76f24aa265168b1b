//! What is repeated, how soon and how often; above all what is never repeated.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Retry, RetryOptions, backoff::Backoff, budget::Budget, may_repeat};
use crate::{
    Error, ErrorKind, Fault, FaultPlan, FaultRule, Faults, Observers, ScriptEffect, Store,
    layer::testing::{Recorder, Sample, Seen, Stub, every_call, key},
};

const MS: Duration = Duration::from_millis(1);

struct Bench {
    store: Arc<dyn Store>,
    stub: Arc<Stub>,
    plan: FaultPlan,
    recorder: Arc<Recorder>,
}

/// A store that repeats, around faults, around one that answers everything.
fn bench(options: RetryOptions, seed: u64) -> Bench {
    let (stub, recorder) = (Arc::new(Stub::default()), Arc::new(Recorder::default()));
    let plan = FaultPlan::seeded(seed);
    let observers = Observers::none().with(Arc::clone(&recorder) as _);
    let faulty = Arc::new(Faults::new(Arc::clone(&stub) as _, &plan));
    let options = options.with_seed(seed).with_observers(observers);
    Bench {
        store: Arc::new(Retry::new(faulty, options).unwrap()),
        stub,
        plan,
        recorder,
    }
}

fn failing(fault: Fault) -> Bench {
    let bench = bench(RetryOptions::new(), 1);
    bench.plan.add(FaultRule::new(fault));
    bench
}

#[test]
fn only_passing_failures_are_repeated_and_mutations_only_if_nothing_was_done() {
    let effects = [
        ScriptEffect::ReadOnly,
        ScriptEffect::Idempotent,
        ScriptEffect::Mutates,
    ];
    let repeated = [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::NotReady,
        ErrorKind::ReadOnly,
    ];
    let others = [
        ErrorKind::Overloaded,
        ErrorKind::OutOfMemory,
        ErrorKind::WritesRefused,
        ErrorKind::Closed,
        ErrorKind::WrongType,
        ErrorKind::InvalidInput,
        ErrorKind::CrossSlot,
        ErrorKind::Unauthenticated,
        ErrorKind::PermissionDenied,
        ErrorKind::Unexpected,
    ];
    for effect in effects {
        for may_have_applied in [false, true] {
            let error = |kind| Error::new(kind, "x").with_may_have_applied(may_have_applied);
            let is_safe = effect != ScriptEffect::Mutates || !may_have_applied;
            for kind in repeated {
                assert_eq!(may_repeat(effect, &error(kind)), is_safe, "{kind:?}");
            }
            for kind in others {
                assert!(!may_repeat(effect, &error(kind)), "{kind:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_lost_is_repeated_only_if_that_does_no_harm() {
    for fault in [
        Fault::LoseAnswer(ErrorKind::Timeout),
        Fault::LoseRequest(ErrorKind::Unavailable),
    ] {
        for sample in every_call() {
            let bench = failing(fault);
            let error = sample.run(&bench.store).await.unwrap_err();
            let attempts = match sample.effect {
                ScriptEffect::Mutates => 1,
                ScriptEffect::Idempotent | ScriptEffect::ReadOnly => 3,
            };
            assert_eq!(bench.plan.calls(), attempts, "{}", sample.operation);
            assert_eq!(error.may_have_applied(), sample.writes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_certainly_not_carried_out_is_repeated_whatever_it_does() {
    for sample in every_call() {
        let bench = bench(RetryOptions::new(), 1);
        let refusal = FaultRule::new(Fault::Refuse(ErrorKind::NotReady)).times(2);
        bench.plan.add(refusal);
        sample.run(&bench.store).await.unwrap();
        assert_eq!((bench.plan.calls(), bench.stub.executed()), (3, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn deletes_are_repeated_after_a_lost_answer_only_if_wanted() {
    for (options, attempts) in [
        (RetryOptions::new(), 1),
        (RetryOptions::new().with_repeated_deletes(), 3),
    ] {
        let bench = bench(options, 1);
        bench
            .plan
            .add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout)));
        let error = bench.store.delete(&[key("a")]).await.unwrap_err();
        assert!(error.may_have_applied());
        assert_eq!(bench.stub.executed(), attempts);
    }
}

/// Runs `sample` under random faults, and checks what no sequence of faults may break.
async fn keeps_its_promises(sample: Sample, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let options = RetryOptions::new().with_attempts(random.u32(1..=10));
    let bench = bench(options.with_deadline(Duration::from_secs(5)), seed);
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::NotReady,
        ErrorKind::ReadOnly,
        ErrorKind::OutOfMemory,
    ];
    for _ in 0..4 {
        let kind = kinds[random.usize(..kinds.len())];
        let fault = match random.u8(0..8) {
            0 => Fault::HangAfter,
            1 => Fault::Hang,
            2 | 3 => Fault::LoseAnswer(kind),
            4 | 5 => Fault::LoseRequest(kind),
            _ => Fault::Refuse(kind),
        };
        bench.plan.add(FaultRule::new(fault).with_probability(0.3));
    }
    let answer = sample.run(&bench.store).await;
    let executed = bench.stub.executed();
    let context = format!("{} with seed {seed}", sample.operation);
    if sample.effect == ScriptEffect::Mutates {
        assert!(executed <= 1, "{context}: carried out {executed} times");
    }
    match answer {
        Ok(()) => assert!(
            executed >= 1,
            "{context}: answered without being carried out"
        ),
        Err(error) if sample.writes() && !error.may_have_applied() => {
            assert_eq!(executed, 0, "{context}: {error}");
        }
        Err(error) => assert_eq!(error.may_have_applied(), sample.writes(), "{context}"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_sequence_of_faults_carries_a_mutation_out_twice_or_makes_an_error_lie() {
    for sample in every_call() {
        for seed in 0..300 {
            keeps_its_promises(sample, seed).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_error_owns_up_to_what_an_earlier_attempt_may_have_done() {
    let bench = bench(RetryOptions::new(), 1);
    bench
        .plan
        .add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout)).times(1));
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::OutOfMemory)));
    let mut samples = every_call().into_iter();
    let sample = samples.find(|sample| sample.effect == ScriptEffect::Idempotent);
    let error = sample.unwrap().run(&bench.store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.may_have_applied());
    assert_eq!(bench.stub.executed(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_repetition_is_reported_and_its_pause_taken() {
    let bench = failing(Fault::Refuse(ErrorKind::Unavailable));
    let started = Instant::now();
    bench.store.time().await.unwrap_err();
    let seen = bench.recorder.take();
    let [
        Seen::Retry("time", 1, first, kind),
        Seen::Retry("time", 2, second, _),
    ] = seen[..]
    else {
        panic!("two repetitions: {seen:?}")
    };
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(first <= 10 * MS && second <= 20 * MS, "{seen:?}");
    // Tokio's clock goes in steps of a millisecond.
    let taken = started.elapsed();
    assert!(
        taken >= first + second && taken <= first + second + 2 * MS,
        "{taken:?}"
    );
}

#[test]
fn pauses_are_drawn_evenly_below_a_limit_that_doubles_up_to_the_longest() {
    let backoff = Backoff::new(10 * MS, 100 * MS, Some(3));
    let limits = [10, 20, 40, 80, 100, 100];
    for (number, limit) in (1..).zip(limits) {
        assert_eq!(backoff.limit(number), limit * MS);
        let draws: Vec<Duration> = (0..1_000).map(|_| backoff.pause(number)).collect();
        let count = |range: std::ops::Range<u32>| {
            let inside = |pause: &&Duration| {
                (range.start * limit * MS / 4..=range.end * limit * MS / 4).contains(*pause)
            };
            draws.iter().filter(inside).count()
        };
        assert_eq!(count(0..4), 1_000);
        for quarter in 0..4 {
            assert!(
                (200..300).contains(&count(quarter..quarter + 1)),
                "a quarter each"
            );
        }
    }
    assert_eq!(backoff.limit(u32::MAX), 100 * MS);
}

#[test]
fn the_same_seed_gives_the_same_pauses() {
    let draw = |seed| {
        let backoff = Backoff::new(10 * MS, 100 * MS, Some(seed));
        (1..10)
            .map(|number| backoff.pause(number))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn a_budget_pays_for_its_share_and_its_reserve_in_any_stretch_of_calls() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let (percent, reserve) = (random.u32(0..=100), random.u32(0..=20));
        let budget = Budget::new(percent, reserve);
        // For each stretch that ends now, what it has deposited less what it has paid; the least of them.
        let mut balance_of_worst_stretch = 0_i64;
        for _ in 0..500 {
            budget.deposit();
            balance_of_worst_stretch += i64::from(percent);
            for _ in 0..random.u32(0..4) {
                if budget.withdraw() {
                    balance_of_worst_stretch -= 100;
                }
            }
            balance_of_worst_stretch = balance_of_worst_stretch.min(0);
            let beyond_the_share = -balance_of_worst_stretch;
            assert!(
                beyond_the_share <= 100 * i64::from(reserve.max(1)),
                "{percent} % {reserve}"
            );
        }
    }
}

#[test]
fn a_budget_starts_with_its_reserve_and_fills_by_its_share_up_to_it() {
    let budget = Budget::new(25, 2);
    let withdrawals = |budget: &Budget| (0..10).filter(|_| budget.withdraw()).count();
    assert_eq!(withdrawals(&budget), 2);
    for _ in 0..3 {
        budget.deposit();
    }
    assert_eq!(withdrawals(&budget), 0, "three quarters are not one");
    budget.deposit();
    assert_eq!(withdrawals(&budget), 1);
    for _ in 0..1_000 {
        budget.deposit();
    }
    assert_eq!(withdrawals(&budget), 2, "it holds no more than its reserve");
}

#[test]
fn a_budget_of_nothing_pays_nothing_and_one_without_a_reserve_saves_up() {
    let nothing = Budget::new(0, 0);
    let no_reserve = Budget::new(50, 0);
    for _ in 0..2 {
        nothing.deposit();
        assert!(!no_reserve.withdraw());
        no_reserve.deposit();
    }
    assert!(!nothing.withdraw());
    assert!(no_reserve.withdraw() && !no_reserve.withdraw());
}

#[tokio::test(start_paused = true)]
async fn an_outage_makes_the_load_a_fifth_larger_and_not_three_times_as_large() {
    let options = RetryOptions::new().with_budget(20, 10);
    let bench = bench(options, 1);
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let calls = (0..1_000).map(|_| {
        let store = Arc::clone(&bench.store);
        tokio::spawn(async move { store.time().await.unwrap_err() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let attempts = bench.plan.calls();
    assert!((1_190..=1_210).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_budget() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let faulty = Faults::new(Arc::new(Stub::default()), &plan);
    let options = RetryOptions::new().with_budget(0, 1);
    let first = Retry::new(Arc::new(faulty), options).unwrap();
    let second = first.clone();
    first.time().await.unwrap_err();
    assert_eq!(plan.calls(), 2);
    second.time().await.unwrap_err();
    assert_eq!(plan.calls(), 3, "nothing was left for the clone");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_given_up_at_the_deadline_of_the_call_and_not_repeated() {
    for (fault, executions) in [(Fault::Hang, 0), (Fault::HangAfter, 1)] {
        for sample in every_call() {
            let bench = bench(RetryOptions::new().with_deadline(50 * MS), 1);
            bench.plan.add(FaultRule::new(fault));
            let started = Instant::now();
            let error = sample.run(&bench.store).await.unwrap_err();
            assert_eq!(started.elapsed(), 50 * MS);
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert_eq!(error.may_have_applied(), sample.writes());
            assert_eq!((bench.plan.calls(), bench.stub.executed()), (1, executions));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_not_end_before_the_deadline_is_not_begun() {
    let pauses = (Duration::from_secs(60), Duration::from_secs(60));
    let options = RetryOptions::new()
        .with_pauses(pauses.0, pauses.1)
        .with_deadline(MS);
    let bench = bench(options, 1);
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let started = Instant::now();
    let error = bench.store.time().await.unwrap_err();
    assert_eq!(
        (error.kind(), started.elapsed()),
        (ErrorKind::Unavailable, Duration::ZERO)
    );
    assert_eq!(bench.recorder.take(), []);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_its_pause_makes_no_further_attempt() {
    let options =
        RetryOptions::new().with_pauses(Duration::from_secs(3_600), Duration::from_secs(3_600));
    let bench = bench(options, 1);
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    assert!(tokio::time::timeout(MS, bench.store.time()).await.is_err());
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(bench.plan.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_repeats_nothing() {
    let bench = bench(RetryOptions::new().with_attempts(1), 1);
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    bench.store.time().await.unwrap_err();
    assert_eq!(bench.plan.calls(), 1);
}

#[test]
fn options_outside_of_their_range_are_refused() {
    let hours = Duration::from_secs(7_200);
    for options in [
        RetryOptions::new().with_attempts(0),
        RetryOptions::new().with_attempts(11),
        RetryOptions::new().with_pauses(Duration::ZERO, MS),
        RetryOptions::new().with_pauses(2 * MS, MS),
        RetryOptions::new().with_pauses(MS, hours),
        RetryOptions::new().with_deadline(Duration::ZERO),
        RetryOptions::new().with_deadline(hours),
        RetryOptions::new().with_budget(101, 0),
        RetryOptions::new().with_budget(0, 1_000_001),
    ] {
        let error = Retry::new(Arc::new(Stub::default()), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}
