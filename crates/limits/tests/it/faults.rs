//! Answers that are lost, scripts that are forgotten, and servers that have lost everything.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace, QuotaMetric};
use cachekit_limits::{Limit, Limiter, Quota, QuotaPlan, Settlement, Unit};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, RedisStore, Store,
};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};

use crate::support::user;

const MINUTE: Duration = Duration::from_secs(60);

/// A store whose next script runs, and whose answer is lost.
fn losing() -> (Arc<dyn Store>, FaultPlan) {
    let plan = FaultPlan::new();
    let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
    (Arc::new(store), plan)
}

fn lose_one(plan: &FaultPlan) {
    let lost = Fault::LoseAnswer(ErrorKind::Timeout);
    plan.add(FaultRule::new(lost).on("run_script").times(1));
}

fn a_day() -> Vec<Limit> {
    let limit = Limit::fixed_window(10, 24 * 60 * MINUTE);
    vec![limit.unwrap(), Limit::monthly(100).unwrap()]
}

fn quota(store: Arc<dyn Store>) -> Quota {
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    Quota::metric(store, KeySchema::plain(), QuotaMetric::api_calls(), plan)
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_answer_is_lost_says_that_it_may_have_taken_its_units() {
    let (store, plan) = losing();
    let limiter = Limiter::all_of(store, KeySchema::plain(), a_day()).unwrap();
    lose_one(&plan);
    let error = limiter.check(&user(), 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.may_have_applied());
    assert_eq!(
        limiter.status(&user()).await.unwrap().used(),
        3,
        "once, and not repeated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refund_with_an_id_is_made_once_whatever_is_lost() {
    let (store, plan) = losing();
    let limiter = Limiter::all_of(store, KeySchema::plain(), a_day()).unwrap();
    let decision = limiter.check(&user(), 8).await.unwrap();
    lose_one(&plan);
    let lost = limiter
        .refund_once(&user(), &decision, 3, "request-1")
        .await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Timeout);
    for _ in 0..3 {
        let status = limiter
            .refund_once(&user(), &decision, 3, "request-1")
            .await;
        assert_eq!(status.unwrap().used(), 5);
    }
    // Another id, and none, are other refunds; a day later the id is free.
    let status = limiter
        .refund_once(&user(), &decision, 1, "request-2")
        .await;
    assert_eq!(status.unwrap().used(), 4);
    let status = limiter.refund_part(&user(), &decision, 1).await;
    assert_eq!(status.unwrap().used(), 3);
    for id in ["", &"x".repeat(129), &"%".repeat(128)] {
        let refused = limiter.refund_once(&user(), &decision, 1, id).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_on_a_reservation_charge_once_whatever_is_lost() {
    let (store, plan) = losing();
    let quota = quota(store);
    let user = user();
    lose_one(&plan);
    assert!(quota.reserve(&user, "a", 50, MINUTE).await.is_err());
    assert!(
        quota
            .reserve(&user, "a", 50, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
    assert_eq!(quota.usage(&user).await.unwrap().windows()[0].held(), 50);
    for part in [20, 30] {
        lose_one(&plan);
        assert!(quota.commit_part(&user, "a", part).await.is_err());
        let again = quota.commit_part(&user, "a", part).await.unwrap();
        assert_eq!(again, Settlement::Committed(part));
        assert_eq!(quota.usage(&user).await.unwrap().used(), part);
    }
    // A part that comes late.
    let late = quota.commit_part(&user, "a", 20).await.unwrap();
    assert_eq!(late, Settlement::Committed(30));
    lose_one(&plan);
    assert!(quota.commit(&user, "a", 45).await.is_err());
    assert_eq!(
        quota.commit(&user, "a", 45).await.unwrap(),
        Settlement::Committed(45)
    );
    let usage = quota.usage(&user).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (45, 0));
}

#[tokio::test(start_paused = true)]
async fn parts_that_were_charged_outlive_a_cancellation_and_the_hold() {
    let quota = quota(Arc::new(MemoryStore::new()));
    let user = user();
    let _ = quota.reserve(&user, "a", 50, MINUTE).await.unwrap();
    let _ = quota.commit_part(&user, "a", 20).await.unwrap();
    for _ in 0..2 {
        let cancelled = quota.cancel(&user, "a").await.unwrap();
        assert_eq!(cancelled, Settlement::Committed(20));
    }
    let _ = quota.reserve(&user, "b", 50, MINUTE).await.unwrap();
    let _ = quota.commit_part(&user, "b", 20).await.unwrap();
    tokio::time::advance(2 * MINUTE).await;
    let usage = quota.usage(&user).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (40, 0));
    // It is reserved anew, and what was charged is not charged again.
    let _ = quota.reserve(&user, "b", 50, MINUTE).await.unwrap();
    assert_eq!(quota.usage(&user).await.unwrap().windows()[0].held(), 30);
    let _ = quota.commit(&user, "b", 45).await.unwrap();
    let usage = quota.usage(&user).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (65, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_its_scripts_counts_on() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let limiter = Limiter::all_of(Arc::clone(&store), KeySchema::plain(), a_day()).unwrap();
    let bucket = Limit::token_bucket(10, 24 * 60 * MINUTE).unwrap();
    let bucket = Limiter::new(Arc::clone(&store), KeySchema::plain(), bucket);
    let quota = quota(store);
    for used in 1..=3 {
        raw.text(&["SCRIPT", "FLUSH"]).unwrap();
        let decision = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(decision.limits()[0].used(), used);
        assert_eq!(
            bucket.check(&user(), 1).await.unwrap().binding().used(),
            used
        );
        assert_eq!(quota.increment(&user(), 1).await.unwrap().used(), used);
    }
}

/// As after a failover to a server that has nothing: limits begin anew, and nothing that is of the old one harms.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_everything_begins_anew() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let space = Namespace::new("lost").unwrap();
    let schema = KeySchema::plain().with_namespace(space);
    let limiter = Limiter::all_of(Arc::clone(&store), schema, a_day()).unwrap();
    let quota = quota(store);
    let before = limiter.check(&user(), 10).await.unwrap();
    let _ = quota.reserve(&user(), "a", 60, MINUTE).await.unwrap();
    raw.text(&["FLUSHALL"]).unwrap();
    raw.text(&["SCRIPT", "FLUSH"]).unwrap();

    let after = limiter.check(&user(), 4).await.unwrap();
    assert_eq!((after.is_allowed(), after.limits()[0].used()), (true, 4));
    // What was taken before is not there to be given back: a refund leaves no more than the limit, and no debt.
    let status = limiter.refund(&user(), &before).await.unwrap();
    assert!(status.used() <= 4, "{status:?}");
    assert_eq!(
        quota.commit(&user(), "a", 60).await.unwrap(),
        Settlement::Unknown
    );
    let usage = quota.usage(&user()).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (0, 0));
    assert!(
        quota
            .reserve(&user(), "a", 60, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
}
