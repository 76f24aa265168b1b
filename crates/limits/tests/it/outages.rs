//! A store that is away, denials that are remembered, and limits that only watch.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, UserId};
use cachekit_limits::{Limit, Limiter, Origin, Outage};
use cachekit_store::{ErrorKind, MemoryStore, RedisStore, Store};
use cachekit_testkit::server::{Kind, Server};

use crate::support::{limiter, user};

const MINUTE: Duration = Duration::from_secs(60);

/// A store whose server is nowhere.
fn nowhere() -> RedisStore {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let store = RedisStore::builder(&format!("redis://127.0.0.1:{port}")).build();
    store.unwrap()
}

/// A limiter of it.
async fn away(limit: Limit) -> Limiter {
    Limiter::new(Arc::new(nowhere()), KeySchema::plain(), limit)
}

fn ten_a_minute() -> Limit {
    Limit::token_bucket(10, MINUTE).unwrap()
}

#[tokio::test]
async fn without_a_policy_an_outage_is_an_error() {
    let limiter = away(ten_a_minute()).await;
    let error = limiter.check(&user(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_outage_lets_pass_or_denies_as_the_policy_says() {
    let open = away(ten_a_minute()).await.in_outage(Outage::Allow).unwrap();
    let decision = open.check(&user(), 3).await.unwrap();
    assert_eq!((decision.is_allowed(), decision.taken()), (true, 3));
    assert_eq!(decision.origin(), Origin::Outage);
    let retry_after = Duration::from_secs(2);
    let closed = away(ten_a_minute()).await;
    let closed = closed.in_outage(Outage::Deny { retry_after }).unwrap();
    let decision = closed.check(&user(), 3).await.unwrap();
    assert_eq!((decision.is_allowed(), decision.taken()), (false, 0));
    assert_eq!(decision.retry_after(), Some(retry_after));
    // A wrong call is wrong all the same.
    let error = open.check(&user(), 11).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn in_an_outage_each_process_keeps_to_its_share() {
    for limit in [
        ten_a_minute(),
        Limit::fixed_window(10, MINUTE).unwrap(),
        Limit::sliding_log(10, MINUTE).unwrap(),
        Limit::daily(10).unwrap(),
    ] {
        let limiter = away(limit)
            .await
            .in_outage(Outage::Local { processes: 3 })
            .unwrap();
        let mut passed = 0;
        for _ in 0..10 {
            let decision = limiter.check(&user(), 1).await.unwrap();
            assert_eq!(decision.origin(), Origin::Local);
            passed += decision.taken();
        }
        assert_eq!(passed, 3);
        // A cost above the share is the whole share, and not impossible.
        let other = UserId::new("other").unwrap();
        assert!(limiter.check(&other, 10).await.unwrap().is_allowed());
        assert!(!limiter.check(&other, 1).await.unwrap().is_allowed());
    }
    let nobody = away(ten_a_minute())
        .await
        .in_outage(Outage::Local { processes: 0 });
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// A limiter of a burst and a day, whose server is nowhere.
async fn both_away(burst: Outage, daily: Outage) -> Limiter {
    let store = Arc::new(nowhere());
    let limits = vec![
        ten_a_minute().named("burst").unwrap(),
        Limit::daily(100).unwrap(),
    ];
    let limiter = Limiter::all_of(store, KeySchema::plain(), limits).unwrap();
    let limiter = limiter.in_outage(daily).unwrap();
    limiter.in_outage_for("burst", burst).unwrap()
}

#[tokio::test]
async fn each_limit_has_its_own_policy_in_an_outage() {
    let (local, later) = (Outage::Local { processes: 2 }, Duration::from_secs(2));
    let deny = Outage::Deny { retry_after: later };
    let limiter = both_away(local, Outage::Allow).await;
    for left in [3, 1] {
        let decision = limiter.check(&user(), 2).await.unwrap();
        assert_eq!((decision.taken(), decision.origin()), (2, Origin::Local));
        let names = [decision.binding().name(), decision.limits()[1].name()];
        assert_eq!((names, decision.remaining()), (["burst", "daily"], left));
    }
    let denied = limiter.check(&user(), 2).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.taken()), (false, 0));
    assert_eq!(denied.binding().name(), "burst");

    // What one denies takes nothing from the other's share.
    let closed = both_away(local, deny).await;
    for _ in 0..3 {
        let denied = closed.check(&user(), 5).await.unwrap();
        let why = (denied.is_allowed(), denied.origin(), denied.taken());
        assert_eq!(why, (false, Origin::Outage, 0));
        let wait = (denied.binding().name(), denied.retry_after());
        assert_eq!(wait, ("daily", Some(later)));
        assert_eq!(denied.limits()[0].remaining(), 5);
    }

    let two = both_away(local, Outage::Local { processes: 50 }).await;
    let most = two.check_at_most(&user(), 10).await.unwrap();
    assert_eq!((most.taken(), most.binding().name()), (2, "daily"));

    let failing = both_away(local, Outage::Fail).await;
    let error = failing.check(&user(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let unknown = failing.in_outage_for("hourly", local).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    // Nobody takes more than there is.
    let open = both_away(Outage::Allow, Outage::Allow).await;
    let most = open.check_at_most(&user(), 50).await.unwrap();
    assert_eq!((most.taken(), most.origin()), (10, Origin::Outage));
}

#[tokio::test]
async fn a_share_of_a_bucket_is_filled_at_a_share_of_the_rate() {
    let store = MemoryStore::new();
    let limit = Limit::token_bucket(12, MINUTE).unwrap();
    let shared = Arc::new(store.clone());
    let limiter = Limiter::new(shared, KeySchema::plain(), limit);
    let limiter = limiter.in_outage(Outage::Local { processes: 4 }).unwrap();
    store.close().await;
    // Closed for good is no outage.
    assert_eq!(
        limiter.check(&user(), 1).await.unwrap_err().kind(),
        ErrorKind::Closed
    );

    let limiter = away(Limit::token_bucket(12, MINUTE).unwrap()).await;
    let limiter = limiter.in_outage(Outage::Local { processes: 4 }).unwrap();
    assert_eq!(limiter.check_at_most(&user(), 12).await.unwrap().taken(), 3);
    let denied = limiter.check(&user(), 1).await.unwrap();
    // Three in a minute: one every twenty seconds.
    let retry = denied.retry_after().unwrap();
    assert!(retry <= MINUTE / 3 && retry > MINUTE / 6, "{retry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_decides_again() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let builder = RedisStore::builder(&server.url()).request_timeout(Duration::from_millis(300));
    let store = Arc::new(builder.connect().await.unwrap());
    let limiter = Limiter::new(store, KeySchema::plain(), Limit::daily(5).unwrap());
    let limiter = limiter.in_outage(Outage::Local { processes: 1 }).unwrap();
    let first = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(first.origin(), Origin::Server);
    server.pause().await.unwrap();
    let second = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(
        (second.origin(), second.is_allowed()),
        (Origin::Local, true)
    );
    // What was taken here is not given back there.
    server.resume().await.unwrap();
    let status = limiter.refund(&user(), &second).await.unwrap();
    assert!(status.used() >= 1);
    assert_eq!(
        limiter.check(&user(), 1).await.unwrap().origin(),
        Origin::Server
    );
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_remembered_until_its_cost_may_pass() {
    let (limiter, store) = limiter(vec![ten_a_minute()]);
    let limiter = limiter.remembering_denials(MINUTE);
    assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
    let asked = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(
        (asked.origin(), asked.retry_after()),
        (Origin::Server, Some(MINUTE / 10))
    );
    tokio::time::advance(Duration::from_secs(2)).await;
    let commands = store.server_facts().await.unwrap().total_commands;
    let remembered = limiter.check(&user(), 1).await.unwrap();
    assert!(!remembered.is_allowed());
    assert_eq!(remembered.origin(), Origin::DenialCache);
    assert_eq!(remembered.retry_after(), Some(Duration::from_secs(4)));
    // Another cost, another subject and a look are asked of the store.
    assert_eq!(
        limiter.check(&user(), 2).await.unwrap().origin(),
        Origin::Server
    );
    assert_eq!(
        limiter.peek(&user(), 2).await.unwrap().origin(),
        Origin::Server
    );
    let other = UserId::new("other").unwrap();
    assert!(limiter.check(&other, 1).await.unwrap().is_allowed());
    let asked = store.server_facts().await.unwrap().total_commands - commands;
    assert!((3..=5).contains(&asked), "{asked}");
    tokio::time::advance(Duration::from_secs(4)).await;
    assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_here_ends_a_remembered_denial() {
    let (limiter, _) = limiter(vec![Limit::daily(10).unwrap()]);
    let limiter = limiter.remembering_denials(MINUTE);
    let first = limiter.check(&user(), 10).await.unwrap();
    for action in 0..4 {
        assert!(
            !limiter.check(&user(), 1).await.unwrap().is_allowed(),
            "{action}"
        );
        match action {
            0 => drop(limiter.refund_part(&user(), &first, 1).await.unwrap()),
            1 => limiter
                .set_limit(&user(), cachekit_limits::Period::Day, 11)
                .await
                .unwrap(),
            2 => limiter.reset(&user()).await.unwrap(),
            _ => break,
        }
        let again = limiter.check(&user(), 1).await.unwrap();
        assert!(again.is_allowed(), "{action}: {again:?}");
        let _ = limiter.check_at_most(&user(), 100).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_remembered_for_no_longer_than_was_said() {
    let (limiter, _) = limiter(vec![Limit::daily(1).unwrap()]);
    let limiter = limiter.remembering_denials(Duration::from_secs(5));
    for expected in [true, false, false] {
        assert_eq!(
            limiter.check(&user(), 1).await.unwrap().is_allowed(),
            expected
        );
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(
        limiter.check(&user(), 1).await.unwrap().origin(),
        Origin::Server
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_shadow_denies_nothing_and_tells_what_it_would() {
    let (limiter, _) = limiter(vec![Limit::fixed_window(2, MINUTE).unwrap()]);
    let limiter = limiter.in_shadow();
    for denied in [false, false, true, true] {
        let decision = limiter.check(&user(), 1).await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!(decision.is_denied_in_shadow(), denied);
        assert_eq!(decision.taken(), u64::from(!denied));
    }
}
