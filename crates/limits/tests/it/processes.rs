//! Eight processes hammer one subject on a real server: exactly what the limit allows passes, whichever way they ask.
#![expect(clippy::print_stdout, reason = "a child tells its parent what it took")]

use std::{
    env,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use cachekit_keys::{KeySchema, Namespace};
use cachekit_limits::{Coalescing, Leasing, Limit, Limiter};
use cachekit_store::{RedisStore, Tasks};
use cachekit_testkit::server::{Kind, SharedServer};
use tokio::task::JoinSet;

use crate::support::user;

const PROCESSES: usize = 8;
const TASKS: usize = 8;
const CALLS: usize = 25;
/// How many units a process leases at most.
const LEASED: u64 = 20;
/// 1 600 calls in all.
const LIMIT: u64 = 500;
const DAY: Duration = Duration::from_secs(86_400);

/// Tells a child process what to do: the server, the namespace, the limit and the way, one a line.
const ORDERS: &str = "CACHEKIT_LIMITS_TEST_CHILD";
/// What a child's result begins with.
const TOOK: &str = "took ";

fn limit(name: &str) -> Limit {
    let limit = match name {
        // Too slow to give back a token while the test runs.
        "bucket" => Limit::token_bucket(LIMIT, 3_000 * DAY),
        "uneven bucket" => Limit::token_bucket_refilling(LIMIT, 499, 3_000 * DAY),
        "window" => Limit::fixed_window(LIMIT, DAY),
        "aligned window" => Limit::aligned_window(LIMIT, 3_000 * DAY),
        "sliding window" => Limit::sliding_window(LIMIT, 3_000 * DAY),
        "log" => Limit::sliding_log(LIMIT, DAY),
        _ => panic!("no limit has the name {name}"),
    };
    limit.unwrap()
}

fn in_its_way(limiter: Limiter, way: &str, tasks: &Tasks) -> Limiter {
    match way {
        "alone" => limiter,
        "coalesced" => limiter.coalesced(Coalescing::new()),
        "leased" => limiter.leased(Leasing::up_to(LEASED), tasks).unwrap(),
        _ => panic!("no way has the name {way}"),
    }
}

/// What a child does; nothing in the ordinary run of tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_does_as_it_was_told() {
    let Ok(orders) = env::var(ORDERS) else {
        return;
    };
    let orders: Vec<&str> = orders.lines().collect();
    let [url, space, name, way] = orders[..] else {
        panic!("four orders");
    };
    let store = RedisStore::connect(url).await.unwrap();
    let schema = KeySchema::sharded().with_namespace(Namespace::new(space).unwrap());
    let keepers = Tasks::new();
    let limiter = Limiter::new(Arc::new(store), schema, limit(name));
    let limiter = in_its_way(limiter, way, &keepers);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let limiter = limiter.clone();
        tasks.spawn(async move {
            let mut taken = 0;
            for _ in 0..CALLS {
                taken += limiter.check(&user(), 1).await.unwrap().taken();
            }
            taken
        });
    }
    let taken: u64 = tasks.join_all().await.into_iter().sum();
    let report = keepers.shutdown(Duration::from_secs(5)).await;
    assert!(report.cut_off.is_empty());
    println!("{TOOK}{taken}");
}

/// What each child took, and what the server counts as used after that; `None` where there is no server.
async fn taken(name: &str, way: &str) -> Option<(Vec<u64>, u64)> {
    let server = SharedServer::of(Kind::Redis7).await.unwrap()?;
    let (url, space) = (server.url(), format!("t{:016x}", fastrand::u64(..)));
    let orders = format!("{url}\n{space}\n{name}\n{way}");
    let program = env::current_exe().unwrap();
    let child = || {
        let mut child = Command::new(&program);
        child.args([
            "--exact",
            "processes::a_child_does_as_it_was_told",
            "--nocapture",
        ]);
        child.env(ORDERS, &orders);
        tokio::task::spawn_blocking(move || child.output().unwrap())
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| child()).collect();
    let mut each = Vec::new();
    for child in children {
        each.push(result(&child.await.unwrap()));
    }
    let store = RedisStore::connect(url).await.unwrap();
    let schema = KeySchema::sharded().with_namespace(Namespace::new(&space).unwrap());
    let limiter = Limiter::new(Arc::new(store), schema, limit(name));
    let used = limiter.status(&user()).await.unwrap().used();
    Some((each, used))
}

fn result(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.lines().filter_map(|line| line.split(TOOK).nth(1));
    let taken = words.next().and_then(|taken| taken.trim().parse().ok());
    taken.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

async fn exactly_the_limit_passes(name: &str, way: &str) {
    if let Some((each, used)) = taken(name, way).await {
        assert_eq!(each.iter().sum::<u64>(), LIMIT, "{each:?}");
        assert_eq!(used, LIMIT);
    }
}

/// With leases a process may have held units that the last of the others would have got.
async fn no_more_than_the_limit_passes(name: &str) {
    if let Some((each, used)) = taken(name, "leased").await {
        let taken = each.iter().sum::<u64>();
        assert!(taken <= LIMIT, "{each:?}");
        assert!(taken + PROCESSES as u64 * LEASED >= LIMIT, "{each:?}");
        assert_eq!(used, taken, "what was not used went back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bucket() {
    exactly_the_limit_passes("bucket", "alone").await;
    exactly_the_limit_passes("bucket", "coalesced").await;
    no_more_than_the_limit_passes("bucket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bucket_whose_rate_is_no_whole_number() {
    exactly_the_limit_passes("uneven bucket", "alone").await;
    exactly_the_limit_passes("uneven bucket", "coalesced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_fixed_window() {
    exactly_the_limit_passes("window", "alone").await;
    exactly_the_limit_passes("window", "coalesced").await;
    no_more_than_the_limit_passes("window").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_aligned_window() {
    exactly_the_limit_passes("aligned window", "alone").await;
    exactly_the_limit_passes("aligned window", "coalesced").await;
    no_more_than_the_limit_passes("aligned window").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_sliding_window() {
    exactly_the_limit_passes("sliding window", "alone").await;
    exactly_the_limit_passes("sliding window", "coalesced").await;
    no_more_than_the_limit_passes("sliding window").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_log() {
    exactly_the_limit_passes("log", "alone").await;
    exactly_the_limit_passes("log", "coalesced").await;
    no_more_than_the_limit_passes("log").await;
}
