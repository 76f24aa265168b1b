//! When the circuit opens, for how long, and who may probe.

mod machine;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{CircuitBreaker, CircuitOptions, verdict::Verdict};
use crate::{
    CircuitState, ErrorKind, Fault, FaultId, FaultPlan, FaultRule, Faults, Observers, Store,
    SubscribeRequest,
    layer::testing::{Recorder, Seen, Stub, every_call},
};

const SECOND: Duration = Duration::from_secs(1);

/// Two failures within a minute open it, for 5 s at first and 20 s at most.
fn options() -> CircuitOptions {
    CircuitOptions::new()
        .with_failures(2, 60 * SECOND)
        .with_open_times(5 * SECOND, 20 * SECOND)
        .with_jitter(0)
}

struct Bench {
    breaker: CircuitBreaker,
    store: Arc<dyn Store>,
    stub: Arc<Stub>,
    plan: FaultPlan,
    recorder: Arc<Recorder>,
}

fn bench() -> Bench {
    let (stub, recorder) = (Arc::new(Stub::default()), Arc::new(Recorder::default()));
    let plan = FaultPlan::new();
    let observers = Observers::none().with(Arc::clone(&recorder) as _);
    let faulty = Arc::new(Faults::new(Arc::clone(&stub) as _, &plan));
    let breaker = CircuitBreaker::new(faulty, options().with_observers(observers)).unwrap();
    Bench {
        store: Arc::new(breaker.clone()),
        breaker,
        stub,
        plan,
        recorder,
    }
}

impl Bench {
    fn refuse_all(&self) -> FaultId {
        self.plan
            .add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)))
    }

    /// Opens the circuit by failures, and mends the store.
    async fn open(&self) {
        let rule = self.refuse_all();
        for _ in 0..2 {
            self.store.time().await.unwrap_err();
        }
        assert_eq!(self.breaker.state(), CircuitState::Open);
        self.plan.remove(rule);
    }

    async fn assert_refused(&self) {
        let before = self.plan.calls();
        let error = self.store.time().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (ErrorKind::Overloaded, false)
        );
        assert_eq!(self.plan.calls(), before, "nothing reaches the store");
    }
}

#[test]
fn only_errors_of_a_server_that_serves_no_one_are_failures() {
    use ErrorKind as Kind;
    let table = [
        (
            Verdict::Failed,
            &[Kind::Unavailable, Kind::Timeout, Kind::NotReady][..],
        ),
        (
            Verdict::Answered,
            &[
                Kind::WrongType,
                Kind::Unauthenticated,
                Kind::PermissionDenied,
                Kind::ReadOnly,
                Kind::WritesRefused,
                Kind::OutOfMemory,
            ],
        ),
        (
            Verdict::Silent,
            &[
                Kind::InvalidInput,
                Kind::TooLarge,
                Kind::Overloaded,
                Kind::CrossSlot,
                Kind::Closed,
                Kind::Unsupported,
                Kind::Unexpected,
            ],
        ),
    ];
    for (verdict, kinds) in table {
        for &kind in kinds {
            assert_eq!(Verdict::of_kind(kind), verdict, "{kind:?}");
        }
    }
    assert_eq!(Verdict::of(&Ok(())), Verdict::Answered);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_every_call_at_once_except_to_subscribe() {
    for sample in every_call() {
        let bench = bench();
        bench.open().await;
        let executed = bench.stub.executed();
        let passes = sample.operation == "subscribe";
        match sample.run(&bench.store).await {
            Ok(()) => assert!(passes, "{}", sample.operation),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Overloaded);
                assert_eq!(error.operation(), sample.operation);
                assert!(!error.may_have_applied() && !passes, "{error}");
            }
        }
        assert_eq!(bench.stub.executed(), executed + u64::from(passes));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_open_it_a_probe_closes_it_and_every_change_is_told() {
    let bench = bench();
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
    bench.open().await;
    let error = bench.store.time().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "time: overloaded: the circuit is open for another 5s"
    );
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(
        bench.breaker.state(),
        CircuitState::Open,
        "until a call comes"
    );
    bench.store.time().await.unwrap();
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
    let seen = [
        CircuitState::Open,
        CircuitState::HalfOpen,
        CircuitState::Closed,
    ];
    assert_eq!(bench.recorder.take(), seen.map(Seen::Circuit));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_starts_the_count_anew() {
    let bench = bench();
    for _ in 0..10 {
        let rule = bench.refuse_all();
        bench.store.time().await.unwrap_err();
        bench.plan.remove(rule);
        bench.store.time().await.unwrap();
    }
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
    bench.open().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_server_is_an_answer() {
    let bench = bench();
    let kinds = [
        ErrorKind::Unavailable,
        ErrorKind::WrongType,
        ErrorKind::Unavailable,
    ];
    for kind in kinds {
        bench.plan.add(FaultRule::new(Fault::Refuse(kind)).times(1));
    }
    for kind in kinds {
        assert_eq!(bench.store.time().await.unwrap_err().kind(), kind);
    }
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn exactly_one_of_many_calls_is_the_probe() {
    let bench = bench();
    bench.open().await;
    tokio::time::sleep(5 * SECOND).await;
    bench.plan.add(FaultRule::new(Fault::Delay(SECOND)));
    let before = bench.plan.calls();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { store.time().await.map(drop) })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => answered += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Overloaded),
        }
    }
    assert_eq!((answered, bench.plan.calls() - before), (1, 1));
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

/// Real threads race for the place of the probe; time is real, and short.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_many_calls_on_many_threads_is_the_probe() {
    for _ in 0..20 {
        let plan = FaultPlan::new();
        let down = plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
        let faulty = Faults::new(Arc::new(Stub::default()), &plan);
        let millisecond = Duration::from_millis(1);
        let options = options()
            .with_failures(1, SECOND)
            .with_open_times(millisecond, millisecond);
        let store = Arc::new(CircuitBreaker::new(Arc::new(faulty), options).unwrap());
        store.time().await.unwrap_err();
        plan.remove(down);
        plan.add(FaultRule::new(Fault::Hang));
        tokio::time::sleep(2 * millisecond).await;
        let before = plan.calls();
        let mut calls = JoinSet::new();
        for _ in 0..64 {
            let store = Arc::clone(&store);
            calls.spawn(async move { store.time().await.map(drop) });
        }
        // The probe hangs, and all others have their answer.
        for _ in 1..64 {
            let ended = tokio::time::timeout(Duration::from_secs(30), calls.join_next());
            let refused = ended.await.expect("only one hangs").unwrap().unwrap();
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Overloaded);
        }
        assert_eq!((calls.len(), plan.calls() - before), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_place_to_the_next_call() {
    let bench = bench();
    bench.open().await;
    tokio::time::sleep(5 * SECOND).await;
    let hang = bench.plan.add(FaultRule::new(Fault::Hang));
    for _ in 0..3 {
        let probe = tokio::spawn({
            let store = Arc::clone(&bench.store);
            async move { store.time().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(bench.breaker.state(), CircuitState::HalfOpen);
        bench.assert_refused().await;
        probe.abort();
        probe.await.unwrap_err();
    }
    bench.plan.remove(hang);
    bench.store.time().await.unwrap();
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_leaves_its_place_to_the_next_call() {
    #[derive(Debug)]
    struct Panicking;
    impl crate::Observer for Panicking {
        fn observe(&self, event: &crate::Event<'_>) {
            if let crate::Event::Call { .. } = event {
                panic!("an observer must not, but may");
            }
        }
    }
    let bench = bench();
    bench.open().await;
    tokio::time::sleep(5 * SECOND).await;
    let observers = Observers::none().with(Arc::new(Panicking));
    let inner = Arc::new(crate::Observed::new(Arc::new(Stub::default()), observers));
    let panicking = CircuitBreaker {
        inner,
        gate: Arc::clone(&bench.breaker.gate),
    };
    let panicked = tokio::spawn(async move { panicking.time().await.map(drop) });
    assert!(panicked.await.unwrap_err().is_panic());
    bench.store.time().await.unwrap();
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_reached_the_server_leaves_its_place_to_the_next_call() {
    let bench = bench();
    bench.open().await;
    tokio::time::sleep(5 * SECOND).await;
    bench
        .plan
        .add(FaultRule::new(Fault::Refuse(ErrorKind::TooLarge)).times(1));
    let error = bench.store.time().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(bench.breaker.state(), CircuitState::HalfOpen);
    bench.store.time().await.unwrap();
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_limit() {
    let bench = bench();
    bench.open().await;
    bench.refuse_all();
    for seconds in [5, 10, 20, 20] {
        tokio::time::sleep(seconds * SECOND - Duration::from_millis(1)).await;
        bench.assert_refused().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let error = bench.store.time().await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unavailable,
            "the probe of {seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn empty_batches_and_dropped_calls_say_nothing() {
    let bench = bench();
    bench.open().await;
    assert!(bench.store.get_many(&[]).await.unwrap().is_empty());
    tokio::time::sleep(5 * SECOND).await;
    assert!(bench.store.get_many(&[]).await.unwrap().is_empty());
    assert_eq!(bench.breaker.state(), CircuitState::Open, "it was no probe");
    bench.store.time().await.unwrap();
    bench.plan.add(FaultRule::new(Fault::Hang));
    for _ in 0..10 {
        let call = tokio::time::timeout(SECOND, bench.store.time());
        assert!(call.await.is_err());
    }
    assert_eq!(bench.breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn closing_and_subscribing_pass_and_count_nothing() {
    let bench = bench();
    bench.open().await;
    bench.store.close().await;
    tokio::time::sleep(5 * SECOND).await;
    let request = SubscribeRequest::channel("a");
    bench.store.subscribe(request).await.map(drop).unwrap();
    assert_eq!(bench.breaker.state(), CircuitState::Open);
}

#[test]
fn options_outside_of_their_range_are_refused() {
    let new = CircuitOptions::new;
    for options in [
        new().with_failures(0, SECOND),
        new().with_failures(1_001, SECOND),
        new().with_failures(1, Duration::ZERO),
        new().with_open_times(Duration::ZERO, SECOND),
        new().with_open_times(2 * SECOND, SECOND),
        new().with_open_times(SECOND, 3_601 * SECOND),
        new().with_jitter(101),
    ] {
        let error = CircuitBreaker::new(Arc::new(Stub::default()), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}
