//! Random calls on several limits at once, with days among them and refunds by ids: all or nothing, as the models of each say.

use std::{collections::BTreeMap, time::Duration};

use cachekit_limits::{Decision, Limit, Limiter};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, prop_oneof, proptest},
    sample::subsequence,
};

use crate::{
    models::{Model, model},
    support::{ALGORITHMS, Algorithm, START, Spec, limiter, paused, user},
};

const DAY: u64 = 86_400_000_000;
const MOST: u64 = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    Check(u64),
    AtMost(u64),
    Peek(u64),
    /// Of an earlier decision, counted from the last; with an id.
    Refund(usize, u64, Option<u8>),
    Reset,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let id = proptest::option::weighted(0.7, 0_u8..4);
    prop_oneof![
        6 => (0..=MOST).prop_map(Step::Check),
        2 => (1..2 * MOST).prop_map(Step::AtMost),
        2 => (0..=MOST).prop_map(Step::Peek),
        5 => (0_usize..3, 0..=MOST, id).prop_map(|(last, units, id)| Step::Refund(last, units, id)),
        1 => proptest::strategy::Just(Step::Reset),
        4 => (0..20_000_000_u64).prop_map(Step::Advance),
        2 => (0..DAY / 2).prop_map(Step::Advance),
        1 => (DAY - 2..DAY + 2).prop_map(Step::Advance),
    ]
}

/// Up to five limits, each of another algorithm, and perhaps one of a day; all let the largest cost pass.
fn limits() -> impl Strategy<Value = (Vec<Spec>, Option<u64>)> {
    let numbers = (MOST..3 * MOST, 1_u64..20, 1_u64..200);
    let numbers = vec(numbers, ALGORITHMS.len());
    let chosen = subsequence(&ALGORITHMS[..], 0..=ALGORITHMS.len());
    (chosen, numbers, proptest::option::of(MOST..4 * MOST)).prop_map(|(chosen, numbers, daily)| {
        let spec = |(algorithm, (limit, refill, seconds)): (Algorithm, (u64, u64, u64))| Spec {
            algorithm,
            limit,
            refill,
            width: seconds * 1_000_000,
        };
        let specs: Vec<Spec> = chosen.into_iter().zip(numbers).map(spec).collect();
        let daily = daily.or_else(|| specs.is_empty().then_some(2 * MOST));
        (specs, daily)
    })
}

struct Run {
    limiter: Limiter,
    models: Vec<Box<dyn Model>>,
    fresh: Box<dyn Fn() -> Vec<Box<dyn Model>>>,
    now: u64,
    decisions: Vec<(u64, Decision)>,
    /// When each id was used.
    ids: BTreeMap<u8, u64>,
}

impl Run {
    fn free(&self) -> Vec<u64> {
        self.free_at(self.now)
    }

    fn free_at(&self, then: u64) -> Vec<u64> {
        self.models.iter().map(|model| model.free(then)).collect()
    }

    fn passes_at(&self, then: u64, need: u64) -> bool {
        self.free_at(then).iter().all(|free| *free >= need)
    }

    async fn step(&mut self, step: Step) {
        let user = user();
        match step {
            Step::Check(cost) => {
                let decision = self.limiter.check(&user, cost).await.unwrap();
                self.expect(cost, cost, decision);
            }
            Step::AtMost(cost) => {
                let decision = self.limiter.check_at_most(&user, cost).await.unwrap();
                self.expect(cost, 1, decision);
            }
            Step::Peek(cost) => {
                let decision = self.limiter.peek(&user, cost).await.unwrap();
                assert_eq!(decision.taken(), 0);
                self.expect_wait(cost, &decision);
            }
            Step::Refund(last, units, id) => self.refund(last, units, id).await,
            Step::Reset => {
                self.limiter.reset(&user).await.unwrap();
                self.models = (self.fresh)();
                self.decisions.clear();
            }
            Step::Advance(by) => {
                self.now += by;
                tokio::time::advance(Duration::from_micros(by)).await;
            }
        }
        self.expect_free().await;
    }

    fn expect(&mut self, cost: u64, need: u64, decision: Decision) {
        let most = self.free().into_iter().min().unwrap().min(cost);
        let taken = if most < need { 0 } else { most };
        assert_eq!(decision.taken(), taken);
        if taken == 0 {
            self.expect_wait(need, &decision);
        } else {
            assert!(decision.is_allowed());
            for model in &mut self.models {
                model.take(self.now, taken);
            }
            self.decisions.push((self.now, decision));
        }
    }

    /// A denial says exactly when all limits let the call pass.
    fn expect_wait(&self, need: u64, decision: &Decision) {
        assert_eq!(decision.is_allowed(), self.passes_at(self.now, need));
        let wait = decision.retry_after().expect("it passes one day");
        assert_eq!(wait.is_zero(), decision.is_allowed());
        assert_eq!(decision.binding().retry_after(), Some(wait));
        let then = self.now + u64::try_from(wait.as_micros()).unwrap();
        assert!(self.passes_at(then, need), "too early");
        assert!(
            wait.is_zero() || !self.passes_at(then - 1, need),
            "too late"
        );
    }

    async fn refund(&mut self, last: usize, units: u64, id: Option<u8>) {
        let place = self.decisions.len().checked_sub(1 + last);
        let Some((then, decision)) = place.map(|place| self.decisions[place].clone()) else {
            return;
        };
        let user = user();
        // Without an id it is made as often as it is asked for.
        let units = units.min(decision.taken());
        let made = match id {
            None => {
                drop(self.decisions.remove(place.unwrap()));
                let back = self.limiter.refund_part(&user, &decision, units);
                back.await.unwrap();
                false
            }
            Some(id) => {
                let name = id.to_string();
                let back = self.limiter.refund_once(&user, &decision, units, &name);
                back.await.unwrap();
                let used = self.ids.get(&id).is_some_and(|used| self.now < used + DAY);
                if !used && units > 0 {
                    self.ids.insert(id, self.now);
                }
                used
            }
        };
        if !made {
            for model in &mut self.models {
                model.refund(self.now, then, units);
            }
        }
    }

    async fn expect_free(&self) {
        let all = self.limiter.peek(&user(), 0).await.unwrap();
        let left = all.limits().iter().map(|status| status.remaining());
        assert_eq!(left.collect::<Vec<_>>(), self.free());
        assert_eq!(all.remaining(), self.free().into_iter().min().unwrap());
    }
}

fn run(specs: Vec<Spec>, daily: Option<u64>, steps: Vec<Step>) {
    let named = |spec: &Spec| {
        spec.limit()
            .named(&format!("{:?}", spec.algorithm))
            .unwrap()
    };
    let mut limits: Vec<Limit> = specs.iter().map(named).collect();
    limits.extend(daily.map(|limit| Limit::daily(limit).unwrap()));
    let day = daily.map(|limit| Spec {
        algorithm: Algorithm::Aligned,
        limit,
        refill: limit,
        width: DAY,
    });
    let fresh = move || specs.iter().copied().chain(day).map(model).collect();
    paused(async {
        let (limiter, _store) = limiter(limits);
        let mut run = Run {
            limiter,
            models: fresh(),
            fresh: Box::new(fresh),
            now: START,
            decisions: Vec::new(),
            ids: BTreeMap::new(),
        };
        for step in steps {
            run.step(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn several_limits_answer_as_their_models((specs, daily) in limits(), steps in vec(step(), 1..60)) {
        run(specs, daily, steps);
    }
}
