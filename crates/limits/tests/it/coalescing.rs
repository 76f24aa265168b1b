//! Checks that share a call: each gets what it would have got alone, whatever becomes of the others.

use std::{pin::pin, sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace, RateLimitKey, RateLimitState, Segment, UserId};
use cachekit_limits::{Coalescing, Decision, Limit, Limiter};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, LayerExt, MemoryStore, RedisStore, Reply,
    Result, Script, ScriptCall, Store, Timeout, TimeoutOptions, ZAddCondition,
};
use cachekit_testkit::{
    RawClient,
    server::{Deployment, Form, Kind, Server, SharedServer},
};
use futures_util::{FutureExt, future::join_all};
use tokio::time::Instant;

use crate::{
    support::{paused, user},
    yielding::Yielding,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A limiter whose checks share calls, and the plan of what befalls these. A call takes 10 ms, which is waited for.
fn coalesced(limit: Limit, coalescing: Coalescing) -> (Limiter, FaultPlan) {
    let plan = FaultPlan::new();
    let slow = Fault::Delay(Duration::from_millis(10));
    plan.add(FaultRule::new(slow).on("run_script"));
    let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
    let limiter = Limiter::new(Arc::new(store), KeySchema::plain(), limit);
    (limiter.coalesced(coalescing), plan)
}

/// None of them comes back while a test runs.
fn hundred() -> Limit {
    Limit::fixed_window(100, HOUR).unwrap()
}

fn one_call_at_a_time() -> Coalescing {
    Coalescing::new().calls_in_flight(1)
}

fn left(decisions: &[Result<Decision>]) -> Vec<u64> {
    let remaining = |decision: &Result<Decision>| decision.as_ref().unwrap().remaining();
    decisions.iter().map(remaining).collect()
}

fn other(number: usize) -> UserId {
    UserId::new(format!("user{number}")).unwrap()
}

#[test]
fn those_who_come_during_a_call_share_the_next_in_their_order() {
    paused(async {
        let (limiter, plan) = coalesced(hundred(), one_call_at_a_time());
        let (user, calls) = (user(), plan.calls());
        let checks = [1, 2, 3, 4, 91, 90, 1].map(|cost| limiter.check(&user, cost));
        let decisions = join_all(checks).await;
        assert_eq!(plan.calls() - calls, 2, "the first alone, then the rest");
        assert_eq!(left(&decisions), [99, 97, 94, 90, 90, 0, 0]);
        let allowed = decisions
            .iter()
            .map(|one| one.as_ref().unwrap().is_allowed());
        let expected = [true, true, true, true, false, true, false];
        assert!(allowed.eq(expected));
    });
}

#[test]
fn a_full_call_leaves_the_rest_to_the_next() {
    paused(async {
        let (limiter, plan) = coalesced(hundred(), one_call_at_a_time().checks_in_call(10));
        let users: Vec<UserId> = (0..41).map(other).collect();
        let decisions = join_all(users.iter().map(|user| limiter.check(user, 1))).await;
        assert_eq!(left(&decisions), [99; 41]);
        assert_eq!(plan.calls(), 5, "one alone, then four times ten");
    });
}

#[test]
fn a_caller_that_leaves_before_the_call_takes_nothing() {
    paused(async {
        let (limiter, _) = coalesced(hundred(), one_call_at_a_time());
        let user = user();
        let mut first = pin!(limiter.check(&user, 1));
        assert!(first.as_mut().now_or_never().is_none());
        let mut gone = Box::pin(limiter.check(&user, 50));
        let mut stays = pin!(limiter.check(&user, 2));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(stays.as_mut().now_or_never().is_none());
        drop(gone);
        assert_eq!(first.await.unwrap().remaining(), 99);
        assert_eq!(stays.await.unwrap().remaining(), 97);
    });
}

#[test]
fn a_call_goes_on_for_the_others_when_the_caller_that_began_it_leaves() {
    paused(async {
        let (limiter, _) = coalesced(hundred(), one_call_at_a_time());
        let user = user();
        let mut first = Box::pin(limiter.check(&user, 1));
        assert!(first.as_mut().now_or_never().is_none());
        let mut leader = Box::pin(limiter.check(&user, 2));
        let mut follower = pin!(limiter.check(&user, 3));
        assert!(leader.as_mut().now_or_never().is_none());
        assert!(follower.as_mut().now_or_never().is_none());
        assert!(first.await.unwrap().is_allowed());
        // The second call leaves, and the caller that is in front of it goes away: its cost may count, the other's does.
        assert!(leader.as_mut().now_or_never().is_none());
        drop(leader);
        let decision = tokio::time::timeout(HOUR, follower)
            .await
            .expect("not stranded");
        assert_eq!(decision.unwrap().remaining(), 94);
    });
}

#[test]
fn a_caller_that_is_not_polled_holds_up_nobody() {
    paused(async {
        let (limiter, _) = coalesced(hundred(), one_call_at_a_time());
        let user = user();
        let mut stalled = pin!(limiter.check(&user, 1));
        assert!(stalled.as_mut().now_or_never().is_none());
        let mut also_stalled = pin!(limiter.check(&user, 1));
        assert!(also_stalled.as_mut().now_or_never().is_none());
        let decision = tokio::time::timeout(HOUR, limiter.check(&user, 1)).await;
        assert_eq!(decision.expect("not held up").unwrap().remaining(), 97);
    });
}

#[test]
fn a_store_that_hangs_is_waited_for_once_however_many_calls_are_ahead() {
    paused(async {
        let plan = FaultPlan::new();
        plan.add(FaultRule::new(Fault::Hang).on("run_script"));
        let second = TimeoutOptions::all(Duration::from_secs(1));
        let store = MemoryStore::new().with_faults(&plan);
        let store = Timeout::new(store, second).unwrap();
        let limiter = Limiter::new(Arc::new(store), KeySchema::plain(), hundred());
        let limiter = limiter.coalesced(one_call_at_a_time().checks_in_call(2));
        let (start, user) = (Instant::now(), user());
        let checks = (0..40).map(|_| limiter.check(&user, 1));
        for check in join_all(checks).await {
            assert_eq!(check.unwrap_err().kind(), ErrorKind::Timeout);
        }
        assert_eq!(start.elapsed(), Duration::from_millis(1_020));
        assert_eq!(
            plan.calls(),
            21,
            "the first alone, then two together, and the last"
        );
    });
}

#[test]
fn a_check_beyond_the_queue_is_refused_and_takes_nothing() {
    paused(async {
        let (limiter, _) = coalesced(hundred(), one_call_at_a_time().waiting_checks(2));
        let user = user();
        let mut flying = pin!(limiter.check(&user, 1));
        assert!(flying.as_mut().now_or_never().is_none());
        let checks = join_all([1, 1, 7].map(|cost| limiter.check(&user, cost)));
        let (first, mut rest) = tokio::join!(flying, checks);
        let error = rest.pop().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert!(!error.may_have_applied());
        assert_eq!(
            (first.unwrap().remaining(), left(&rest)),
            (99, vec![98, 97])
        );
        assert_eq!(limiter.status(&user).await.unwrap().used(), 3);
    });
}

#[test]
fn an_error_reaches_everyone_in_the_call_and_says_what_it_may_have_done() {
    paused(async {
        for (fault, may_have_applied, used) in [
            (Fault::Refuse(ErrorKind::OutOfMemory), false, 1),
            (Fault::LoseAnswer(ErrorKind::Timeout), true, 3),
        ] {
            let (limiter, plan) = coalesced(hundred(), one_call_at_a_time());
            let user = user();
            plan.add(FaultRule::new(fault).on("run_script").nth(2));
            let decisions = join_all([1, 1, 1].map(|cost| limiter.check(&user, cost))).await;
            assert!(decisions[0].is_ok());
            for failed in &decisions[1..] {
                let error = failed.as_ref().unwrap_err();
                assert_eq!(error.may_have_applied(), may_have_applied);
            }
            assert_eq!(limiter.status(&user).await.unwrap().used(), used);
        }
    });
}

/// Makes a key a sorted set, which no state of a bucket or window is.
const SPOIL: Script =
    Script::new("spoil", "return redis.call('ZADD', KEYS[1], 1, 'x')").with_body(|tx, keys, _| {
        tx.del(&keys[0])?;
        tx.zadd(&keys[0], ZAddCondition::Always, &[(1.0, "x".into())])?;
        Ok(Reply::Integer(1))
    });

async fn one_fails_for_itself(store: Arc<dyn Store>, schema: KeySchema, limit: Limit) {
    let limiter = Limiter::new(Arc::clone(&store), schema.clone(), limit);
    let limiter = limiter.coalesced(one_call_at_a_time());
    let users: Vec<UserId> = (0..20).map(other).collect();
    let state = RateLimitKey::State {
        user: users[7].clone(),
        state: RateLimitState::Bucket,
        name: Segment::new("requests").unwrap(),
    };
    let call = ScriptCall::new(vec![schema.key(&state)], Vec::new());
    store.run_script(&SPOIL, &[call]).await.unwrap();
    let decisions = join_all(users.iter().map(|user| limiter.check(user, 1))).await;
    for (number, decision) in decisions.iter().enumerate() {
        match decision {
            Ok(decision) => assert!(number != 7 && decision.remaining() == 99),
            Err(error) => {
                assert_eq!(number, 7);
                assert_eq!(error.kind(), ErrorKind::WrongType);
            }
        }
    }
}

/// A bucket for the shortest script, and two for the general one.
fn buckets() -> [Limit; 3] {
    let hundred = |refill| Limit::token_bucket_refilling(100, refill, 3_000 * 24 * HOUR).unwrap();
    let minute = Duration::from_secs(60);
    [
        hundred(100),
        hundred(97),
        hundred(100).with_penalty(minute).unwrap(),
    ]
}

#[test]
fn a_subject_whose_state_is_of_another_type_fails_for_itself() {
    paused(async {
        for limit in buckets() {
            let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
            one_fails_for_itself(store, KeySchema::plain(), limit).await;
        }
    });
}

#[tokio::test]
async fn a_subject_whose_state_is_of_another_type_fails_for_itself_on_a_server() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(server.url()).await.unwrap());
    for limit in buckets() {
        one_fails_for_itself(Arc::clone(&store), schema(), limit).await;
    }
}

fn schema() -> KeySchema {
    let space = format!("t{:016x}", fastrand::u64(..));
    KeySchema::sharded().with_namespace(Namespace::new(space).unwrap())
}

/// Many callers of few subjects: of each, exactly the limit passes.
async fn each_gets_its_own(store: Arc<dyn Store>, schema: KeySchema) {
    for limit in [
        hundred(),
        Limit::token_bucket(100, 3_000 * 24 * HOUR).unwrap(),
    ] {
        let limiter = Limiter::new(Arc::clone(&store), schema.clone(), limit);
        let limiter = limiter.coalesced(Coalescing::new());
        let users: Vec<UserId> = (0..15).map(other).collect();
        let calls = (0..150).flat_map(|_| &users);
        let decisions = join_all(calls.map(|user| limiter.check(user, 1))).await;
        let allowed = decisions
            .iter()
            .filter(|one| one.as_ref().unwrap().is_allowed());
        assert_eq!(allowed.count(), 15 * 100);
    }
}

#[test]
fn a_call_is_split_by_slot_on_a_cluster_in_memory() {
    paused(async {
        let memory = MemoryStore::builder().clustered(true).build();
        each_gets_its_own(Arc::new(Yielding(Arc::new(memory))), KeySchema::sharded()).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_split_by_slot_on_a_cluster() {
    let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
    let Some(server) = SharedServer::of(cluster).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    each_gets_its_own(Arc::new(store), schema()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_the_script_charges_once() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let limiter = Limiter::new(store, KeySchema::plain(), hundred()).coalesced(Coalescing::new());
    let user = user();
    for round in 1..=3 {
        RawClient::connect(&server.url())
            .unwrap()
            .text(&["SCRIPT", "FLUSH"])
            .unwrap();
        let decisions = join_all((0..20).map(|_| limiter.check(&user, 1))).await;
        assert!(
            decisions
                .iter()
                .all(|one| one.as_ref().unwrap().is_allowed())
        );
        assert_eq!(limiter.status(&user).await.unwrap().used(), 20 * round);
    }
}
