//! Many callers over several connections on one subject: exactly what the limit allows passes.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace};
use cachekit_limits::{Limit, Limiter};
use cachekit_store::RedisStore;
use cachekit_testkit::server::{Kind, SharedServer};
use tokio::task::JoinSet;

use crate::support::user;

const CONNECTIONS: usize = 6;
const TASKS: usize = 8;
const CALLS: usize = 25;

/// How many units pass in all, when each call asks for `cost`.
async fn admitted(limits: Vec<Limit>, cost: u64) -> Option<u64> {
    let server = SharedServer::of(Kind::Redis7).await.unwrap()?;
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::sharded().with_namespace(space);
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        // A connection, a script cache and a guess at the clock of its own, as in a process of its own.
        let store = RedisStore::connect(server.url()).await.unwrap();
        let limiter = Limiter::all_of(Arc::new(store), schema.clone(), limits.clone()).unwrap();
        for _ in 0..TASKS {
            let limiter = limiter.clone();
            tasks.spawn(async move {
                let mut taken = 0;
                for _ in 0..CALLS {
                    taken += limiter.check(&user(), cost).await.unwrap().taken();
                }
                taken
            });
        }
    }
    Some(tasks.join_all().await.into_iter().sum())
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_limit_of_a_fixed_window_passes() {
    let limit = Limit::fixed_window(500, DAY).unwrap();
    assert!(matches!(admitted(vec![limit], 1).await, None | Some(500)));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_capacity_of_a_bucket_passes() {
    // Too slow to give back a token while the test runs.
    let limit = Limit::token_bucket(500, 3_000 * DAY).unwrap();
    assert!(matches!(admitted(vec![limit], 1).await, None | Some(500)));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_limit_of_a_log_passes_in_whole_costs() {
    // 166 calls of 3, and 2 units that fit no call.
    let limit = Limit::sliding_log(500, DAY).unwrap();
    assert!(matches!(admitted(vec![limit], 3).await, None | Some(498)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tightest_of_several_limits_decides_and_denied_calls_take_nothing() {
    let limits = vec![
        Limit::token_bucket(600, 3_000 * DAY)
            .unwrap()
            .named("bucket")
            .unwrap(),
        Limit::fixed_window(400, DAY)
            .unwrap()
            .named("window")
            .unwrap(),
        Limit::sliding_log(700, DAY).unwrap().named("log").unwrap(),
    ];
    assert!(matches!(admitted(limits, 1).await, None | Some(400)));
}
