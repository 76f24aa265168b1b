//! Calls of many: in Lua and in Rust they decide the same, and the same as if each caller had come alone.

use std::sync::Arc;

use cachekit_keys::{KeySchema, Pattern, UserId};
use cachekit_limits::{Coalescing, Limit, Limiter};
use cachekit_store::{MemoryStore, ScanRequest, Store};
use cachekit_testkit::server::Kind;
use futures_util::future::join_all;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, prop_assert_eq, prop_oneof},
    proptest,
};

use crate::{
    side_by_side::agree_on,
    support::{START, at, paused, share_of},
    twins::{mixed, single},
    yielding::Yielding,
};

/// What a few users ask for at one moment, in per cent of the limit.
type Burst = Vec<(usize, u64)>;

fn bursts() -> impl Strategy<Value = Vec<(i64, Burst)>> {
    // Mostly forward, in per cent of a width; a clock may be set back.
    let moves = prop_oneof![8 => 0_i64..60, 2 => 0_i64..300, 1 => -400_i64..400];
    let share = prop_oneof![4 => 1_u64..15, 1 => 1_u64..=100];
    vec((moves, vec((0_usize..3, share), 1..24)), 1..12)
}

fn times(width: u64, bursts: &[(i64, Burst)]) -> Vec<(u64, Burst)> {
    let mut now = START;
    let step = |(share, burst): &(i64, Burst)| {
        let by = i64::try_from(width / 100).unwrap() * share;
        now = now.saturating_add_signed(by).max(START / 2);
        (now, burst.clone())
    };
    bursts.iter().map(step).collect()
}

fn limiter(store: Arc<dyn Store>, schema: KeySchema, limits: &[Limit]) -> Limiter {
    Limiter::all_of(store, schema, limits.to_vec()).unwrap()
}

fn one_call_at_a_time(limiter: Limiter) -> Limiter {
    limiter.coalesced(Coalescing::new().calls_in_flight(1))
}

fn asked(limiter: &Limiter, burst: &Burst) -> Vec<(UserId, u64)> {
    let limit = limiter.limits()[0].limit();
    let ask = |(number, share): &(usize, u64)| {
        let user = UserId::new(format!("user{number}")).unwrap();
        (user, share_of(limit, *share))
    };
    burst.iter().map(ask).collect()
}

async fn together(limiter: &Limiter, burst: &Burst) -> String {
    let asked = asked(limiter, burst);
    let checks = asked.iter().map(|(user, cost)| limiter.check(user, *cost));
    format!("{:#?}", join_all(checks).await)
}

async fn one_by_one(limiter: &Limiter, burst: &Burst) -> String {
    let mut decisions = Vec::new();
    for (user, cost) in asked(limiter, burst) {
        decisions.push(limiter.check(&user, cost).await);
    }
    format!("{decisions:#?}")
}

async fn texts(store: &MemoryStore) -> String {
    let request = ScanRequest::new(Pattern::raw("ratelimit:*").unwrap());
    let mut keys = store.scan(&request).await.unwrap().keys;
    keys.sort();
    format!("{keys:?} {:?}", store.get_many(&keys).await.unwrap())
}

fn twins_agree_on<S>(kind: Kind, cases: u32, limits: S)
where
    S: Strategy<Value = (Vec<Limit>, u64)>,
{
    agree_on(
        kind,
        cases,
        (limits, bursts()),
        |((_, width), bursts)| times(*width, bursts),
        |((limits, _), _), store, schema| {
            one_call_at_a_time(limiter(Arc::new(Yielding(store)), schema, limits))
        },
        async |limiter: &mut Limiter, burst: &Burst| together(limiter, burst).await,
    );
}

#[test]
fn lua_and_rust_agree_on_calls_of_many_on_redis_7() {
    twins_agree_on(Kind::Redis7, 100, single());
}

#[test]
fn lua_and_rust_agree_on_calls_of_many_with_several_limits_on_redis_7() {
    twins_agree_on(Kind::Redis7, 40, mixed());
}

#[test]
fn lua_and_rust_agree_on_calls_of_many_with_several_limits_on_valkey_8() {
    twins_agree_on(Kind::Valkey8, 20, mixed());
}

fn any() -> impl Strategy<Value = (Vec<Limit>, u64)> {
    prop_oneof![3 => single(), 1 => mixed()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_of_many_decides_as_if_each_had_come_alone((limits, width) in any(), bursts in bursts()) {
        paused(async {
            let (one, many) = (MemoryStore::new(), MemoryStore::new());
            let schema = KeySchema::plain();
            let alone = limiter(Arc::new(one.clone()), schema.clone(), &limits);
            let yielding = Yielding(Arc::new(many.clone()));
            let shared = one_call_at_a_time(limiter(Arc::new(yielding), schema, &limits));
            for (now, burst) in times(width, &bursts) {
                one.set_wall_clock(at(now));
                many.set_wall_clock(at(now));
                prop_assert_eq!(one_by_one(&alone, &burst).await, together(&shared, &burst).await);
            }
            prop_assert_eq!(texts(&one).await, texts(&many).await);
            Ok(())
        })?;
    }
}
