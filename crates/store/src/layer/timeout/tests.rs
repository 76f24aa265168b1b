//! Deadlines by kind of call, and what a late call says.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Timeout, TimeoutOptions};
use crate::{
    ErrorKind, Fault, FaultPlan, FaultRule, LayerExt, Store,
    layer::testing::{Stub, every_call, key},
};

const READ: Duration = Duration::from_millis(10);
const WRITE: Duration = Duration::from_millis(20);
const SCRIPT: Duration = Duration::from_millis(30);

fn limits() -> TimeoutOptions {
    TimeoutOptions::default()
        .with_read(READ)
        .with_write(WRITE)
        .with_script(SCRIPT)
}

fn around_a_fault(fault: Fault, options: TimeoutOptions) -> Arc<dyn Store> {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(fault));
    let store = Stub::default().with_faults(&plan);
    Arc::new(Timeout::new(store, options).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_at_the_deadline_of_its_kind_and_owns_up_to_what_it_may_have_done() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let store = around_a_fault(fault, limits());
        for sample in every_call() {
            let limit = match sample.operation {
                "reading" | "idempotent" | "mutating" => SCRIPT,
                _ if sample.writes() => WRITE,
                _ => READ,
            };
            let started = Instant::now();
            let error = sample.run(&store).await.unwrap_err();
            assert_eq!(started.elapsed(), limit, "{}", sample.operation);
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert_eq!(error.operation(), sample.operation);
            assert_eq!(error.may_have_applied(), sample.writes(), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_in_time_has_its_answer() {
    let store = around_a_fault(Fault::Delay(READ - Duration::from_millis(1)), limits());
    for sample in every_call() {
        sample.run(&store).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_call_takes_as_long_as_it_likes() {
    let day = Duration::from_secs(86_400);
    let store = around_a_fault(Fault::Delay(day), TimeoutOptions::default());
    for sample in every_call() {
        let started = Instant::now();
        sample.run(&store).await.unwrap();
        assert_eq!(started.elapsed(), day, "{}", sample.operation);
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_names_the_key_and_the_limit() {
    let store = around_a_fault(Fault::Hang, limits());
    let error = store.delete(&[key("a")]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "delete: deadline exceeded: no answer within 20ms (key \"a\") (the change may have been applied)"
    );
}

#[test]
fn a_deadline_of_nothing_or_of_days_is_refused() {
    for limit in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        for options in [
            TimeoutOptions::default().with_read(limit),
            TimeoutOptions::default().with_write(limit),
            TimeoutOptions::default().with_script(limit),
        ] {
            let error = Timeout::new(Arc::new(Stub::default()), options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        }
    }
    for limit in [Duration::from_millis(1), Duration::from_secs(3_600)] {
        Timeout::new(Arc::new(Stub::default()), TimeoutOptions::all(limit)).unwrap();
    }
}
