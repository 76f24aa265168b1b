//! Counters: sums, their TTLs, and what is refused.

use std::sync::Arc;

use cachekit_keys::{Key, Ttl};
use cachekit_store::{ErrorKind, Increment, StoreExt};

use super::fixture::{Fixture, LONG};

const WINDOW: Ttl = Ttl::seconds(90);

async fn add(fixture: &Fixture, key: &Key, by: i64) -> i64 {
    fixture.store.increment_one(key, by, WINDOW).await.unwrap()
}

async fn refusal(fixture: &Fixture, key: &Key, by: i64) -> ErrorKind {
    let error = fixture
        .store
        .increment_one(key, by, WINDOW)
        .await
        .unwrap_err();
    assert!(!error.may_have_applied(), "{error}");
    error.kind()
}

pub(super) async fn a_missing_counter_counts_from_zero(fixture: &Fixture) {
    let key = fixture.key("c");
    assert_eq!(add(fixture, &key, 5).await, 5);
    assert_eq!(add(fixture, &key, 2).await, 7);
    fixture.assert_value(&key, "7").await;
    fixture.assert_ttl(&key, WINDOW).await;
}

pub(super) async fn additions_may_be_negative(fixture: &Fixture) {
    let key = fixture.key("c");
    assert_eq!(add(fixture, &key, -3).await, -3);
    assert_eq!(add(fixture, &key, 3).await, 0);
    assert_eq!(add(fixture, &key, 0).await, 0);
}

pub(super) async fn sums_come_in_the_order_of_the_batch(fixture: &Fixture) {
    let [a, b] = ["a", "b"].map(|name| fixture.key(name));
    let steps = [(&a, 1), (&b, 10), (&a, 2)];
    let batch = steps.map(|(key, by)| Increment::new(key.clone(), by, WINDOW));
    assert_eq!(fixture.store.increment(&batch).await.unwrap(), [1, 10, 3]);
}

pub(super) async fn a_running_ttl_is_kept(fixture: &Fixture) {
    let key = fixture.key("c");
    fixture.put(&key, "1").await;
    assert_eq!(add(fixture, &key, 1).await, 2);
    fixture.assert_ttl(&key, LONG).await;
}

pub(super) async fn a_counter_without_a_ttl_is_given_one(fixture: &Fixture) {
    let key = fixture.key("c");
    fixture.put_forever(&key, "41").await;
    assert_eq!(add(fixture, &key, 1).await, 42);
    fixture.assert_ttl(&key, WINDOW).await;
}

pub(super) async fn a_persistent_counter_has_no_ttl(fixture: &Fixture) {
    let [new, timed] = ["new", "timed"].map(|name| fixture.key(name));
    fixture.put(&timed, "1").await;
    let batch = [&new, &timed].map(|key| Increment::persistent(key.clone(), 1));
    assert_eq!(fixture.store.increment(&batch).await.unwrap(), [1, 2]);
    fixture.assert_forever(&new).await;
    fixture.assert_ttl(&timed, LONG).await;
}

pub(super) async fn text_that_is_no_integer_is_refused_and_kept(fixture: &Fixture) {
    let key = fixture.key("c");
    for text in ["", "x", "1.5", " 1", "1 ", "01", "9223372036854775808"] {
        fixture.put_forever(&key, text).await;
        assert_eq!(
            refusal(fixture, &key, 1).await,
            ErrorKind::WrongType,
            "{text:?}"
        );
        fixture.assert_value(&key, text).await;
        fixture.assert_forever(&key).await;
    }
}

pub(super) async fn an_overflow_is_refused_and_the_counter_kept(fixture: &Fixture) {
    let key = fixture.key("c");
    for (limit, by) in [(i64::MAX, 1), (i64::MIN, -1)] {
        fixture.put_forever(&key, limit.to_string()).await;
        assert_eq!(refusal(fixture, &key, by).await, ErrorKind::InvalidInput);
        fixture.assert_value(&key, limit.to_string()).await;
        fixture.assert_forever(&key).await;
    }
}

pub(super) async fn the_others_of_a_batch_count_although_one_is_refused(fixture: &Fixture) {
    let keys = ["a", "text", "b"].map(|name| fixture.key(name));
    fixture.put(&keys[1], "text").await;
    let batch = keys.clone().map(|key| Increment::new(key, 1, WINDOW));
    let error = fixture.store.increment(&batch).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true)
    );
    fixture.assert_value(&keys[0], "1").await;
    fixture.assert_value(&keys[1], "text").await;
    fixture.assert_value(&keys[2], "1").await;
}

pub(super) async fn the_whole_range_can_be_counted(fixture: &Fixture) {
    let key = fixture.key("c");
    assert_eq!(add(fixture, &key, i64::MAX).await, i64::MAX);
    assert_eq!(add(fixture, &key, -i64::MAX).await, 0);
    assert_eq!(add(fixture, &key, -i64::MAX).await, -i64::MAX);
    assert_eq!(add(fixture, &key, -1).await, i64::MIN);
    assert_eq!(add(fixture, &key, i64::MAX).await, -1);
}

pub(super) async fn no_addition_is_lost_under_concurrency(fixture: &Fixture) {
    let key = fixture.key("c");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, key) = (Arc::clone(&fixture.store), key.clone());
        tasks.spawn(async move {
            for _ in 0..25 {
                store.increment_one(&key, 1, WINDOW).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    fixture.assert_value(&key, "200").await;
}
