//! A server that is killed, and whose successor has nothing: no state, no scripts, no listeners.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, KeySchema, QuotaMetric, UserId};
use cachekit_limits::{
    Coalescing, InFlightLimiter, Leasing, Limit, Limiter, Origin, Quota, QuotaPlan, Settlement,
    Unit,
};
use cachekit_store::{RedisStore, Store, StoreExt, Tasks};
use cachekit_testkit::server::{Kind, Server};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::user;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(5);

async fn connect(server: &Server) -> Arc<dyn Store> {
    let builder = RedisStore::builder(&server.url()).request_timeout(Duration::from_secs(2));
    Arc::new(builder.connect().await.unwrap())
}

/// Asks until a check is answered by a server.
async fn answered<T>(mut ask: impl AsyncFnMut() -> cachekit_store::Result<T>) -> T {
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                assert!(begun.elapsed() < MINUTE, "no server came back");
                sleep(SOON).await;
            }
        }
    }
}

/// What callers got of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Got {
    allowed: u64,
    /// Errors after which the units may have been taken.
    open: u64,
}

/// Eight callers that take one unit after the other from the first server and then from the second; what they got of each.
async fn hammered(server: &mut Server, limiter: &Limiter) -> [Got; 2] {
    let (told, tells) = watch::channel(0);
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (limiter, tells) = (limiter.clone(), tells.clone());
        callers.spawn(async move {
            let mut got = [Got::default(); 2];
            loop {
                let answer = limiter.check(&user(), 1).await;
                // Whose it is: of the second, none comes before the first is gone.
                let now = *tells.borrow();
                match answer {
                    Ok(decision) => got[now.min(1)].allowed += u64::from(decision.is_allowed()),
                    Err(error) => {
                        got[now.min(1)].open += u64::from(error.may_have_applied());
                        sleep(SOON).await;
                    }
                }
                if now == 2 {
                    return got;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let full = async || {
        answered(async || limiter.status(&user()).await)
            .await
            .remaining()
            == 0
    };
    while !full().await {
        sleep(SOON).await;
    }
    server.kill().await.unwrap();
    // What is on its way fails now, and belongs to the first.
    sleep(100 * SOON).await;
    told.send(1).unwrap();
    server.restart().await.unwrap();
    while !full().await {
        sleep(SOON).await;
    }
    told.send(2).unwrap();
    let mut sums = [Got::default(); 2];
    while let Some(got) = callers.join_next().await {
        for (sum, got) in sums.iter_mut().zip(got.unwrap()) {
            sum.allowed += got.allowed;
            sum.open += got.open;
        }
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_lets_exactly_the_limit_pass() {
    for coalesced in [false, true] {
        let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
            return;
        };
        let limits = vec![
            Limit::fixed_window(200, 24 * HOUR).unwrap(),
            Limit::monthly(300).unwrap(),
        ];
        let schema = KeySchema::plain();
        let mut limiter = Limiter::all_of(connect(&server).await, schema, limits).unwrap();
        if coalesced {
            limiter = limiter.coalesced(Coalescing::new());
        }
        for got in hammered(&mut server, &limiter).await {
            let Got { allowed, open } = got;
            assert!(
                allowed <= 200 && allowed + open >= 200,
                "{got:?}, coalesced: {coalesced}"
            );
        }
        // Nothing stays for ever, as nothing was left half written.
        let window = Key::from_raw("ratelimit:user123:window:requests").unwrap();
        let store = connect(&server).await;
        let expiry = store.expiry(&window).await.unwrap();
        assert!(
            matches!(expiry, cachekit_store::KeyExpiry::In(_)),
            "{expiry:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_lost_server_knew_is_unknown_and_charged_to_nobody() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&server).await;
    let plan = QuotaPlan::per(Unit::Day, 100).unwrap();
    let (schema, calls) = (KeySchema::plain(), QuotaMetric::api_calls());
    let quota = Quota::metric(Arc::clone(&store), schema.clone(), calls, plan);
    let running = InFlightLimiter::new(Arc::clone(&store), schema.clone(), 1, MINUTE).unwrap();
    let window = Limit::fixed_window(10, HOUR).unwrap();
    let limiter = Limiter::new(store, schema, window);
    for id in ["a", "b", "c"] {
        assert!(
            quota
                .reserve(&user(), id, 30, MINUTE)
                .await
                .unwrap()
                .is_allowed()
        );
    }
    let _ = quota.commit_part(&user(), "c", 10).await.unwrap();
    let taken = limiter.check(&user(), 4).await.unwrap();
    limiter.refund_once(&user(), &taken, 1, "r").await.unwrap();
    let lease = running.acquire(&user(), 1).await.unwrap().lease().unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();

    let settled = answered(async || quota.commit(&user(), "a", 30).await).await;
    assert_eq!(settled, Settlement::Unknown);
    assert_eq!(
        quota.cancel(&user(), "b").await.unwrap(),
        Settlement::Unknown
    );
    assert!(!quota.extend(&user(), "b", MINUTE).await.unwrap());
    let part = quota.commit_part(&user(), "c", 20).await.unwrap();
    assert_eq!(part, Settlement::Unknown);
    let usage = quota.usage(&user()).await.unwrap();
    assert_eq!((usage.used(), usage.windows()[0].held()), (0, 0));
    // Reserved anew it is charged, once.
    assert!(
        quota
            .reserve(&user(), "a", 30, MINUTE)
            .await
            .unwrap()
            .is_allowed()
    );
    for _ in 0..2 {
        let settled = quota.commit(&user(), "a", 25).await.unwrap();
        assert_eq!(settled, Settlement::Committed(25));
    }
    assert_eq!(quota.usage(&user()).await.unwrap().used(), 25);

    // What was taken of a window that is gone cannot be given back, neither again nor at all.
    assert!(limiter.check(&user(), 5).await.unwrap().is_allowed());
    let status = limiter.refund_once(&user(), &taken, 1, "r").await.unwrap();
    assert_eq!(status.used(), 5);
    assert_eq!(limiter.refund(&user(), &taken).await.unwrap().used(), 5);

    assert!(!lease.renew().await.unwrap(), "it may be another's by now");
    let others = running.acquire(&user(), 1).await.unwrap().lease().unwrap();
    assert!(!lease.release().await.unwrap());
    assert_eq!(running.free(&user()).await.unwrap(), 0);
    assert!(others.release().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_of_the_lost_server_is_forgotten() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let tasks = Tasks::new();
    let limit = Limit::fixed_window(10, 24 * HOUR).unwrap();
    let limiter = Limiter::new(connect(&server).await, KeySchema::plain(), limit)
        .remembering_denials(24 * HOUR)
        .hearing_of_changes(&tasks)
        .unwrap();
    assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
    while limiter.check(&user(), 1).await.unwrap().origin() != Origin::DenialCache {
        sleep(SOON).await;
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let allowed = answered(async || {
        let decision = limiter.check(&user(), 1).await?;
        Ok(decision.is_allowed())
    });
    let mut allowed = allowed.await;
    let begun = Instant::now();
    while !allowed {
        assert!(begun.elapsed() < MINUTE, "the denial outlasts its server");
        sleep(SOON).await;
        allowed = limiter
            .check(&user(), 1)
            .await
            .is_ok_and(|decision| decision.is_allowed());
    }
    let _ = tasks.shutdown(MINUTE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leased_units_of_the_lost_server_pass_once_and_go_back_to_nobody() {
    const LIMIT: u64 = 100;
    const LEASED: u64 = 30;
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let tasks = Tasks::new();
    let store = connect(&server).await;
    let limit = Limit::fixed_window(LIMIT, HOUR).unwrap();
    let plain = Limiter::new(store, KeySchema::plain(), limit);
    let leasing = Leasing::up_to(LEASED).lasting(10 * MINUTE);
    let leased = plain.clone().leased(leasing, &tasks).unwrap();
    for _ in 0..50 {
        assert!(leased.check(&user(), 1).await.unwrap().is_allowed());
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();

    // A second process begins on the new server; the first still has what it took from the old one.
    let first = answered(async || plain.check(&user(), 40).await).await;
    assert!(first.is_allowed());
    let mut passed = 40;
    while leased.check(&user(), 1).await.unwrap().is_allowed() {
        passed += 1;
    }
    assert!((LIMIT..=LIMIT + LEASED).contains(&passed), "{passed}");
    let _ = tasks.shutdown(MINUTE).await;
    assert_eq!(plain.status(&user()).await.unwrap().remaining(), 0);
    let other = UserId::new("other").unwrap();
    assert!(plain.check(&other, LIMIT).await.unwrap().is_allowed());
}
