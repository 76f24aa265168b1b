//! The Lua text on real servers and the Rust bodies in memory: the same calls at the same times give the same answers and
//! leave the same text behind, whatever the clock does.

use std::sync::Arc;

use cachekit_keys::{KeySchema, UserId};
use cachekit_limits::{Decision, Limit, Limiter};
use cachekit_store::Store;
use cachekit_testkit::server::Kind;
use proptest::{
    collection::vec,
    prelude::{Strategy, prop_oneof},
};

use crate::{
    side_by_side::agree_on,
    support::{ALGORITHMS, START, Spec, Step, share_of, spec, step, user},
};

/// A sorted set or a dated counter does not expire by real time while a test runs.
const WIDTHS: &[u64] = &[99_991_000, 333_333_333, 3_600_000_000, 2_592_000_000_000];

#[derive(Clone, Copy, Debug)]
enum Move {
    Step(Step),
    /// The clock is set, by per cent of a width.
    Jump(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        9 => step().prop_map(Move::Step),
        1 => (-400_i64..400).prop_map(Move::Jump),
    ];
    vec(one, 1..40)
}

/// One limiter with its store.
struct Twin {
    limiter: Limiter,
    last: Option<Decision>,
}

impl Twin {
    fn new(store: Arc<dyn Store>, schema: &KeySchema, limits: &[Limit]) -> Self {
        Self {
            limiter: Limiter::all_of(store, schema.clone(), limits.to_vec()).unwrap(),
            last: None,
        }
    }

    /// What one step answers, with everything that a decision says.
    async fn step(&mut self, step: Step, limit: u64, user: &UserId) -> String {
        let limiter = &self.limiter;
        let decision = match step {
            Step::Check(share) => limiter.check(user, share_of(limit, share)).await,
            Step::AtMost(share) => {
                limiter
                    .check_at_most(user, share_of(limit, share).max(1))
                    .await
            }
            Step::Peek(share) => {
                return format!("{:?}", limiter.peek(user, share_of(limit, share)).await);
            }
            Step::Refund(share) => {
                let Some(last) = &self.last else {
                    return String::new();
                };
                let units = share_of(last.taken(), share);
                if share % 2 == 1 {
                    let id = (share % 5).to_string();
                    let once = limiter.refund_once(user, last, units, &id).await;
                    return format!("{once:?}");
                }
                return format!("{:?}", limiter.refund_part(user, last, units).await);
            }
            Step::Reset => return format!("{:?}", limiter.reset(user).await),
            Step::Advance(_) | Step::AdvanceMicros(_) => return String::new(),
        };
        if let Ok(decision) = &decision {
            self.last = Some(decision.clone());
        }
        format!("{decision:?}")
    }
}

impl Move {
    /// The time after this move.
    fn time(self, now: u64, width: u64) -> u64 {
        match self {
            Self::Step(Step::Advance(share)) => now + width * share / 100,
            Self::Step(Step::AdvanceMicros(micros)) => now + micros,
            Self::Step(_) => now,
            Self::Jump(share) => {
                let by = i64::try_from(width / 100).unwrap() * share;
                now.saturating_add_signed(by).max(START / 2)
            }
        }
    }
}

fn twins_agree_on<S>(kind: Kind, cases: u32, limits: S)
where
    S: Strategy<Value = (Vec<Limit>, u64)>,
{
    let steps = |((_, width), moves): &((Vec<Limit>, u64), Vec<Move>)| {
        let mut now = START;
        let mut steps = Vec::new();
        for one in moves {
            now = one.time(now, *width);
            if let Move::Step(step) = one {
                steps.push((now, *step));
            }
        }
        steps
    };
    agree_on(
        kind,
        cases,
        (limits, moves()),
        steps,
        |((limits, _), _), store, schema| Twin::new(store, &schema, limits),
        async |twin: &mut Twin, step: &Step| {
            let limit = twin.limiter.limits()[0].limit();
            twin.step(*step, limit, &user()).await
        },
    );
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let algorithm = proptest::sample::select(&ALGORITHMS[..]);
    algorithm.prop_flat_map(|algorithm| spec(algorithm, WIDTHS))
}

fn with_penalty(limit: Limit, penalty: u64) -> Limit {
    match penalty {
        0..60 => limit,
        seconds => limit
            .with_penalty(std::time::Duration::from_secs(seconds))
            .unwrap(),
    }
}

/// One limit, with or without a penalty.
pub(crate) fn single() -> impl Strategy<Value = (Vec<Limit>, u64)> {
    (any_spec(), 0_u64..400)
        .prop_map(|(spec, penalty)| (vec![with_penalty(spec.limit(), penalty)], spec.width))
}

/// One to four limits of any algorithm, and the calendar's.
pub(crate) fn mixed() -> impl Strategy<Value = (Vec<Limit>, u64)> {
    (vec((any_spec(), 0_u64..100), 1..4), 1_u64..50, 1_u64..50).prop_map(|(specs, day, month)| {
        let width = specs[0].0.width;
        let mut limits: Vec<Limit> = specs
            .into_iter()
            .enumerate()
            .map(|(index, (spec, penalty))| {
                let limit = spec.limit().named(&format!("limit{index}")).unwrap();
                with_penalty(limit, penalty)
            })
            .collect();
        limits.push(Limit::daily(day).unwrap());
        limits.push(Limit::monthly(month).unwrap());
        (limits, width)
    })
}

#[test]
fn lua_and_rust_agree_on_one_limit_on_redis_7() {
    twins_agree_on(Kind::Redis7, 200, single());
}

#[test]
fn lua_and_rust_agree_on_several_limits_on_redis_7() {
    twins_agree_on(Kind::Redis7, 100, mixed());
}

#[test]
fn lua_and_rust_agree_on_several_limits_on_valkey_8() {
    twins_agree_on(Kind::Valkey8, 50, mixed());
}

#[test]
fn lua_and_rust_agree_on_several_limits_on_redis_8() {
    twins_agree_on(Kind::Redis8, 50, mixed());
}
