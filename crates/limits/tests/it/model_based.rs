//! Random calls at random times: every answer is the model's, and every promise about the future is kept by the model.

use std::time::Duration;

use cachekit_limits::{Decision, LimitStatus, Limiter};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, proptest},
};

use crate::{
    models::{Model, model},
    support::{
        ALGORITHMS, Algorithm, START, Spec, Step, limiter, paused, share_of, spec, step, user,
    },
};

/// From a microsecond, over primes, to a month.
const WIDTHS: &[u64] = &[1, 7, 1_000, 99_991, 333_333, 60_000_000, 2_592_000_000_000];

struct Run {
    spec: Spec,
    limiter: Limiter,
    model: Box<dyn Model>,
    now: u64,
    last: Option<(u64, Decision)>,
}

impl Run {
    async fn step(&mut self, step: Step) {
        let (limit, user) = (self.spec.limit, user());
        match step {
            Step::Check(percent) => {
                let cost = share_of(limit, percent);
                let decision = self.limiter.check(&user, cost).await.unwrap();
                self.expect(cost, cost, &decision);
                self.charge(decision);
            }
            Step::AtMost(percent) => {
                let cost = share_of(limit, percent).max(1);
                let decision = self.limiter.check_at_most(&user, cost).await.unwrap();
                self.expect(cost, 1, &decision);
                self.charge(decision);
            }
            Step::Peek(percent) => {
                let cost = share_of(limit, percent);
                let decision = self.limiter.peek(&user, cost).await.unwrap();
                let free = self.model.free(self.now);
                assert_eq!((decision.is_allowed(), decision.taken()), (cost <= free, 0));
                self.expect_status(decision.binding(), free, cost);
            }
            Step::Refund(percent) => self.refund(percent).await,
            Step::Reset => {
                self.limiter.reset(&user).await.unwrap();
                self.model = model(self.spec);
                self.last = None;
            }
            Step::Advance(percent) => self.advance(self.spec.width * percent / 100).await,
            Step::AdvanceMicros(micros) => self.advance(micros).await,
        }
    }

    async fn advance(&mut self, micros: u64) {
        self.now += micros;
        tokio::time::advance(Duration::from_micros(micros)).await;
    }

    /// What the model says about a call that asks for `cost` and is content with `need`.
    fn expect(&self, cost: u64, need: u64, decision: &Decision) {
        let free = self.model.free(self.now);
        let most = cost.min(free);
        let taken = if most < need { 0 } else { most };
        assert_eq!(
            (decision.is_allowed(), decision.taken(), decision.asked()),
            (most >= need, if cost == 0 { 0 } else { taken }, cost)
        );
        assert_eq!(decision.retry_after(), decision.binding().retry_after());
        if taken == 0 {
            self.expect_status(decision.binding(), free, need);
        }
    }

    /// What is left, and when exactly `need` passes and the limit is whole.
    fn expect_status(&self, status: &LimitStatus, free: u64, need: u64) {
        assert_eq!(
            (status.limit(), status.remaining()),
            (self.spec.limit, free)
        );
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap();
        let retry = micros(status.retry_after().expect("it passes one day"));
        assert_eq!(retry == 0, need <= free);
        assert!(self.model.free(self.now + retry) >= need, "too early");
        if retry > 0 {
            assert!(self.model.free(self.now + retry - 1) < need, "too late");
        }
        let reset = micros(status.reset_after());
        assert_eq!(self.model.free(self.now + reset), self.spec.limit);
        if status.used() > 0 {
            let before = self.model.free(self.now + reset - 1);
            // A bucket that lacks less than a token looks full.
            assert!(before < self.spec.limit || self.spec.algorithm == Algorithm::Bucket);
        }
    }

    fn charge(&mut self, decision: Decision) {
        if decision.taken() > 0 {
            self.model.take(self.now, decision.taken());
            assert_eq!(decision.remaining(), self.model.free(self.now));
            self.last = Some((self.now, decision));
        }
    }

    async fn refund(&mut self, percent: u64) {
        let Some((then, decision)) = self.last.take() else {
            return;
        };
        let units = share_of(decision.taken(), percent);
        let user = user();
        let refunded = self.limiter.refund_part(&user, &decision, units);
        let status = refunded.await.unwrap();
        self.model.refund(self.now, then, units);
        assert_eq!(status.remaining(), self.model.free(self.now));
    }
}

fn run(spec: Spec, steps: Vec<Step>) {
    paused(async {
        let (limiter, _store) = limiter(vec![spec.limit()]);
        let mut run = Run {
            spec,
            limiter,
            model: model(spec),
            now: START,
            last: None,
        };
        for step in steps {
            run.step(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_bucket_answers_as_its_model(spec in spec(Algorithm::Bucket, WIDTHS), steps in vec(step(), 1..60)) {
        run(spec, steps);
    }

    #[test]
    fn a_fixed_window_answers_as_its_model(spec in spec(Algorithm::FirstHit, WIDTHS), steps in vec(step(), 1..60)) {
        run(spec, steps);
    }

    #[test]
    fn an_aligned_window_answers_as_its_model(spec in spec(Algorithm::Aligned, WIDTHS), steps in vec(step(), 1..60)) {
        run(spec, steps);
    }

    #[test]
    fn a_sliding_window_answers_as_its_model(spec in spec(Algorithm::Sliding, WIDTHS), steps in vec(step(), 1..60)) {
        run(spec, steps);
    }

    #[test]
    fn a_sliding_log_answers_as_its_model(spec in spec(Algorithm::Log, WIDTHS), steps in vec(step(), 1..60)) {
        run(spec, steps);
    }
}

#[test]
fn every_algorithm_has_a_model() {
    for algorithm in ALGORITHMS {
        let spec = Spec {
            algorithm,
            limit: 3,
            refill: 3,
            width: 10,
        };
        assert_eq!(model(spec).free(START), 3, "{algorithm:?}");
    }
}
