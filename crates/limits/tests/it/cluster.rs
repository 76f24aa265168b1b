//! Everything on a cluster, where all keys of a subject lie in one slot, and those of other subjects elsewhere.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Channel, KeySchema, Namespace, QuotaMetric, UserId};
use cachekit_limits::{
    InFlightLimiter, Limit, Limiter, Period, Quota, QuotaPlan, QuotaWarnings, Settlement, Unit,
};
use cachekit_store::{PubSubItem, RedisStore, Store, SubscribeRequest, Tasks};
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// The cluster ends when it is dropped.
async fn cluster() -> Option<(SharedServer, Arc<dyn Store>, KeySchema)> {
    let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
    let server = SharedServer::of(cluster).await.unwrap()?;
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::sharded().with_namespace(space);
    let store = RedisStore::connect(server.url()).await.unwrap();
    Some((server, Arc::new(store), schema))
}

/// Subjects enough to lie on every node.
fn users() -> impl Iterator<Item = UserId> {
    (0..12).map(|number| UserId::new(format!("user{number}")).unwrap())
}

fn every_algorithm() -> Vec<Limit> {
    vec![
        // Too slow to give back a token while the test runs.
        Limit::token_bucket(10, 3_000 * DAY).unwrap(),
        Limit::fixed_window(10, DAY).unwrap().named("w").unwrap(),
        Limit::sliding_window(10, DAY).unwrap().named("s").unwrap(),
        Limit::sliding_log(10, DAY).unwrap().named("l").unwrap(),
        Limit::daily(10).unwrap(),
        Limit::monthly(10).unwrap(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_every_algorithm_are_checked_given_back_and_reset_together() {
    let Some((_server, store, schema)) = cluster().await else {
        return;
    };
    let limiter = Limiter::all_of(store, schema, every_algorithm()).unwrap();
    for user in users() {
        let decision = limiter.check(&user, 7).await.unwrap();
        assert!(decision.is_allowed());
        let denied = limiter.check(&user, 4).await.unwrap();
        assert!(!denied.is_allowed());
        assert!(denied.limits().iter().all(|status| status.used() == 7));
        for _ in 0..2 {
            let status = limiter.refund_once(&user, &decision, 2, "r").await;
            assert_eq!(status.unwrap().used(), 5);
        }
        limiter.set_limit(&user, Period::Day, 5).await.unwrap();
        let denied = limiter.check(&user, 1).await.unwrap();
        assert_eq!(denied.binding().name(), "daily");
        limiter.reset(&user).await.unwrap();
        assert_eq!(limiter.check(&user, 5).await.unwrap().taken(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_and_leases_of_what_runs_work_on_every_node() {
    let Some((_server, store, schema)) = cluster().await else {
        return;
    };
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    let plan = plan.and_per(Unit::Month, 1_000).unwrap();
    let plan = plan.with_stored_limits();
    let calls = QuotaMetric::api_calls();
    let quota = Quota::metric(Arc::clone(&store), schema.clone(), calls, plan);
    let running = InFlightLimiter::new(store, schema, 1, MINUTE).unwrap();
    for user in users() {
        let held = quota.reserve(&user, "a", 60, MINUTE).await.unwrap();
        assert!(held.is_allowed());
        let part = quota.commit_part(&user, "a", 20).await.unwrap();
        assert_eq!(part, Settlement::Committed(20));
        let _ = quota.commit(&user, "a", 50).await.unwrap();
        quota.set_limit(&user, Period::Day, 55).await.unwrap();
        assert!(!quota.charge(&user, 6).await.unwrap().is_allowed());
        assert_eq!(quota.usage(&user).await.unwrap().used(), 50);
        assert_eq!(running.free(&user).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_and_news_reach_listeners_on_a_cluster() {
    let Some((_server, store, schema)) = cluster().await else {
        return;
    };
    let channel = schema.channel_name(&Channel::QUOTA_WARNING);
    let mut heard = store
        .subscribe(SubscribeRequest::channel(channel))
        .await
        .unwrap();
    let warnings = QuotaWarnings::new(Arc::clone(&store), schema.clone());
    let tasks = Tasks::new();
    let limit = Limit::fixed_window(10, DAY).unwrap();
    let limiter = || Limiter::new(Arc::clone(&store), schema.clone(), limit.clone());
    let other = limiter().warning(&warnings);
    let remembering = limiter().remembering_denials(DAY);
    let remembering = remembering.hearing_of_changes(&tasks).unwrap();
    for user in users() {
        assert!(other.check(&user, 10).await.unwrap().is_allowed());
        assert!(!remembering.check(&user, 1).await.unwrap().is_allowed());
        other.reset(&user).await.unwrap();
        let mut allowed = false;
        for _ in 0..500 {
            allowed = remembering.check(&user, 1).await.unwrap().is_allowed();
            if allowed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(allowed, "the reset of {user} was not heard of");
    }
    warnings.settled().await;
    assert_eq!(warnings.counts().published, 12);
    let mut messages = 0;
    while messages < 12 {
        let item = tokio::time::timeout(MINUTE, heard.next()).await.unwrap();
        if let Some(PubSubItem::Message { .. }) = item {
            messages += 1;
        }
    }
}
