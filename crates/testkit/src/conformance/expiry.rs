//! Lifetimes: reading them, changing them, and their end.

use cachekit_keys::{Key, Ttl};
use cachekit_store::{ExpireChange, KeyExpiry, SetOptions};

use super::fixture::{Fixture, LONG, assert_left, millis, outlive};

const SHORTER: Ttl = Ttl::seconds(90);
const LONGER: Ttl = Ttl::seconds(5_000);

/// A key with the TTL `LONG`, one without a TTL, and one that does not exist.
async fn three(fixture: &Fixture) -> [Key; 3] {
    let keys = ["timed", "forever", "missing"].map(|name| fixture.key(name));
    fixture.put(&keys[0], "1").await;
    fixture.put_forever(&keys[1], "2").await;
    keys
}

async fn expire(fixture: &Fixture, keys: &[Key], change: ExpireChange) -> Vec<bool> {
    fixture.store.expire(keys, change).await.unwrap()
}

pub(super) async fn a_key_is_gone_after_its_ttl(fixture: &Fixture) {
    let [short, long] = ["short", "long"].map(|name| fixture.key(name));
    fixture.put(&long, "1").await;
    fixture
        .store
        .set(&short, "2".into(), SetOptions::ttl(millis(50)))
        .await
        .unwrap();
    outlive(millis(50)).await;
    fixture.assert_missing(&short).await;
    assert_eq!(
        fixture
            .store
            .get_many(std::slice::from_ref(&short))
            .await
            .unwrap(),
        [None]
    );
    assert_eq!(
        fixture
            .store
            .get_entries(std::slice::from_ref(&short))
            .await
            .unwrap(),
        [None]
    );
    assert_eq!(fixture.store.delete(&[short]).await.unwrap(), 0);
    fixture.assert_value(&long, "1").await;
}

pub(super) async fn a_ttl_of_one_millisecond_is_taken(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(
        fixture
            .store
            .set(&key, "1".into(), SetOptions::ttl(Ttl::MIN))
            .await
            .unwrap()
    );
    outlive(Ttl::MIN).await;
    fixture.assert_missing(&key).await;
}

pub(super) async fn the_longest_ttl_is_taken(fixture: &Fixture) {
    let key = fixture.key("a");
    assert!(
        fixture
            .store
            .set(&key, "1".into(), SetOptions::ttl(Ttl::MAX))
            .await
            .unwrap()
    );
    fixture.assert_ttl(&key, Ttl::MAX).await;
}

pub(super) async fn expiries_tell_missing_never_and_remaining(fixture: &Fixture) {
    let keys = three(fixture).await;
    let expiries = fixture.store.expiries(&keys).await.unwrap();
    let [KeyExpiry::In(left), KeyExpiry::Never, KeyExpiry::Missing] = expiries[..] else {
        panic!("{expiries:?}")
    };
    assert_left(left, LONG);
}

pub(super) async fn after_replaces_any_ttl(fixture: &Fixture) {
    let keys = three(fixture).await;
    for ttl in [SHORTER, LONGER] {
        assert_eq!(
            expire(fixture, &keys, ExpireChange::After(ttl)).await,
            [true, true, false]
        );
        fixture.assert_ttl(&keys[0], ttl).await;
        fixture.assert_ttl(&keys[1], ttl).await;
    }
    fixture.assert_value(&keys[0], "1").await;
}

pub(super) async fn if_none_leaves_a_running_ttl(fixture: &Fixture) {
    let keys = three(fixture).await;
    assert_eq!(
        expire(fixture, &keys, ExpireChange::IfNone(SHORTER)).await,
        [false, true, false]
    );
    fixture.assert_ttl(&keys[0], LONG).await;
    fixture.assert_ttl(&keys[1], SHORTER).await;
}

pub(super) async fn at_least_raises_a_shorter_ttl(fixture: &Fixture) {
    let [timed, ..] = three(fixture).await;
    let change = ExpireChange::AtLeast(LONGER);
    assert_eq!(
        expire(fixture, std::slice::from_ref(&timed), change).await,
        [true]
    );
    fixture.assert_ttl(&timed, LONGER).await;
}

pub(super) async fn at_least_leaves_a_longer_or_absent_ttl(fixture: &Fixture) {
    let keys = three(fixture).await;
    let change = ExpireChange::AtLeast(SHORTER);
    assert_eq!(expire(fixture, &keys, change).await, [false, false, false]);
    fixture.assert_ttl(&keys[0], LONG).await;
    fixture.assert_forever(&keys[1]).await;
}

pub(super) async fn never_persists(fixture: &Fixture) {
    let keys = three(fixture).await;
    assert_eq!(
        expire(fixture, &keys, ExpireChange::Never).await,
        [true, false, false]
    );
    fixture.assert_forever(&keys[0]).await;
    fixture.assert_forever(&keys[1]).await;
}

pub(super) async fn changes_of_missing_keys_are_refused(fixture: &Fixture) {
    let key = fixture.key("missing");
    let changes = [
        ExpireChange::After(LONG),
        ExpireChange::IfNone(LONG),
        ExpireChange::AtLeast(LONG),
        ExpireChange::Never,
    ];
    for change in changes {
        assert_eq!(
            expire(fixture, std::slice::from_ref(&key), change).await,
            [false],
            "{change:?}"
        );
        fixture.assert_missing(&key).await;
    }
}
