//! What each fault does, which calls a rule meets, and that a plan is the same every time.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, Pattern};
use tokio::time::Instant;

use super::{Fault, FaultPlan, FaultRule, Faults};
use crate::{
    ErrorKind, Script, ScriptCall, Store,
    layer::testing::{Stub, every_call, key},
};

const KIND: ErrorKind = ErrorKind::OutOfMemory;

fn faulty(plan: &FaultPlan) -> (Arc<dyn Store>, Arc<Stub>) {
    let stub = Arc::new(Stub::default());
    let store = Faults::new(Arc::clone(&stub) as _, plan);
    (Arc::new(store), stub)
}

fn refuse() -> FaultRule {
    FaultRule::new(Fault::Refuse(KIND))
}

/// Reads `key` that often; answers which of the reads failed, counted from 1.
async fn failures(store: &Arc<dyn Store>, key: &Key, reads: u64) -> Vec<u64> {
    let mut failed = Vec::new();
    for number in 1..=reads {
        if store.get(key).await.is_err() {
            failed.push(number);
        }
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_it_says_to_every_call() {
    // The fault, whether the call is carried out, and whether the error of a write says that it may have been.
    let table = [
        (Fault::Refuse(KIND), 0, false),
        (Fault::LoseRequest(KIND), 0, true),
        (Fault::LoseAnswer(KIND), 1, true),
    ];
    for (fault, executions, claims) in table {
        for sample in every_call() {
            let plan = FaultPlan::new();
            let id = plan.add(FaultRule::new(fault));
            let (store, stub) = faulty(&plan);
            let error = sample.run(&store).await.unwrap_err();
            assert_eq!((error.kind(), error.operation()), (KIND, sample.operation));
            assert_eq!(error.may_have_applied(), claims && sample.writes());
            assert_eq!((stub.executed(), plan.executed()), (executions, executions));
            assert_eq!((plan.struck(id), plan.injected(), plan.calls()), (1, 1, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_never_ends_before_or_after_it_was_carried_out() {
    for (fault, executions) in [(Fault::Hang, 0), (Fault::HangAfter, 1)] {
        for sample in every_call() {
            let plan = FaultPlan::new();
            plan.add(FaultRule::new(fault));
            let (store, stub) = faulty(&plan);
            let day = Duration::from_secs(86_400);
            assert!(tokio::time::timeout(day, sample.run(&store)).await.is_err());
            assert_eq!(stub.executed(), executions, "{}", sample.operation);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_and_come_before_what_the_next_rule_does() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Delay(Duration::from_millis(3))));
    plan.add(FaultRule::new(Fault::Delay(Duration::from_millis(4))));
    let (store, stub) = faulty(&plan);
    let started = Instant::now();
    store.time().await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_millis(7));
    plan.add(refuse());
    store.time().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_millis(14));
    assert_eq!((stub.executed(), plan.injected()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_strikes_decides_and_later_ones_do_not_count_the_call() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::NotReady)).times(1));
    let second = plan.add(refuse().nth(1));
    let (store, _) = faulty(&plan);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        kinds.push(store.time().await.unwrap_err().kind());
    }
    assert_eq!(kinds, [ErrorKind::NotReady, KIND]);
    assert_eq!(plan.struck(second), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_meets_only_the_operations_named() {
    let plan = FaultPlan::new();
    plan.add(refuse().on("increment").on("mutating"));
    let (store, _) = faulty(&plan);
    for sample in every_call() {
        let is_named = ["increment", "mutating"].contains(&sample.operation);
        assert_eq!(
            sample.run(&store).await.is_err(),
            is_named,
            "{}",
            sample.operation
        );
    }
}

#[tokio::test(start_paused = true)]
async fn run_script_stands_for_every_script() {
    const GET: Script = Script::new("get", "");
    let plan = FaultPlan::new();
    plan.add(refuse().on("run_script"));
    let (store, _) = faulty(&plan);
    let run = ScriptCall::new(vec![key("a")], Vec::new());
    assert!(store.run_script(&GET, &[run]).await.is_err());
    assert!(store.get(&key("a")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rule_meets_only_calls_that_name_a_matching_key() {
    let plan = FaultPlan::new();
    plan.add(refuse().naming(Pattern::raw("hits:*").unwrap()));
    let (store, _) = faulty(&plan);
    assert!(store.get(&key("hits:1")).await.is_err());
    assert!(store.get(&key("other:1")).await.is_ok());
    let mixed = [key("other:1"), key("hits:1")];
    assert!(store.delete(&mixed).await.is_err());
    assert!(store.publish(&"hits:x".into(), "m".into()).await.is_err());
    assert!(store.time().await.is_ok(), "it names no key");
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_as_after_times_and_nth_say() {
    let cases: [(FaultRule, &[u64]); 4] = [
        (refuse().nth(3), &[3]),
        (refuse().times(2), &[1, 2]),
        (refuse().after(4), &[5, 6]),
        (refuse().after(1).times(3), &[2, 3, 4]),
    ];
    for (rule, expected) in cases {
        let plan = FaultPlan::new();
        plan.add(rule.clone());
        let (store, _) = faulty(&plan);
        assert_eq!(failures(&store, &key("a"), 6).await, expected, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_faults_every_time_and_another_seed_others() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let plan = FaultPlan::seeded(seed);
        plan.add(refuse().with_probability(0.25));
        let (store, _) = faulty(&plan);
        runs.push(failures(&store, &key("a"), 2_000).await);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(
        (400..600).contains(&runs[0].len()),
        "about a quarter of 2 000"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rules_draws_do_not_depend_on_the_calls_that_it_does_not_meet() {
    let mut runs = Vec::new();
    for others in [false, true] {
        let plan = FaultPlan::seeded(5);
        plan.add(refuse().on("get").with_probability(0.5));
        let (store, _) = faulty(&plan);
        let mut outcomes = Vec::new();
        for _ in 0..100 {
            if others {
                store.time().await.unwrap();
            }
            outcomes.push(store.get(&key("a")).await.is_ok());
        }
        runs.push(outcomes);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn probabilities_outside_of_the_range_are_the_nearest_in_it() {
    for (probability, expected) in [(-1.0, 0), (0.0, 0), (f64::NAN, 0), (1.0, 100), (7.0, 100)] {
        let plan = FaultPlan::new();
        plan.add(refuse().with_probability(probability));
        let (store, _) = faulty(&plan);
        let failed = failures(&store, &key("a"), 100).await.len();
        assert_eq!(failed, expected, "{probability}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_can_be_changed_while_calls_are_running() {
    let plan = FaultPlan::new();
    let hang = plan.add(FaultRule::new(Fault::Hang).times(1));
    let (store, stub) = faulty(&plan);
    let caught = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.time().await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(plan.remove(hang) && !plan.remove(hang));
    store.time().await.unwrap();
    plan.add(refuse());
    store.time().await.unwrap_err();
    plan.clear();
    store.time().await.unwrap();
    assert!(
        !caught.is_finished(),
        "what was struck already stays struck"
    );
    assert_eq!(
        (stub.executed(), plan.struck(hang), plan.injected()),
        (2, 1, 2)
    );
    caught.abort();
}

#[tokio::test(start_paused = true)]
async fn closing_passes_through_any_plan() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Hang));
    let (store, _) = faulty(&plan);
    store.close().await;
    assert_eq!(plan.calls(), 0);
}
