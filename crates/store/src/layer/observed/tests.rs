//! What is reported of calls.

use std::{sync::Arc, time::Duration};

use super::Observed;
use crate::{
    CallOutcome, ErrorKind, Fault, FaultPlan, FaultRule, LayerExt, Observers, Store,
    layer::testing::{Recorder, Seen, Stub, every_call, key},
};

fn observed(plan: &FaultPlan) -> (Arc<dyn Store>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let observers = Observers::none().with(Arc::clone(&recorder) as _);
    let store = Observed::new(Stub::default().with_faults(plan), observers);
    (Arc::new(store), recorder)
}

#[tokio::test(start_paused = true)]
async fn every_call_is_reported_once_with_its_batch_its_end_and_its_time() {
    let pause = Duration::from_millis(7);
    for (fault, outcome) in [
        (None, CallOutcome::Completed),
        (
            Some(Fault::LoseAnswer(ErrorKind::OutOfMemory)),
            CallOutcome::Failed(ErrorKind::OutOfMemory),
        ),
    ] {
        let plan = FaultPlan::new();
        plan.add(FaultRule::new(Fault::Delay(pause)));
        fault.map(|fault| plan.add(FaultRule::new(fault)));
        let (store, recorder) = observed(&plan);
        for sample in every_call() {
            assert_eq!(sample.run(&store).await.is_err(), fault.is_some());
            assert_eq!(
                recorder.take(),
                [Seen::Call(sample.operation, sample.batch, outcome, pause)]
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_reported_as_dropped() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Hang));
    let (store, recorder) = observed(&plan);
    let patience = Duration::from_millis(3);
    for sample in every_call() {
        let call = tokio::time::timeout(patience, sample.run(&store));
        assert!(call.await.is_err());
        let seen = Seen::Call(
            sample.operation,
            sample.batch,
            CallOutcome::Dropped,
            patience,
        );
        assert_eq!(recorder.take(), [seen]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_is_not_one() {
    let (store, recorder) = observed(&FaultPlan::new());
    drop(store.time());
    assert_eq!(recorder.take(), []);
}

#[tokio::test(start_paused = true)]
async fn closing_is_reported_and_asking_for_capabilities_is_not() {
    let (store, recorder) = observed(&FaultPlan::new());
    store.capabilities();
    store.close().await;
    let seen = Seen::Call("close", 1, CallOutcome::Completed, Duration::ZERO);
    assert_eq!(recorder.take(), [seen]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_a_call_of_nothing() {
    let (store, recorder) = observed(&FaultPlan::new());
    store.get_many(&[]).await.unwrap();
    store.get_many(&[key("a"), key("a")]).await.unwrap();
    let seen = |batch| Seen::Call("get_many", batch, CallOutcome::Completed, Duration::ZERO);
    assert_eq!(recorder.take(), [seen(0), seen(2)]);
}
