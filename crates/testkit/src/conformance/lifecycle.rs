//! The store as a whole: facts, time, closing, dropped calls.

use std::time::{Duration, SystemTime};

use cachekit_store::{
    ErrorKind, ExpireChange, Increment, Result, ScanRequest, SetItem, SetOptions,
};

use super::fixture::{Fixture, LONG};

pub(super) async fn facts_are_plausible(fixture: &Fixture) {
    let before = fixture.store.server_facts().await.unwrap();
    for key in fixture.space.keys("k", 20) {
        fixture.put(&key, "v").await;
    }
    let facts = fixture.store.server_facts().await.unwrap();
    assert!(
        ["redis", "valkey", "memory"].contains(&facts.product.as_str()),
        "{facts:?}"
    );
    assert!(
        facts
            .version
            .starts_with(|first: char| first.is_ascii_digit()),
        "{facts:?}"
    );
    assert!(facts.keys >= 20 && facts.used_memory > 0, "{facts:?}");
    assert!(facts.connected_clients >= 1, "{facts:?}");
    assert!(!facts.eviction_policy.is_empty(), "{facts:?}");
    assert!(
        facts.total_commands >= before.total_commands + 20,
        "{before:?} {facts:?}"
    );
    assert_eq!(facts.cluster, fixture.store.capabilities().clustered);
}

pub(super) async fn time_goes_forward(fixture: &Fixture) {
    let first = fixture.store.time().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = fixture.store.time().await.unwrap();
    let passed = second.duration_since(first).expect("time goes forward");
    assert!(
        passed >= Duration::from_millis(10) && passed < Duration::from_secs(60),
        "{passed:?}"
    );
    assert!(
        first > SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000),
        "{first:?}"
    );
}

fn assert_closed<T>(method: &str, result: Result<T>) {
    let Err(error) = result else {
        panic!("{method} works on a closed store")
    };
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Closed, false),
        "{method}: {error}"
    );
}

pub(super) async fn a_closed_store_answers_closed(fixture: &Fixture) {
    let store = fixture.subject.open().await;
    let key = fixture.key("a");
    let keys = [key.clone()];
    let options = SetOptions::ttl(LONG);
    store.set(&key, "v".into(), options).await.unwrap();
    store.close().await;
    assert_closed("get", store.get(&key).await);
    assert_closed("get_many", store.get_many(&keys).await);
    assert_closed("get_entries", store.get_entries(&keys).await);
    assert_closed("set", store.set(&key, "v".into(), options).await);
    assert_closed(
        "set_many",
        store
            .set_many(&[SetItem::new(key.clone(), "v", options)])
            .await,
    );
    assert_closed("delete", store.delete(&keys).await);
    assert_closed("expiries", store.expiries(&keys).await);
    assert_closed("expire", store.expire(&keys, ExpireChange::Never).await);
    assert_closed(
        "increment",
        store.increment(&[Increment::new(key, 1, LONG)]).await,
    );
    assert_closed(
        "scan",
        store
            .scan(&ScanRequest::new(fixture.space.everything()))
            .await,
    );
    assert_closed("time", store.time().await);
    assert_closed("server_facts", store.server_facts().await);
}

pub(super) async fn closing_twice_does_no_harm(fixture: &Fixture) {
    let store = fixture.subject.open().await;
    store.close().await;
    store.close().await;
    assert_closed("time", store.time().await);
    fixture
        .store
        .time()
        .await
        .expect("the other store is still open");
}

/// Each dropped call is polled once, so that its request may be on its way; later answers must not shift.
pub(super) async fn dropped_calls_do_not_disturb_later_ones(fixture: &Fixture) {
    let keys = fixture.space.keys("k", 10);
    for key in &keys {
        fixture.put(key, key.to_bytes()).await;
    }
    for round in 0..50 {
        let dropped = fixture.store.get(&keys[round % 10]);
        drop(tokio::time::timeout(Duration::ZERO, dropped).await);
        let key = &keys[(round + 3) % 10];
        fixture.assert_value(key, key.as_bytes()).await;
    }
}
