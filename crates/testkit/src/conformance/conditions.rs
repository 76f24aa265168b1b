//! Conditions (`NX`, `XX`) and expirations (`KEEPTTL`, none) of a write.

use cachekit_keys::{Key, Ttl};
use cachekit_store::{Condition, Expiration, SetOptions};

use super::fixture::{Fixture, LONG, millis, outlive};

const OTHER: Ttl = Ttl::seconds(90);

async fn set(fixture: &Fixture, key: &Key, value: &'static str, options: SetOptions) -> bool {
    fixture.store.set(key, value.into(), options).await.unwrap()
}

fn when(condition: Condition) -> SetOptions {
    SetOptions::ttl(OTHER).with_condition(condition)
}

pub(super) async fn if_absent_writes_only_once(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(set(fixture, &key, "first", when(Condition::IfAbsent)).await);
    assert!(!set(fixture, &key, "second", when(Condition::IfAbsent)).await);
    fixture.assert_value(&key, "first").await;
}

pub(super) async fn if_present_writes_only_over(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(!set(fixture, &key, "first", when(Condition::IfPresent)).await);
    fixture.assert_missing(&key).await;
    fixture.put(&key, "second").await;
    assert!(set(fixture, &key, "third", when(Condition::IfPresent)).await);
    fixture.assert_value(&key, "third").await;
    fixture.assert_ttl(&key, OTHER).await;
}

pub(super) async fn a_refused_write_changes_neither_value_nor_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "kept").await;
    assert!(!set(fixture, &key, "lost", when(Condition::IfAbsent)).await);
    fixture.assert_value(&key, "kept").await;
    fixture.assert_ttl(&key, LONG).await;
}

pub(super) async fn keep_keeps_a_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "old").await;
    assert!(set(fixture, &key, "new", SetOptions::new(Expiration::Keep)).await);
    fixture.assert_value(&key, "new").await;
    fixture.assert_ttl(&key, LONG).await;
}

pub(super) async fn keep_keeps_the_absence_of_a_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put_forever(&key, "old").await;
    assert!(set(fixture, &key, "new", SetOptions::new(Expiration::Keep)).await);
    fixture.assert_forever(&key).await;
}

pub(super) async fn keep_on_a_missing_key_is_never(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(set(fixture, &key, "new", SetOptions::new(Expiration::Keep)).await);
    fixture.assert_forever(&key).await;
}

pub(super) async fn never_removes_a_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "old").await;
    fixture.put_forever(&key, "new").await;
    fixture.assert_forever(&key).await;
}

pub(super) async fn an_expired_key_is_absent(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(set(fixture, &key, "old", SetOptions::ttl(millis(20))).await);
    outlive(millis(20)).await;
    assert!(!set(fixture, &key, "lost", when(Condition::IfPresent)).await);
    assert!(set(fixture, &key, "new", when(Condition::IfAbsent)).await);
    fixture.assert_value(&key, "new").await;
}
