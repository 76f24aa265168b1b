//! Many keys in one call: answers in the order of the request.

use bytes::Bytes;
use cachekit_store::{Condition, Expiration, ExpireChange, SetItem, SetOptions};

use super::fixture::{Fixture, LONG, assert_left};

fn some(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

pub(super) async fn empty_batches_answer_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    assert!(store.get_entries(&[]).await.unwrap().is_empty());
    assert!(store.set_many(&[]).await.unwrap().is_empty());
    assert_eq!(store.delete(&[]).await.unwrap(), 0);
    assert!(store.expiries(&[]).await.unwrap().is_empty());
    assert!(
        store
            .expire(&[], ExpireChange::Never)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.increment(&[]).await.unwrap().is_empty());
}

pub(super) async fn values_come_in_the_order_of_the_keys(fixture: &Fixture) {
    let [a, b, missing] = ["a", "b", "missing"].map(|name| fixture.key(name));
    fixture.put(&a, "1").await;
    fixture.put(&b, "2").await;
    let values = fixture.store.get_many(&[b, missing, a]).await.unwrap();
    assert_eq!(values, [some("2"), None, some("1")]);
}

pub(super) async fn a_key_asked_for_twice_is_answered_twice(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "1").await;
    let values = fixture.store.get_many(&[key.clone(), key]).await.unwrap();
    assert_eq!(values, [some("1"), some("1")]);
}

pub(super) async fn entries_carry_what_is_left_of_their_life(fixture: &Fixture) {
    let [timed, forever, missing] = ["timed", "forever", "missing"].map(|name| fixture.key(name));
    fixture.put(&timed, "1").await;
    fixture.put_forever(&forever, "2").await;
    let entries = fixture
        .store
        .get_entries(&[missing, forever, timed])
        .await
        .unwrap();
    let [None, Some(forever), Some(timed)] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!((&forever.value[..], forever.expires_in), (&b"2"[..], None));
    assert_eq!(timed.value, "1");
    assert_left(timed.expires_in.expect("it has a TTL"), LONG);
}

pub(super) async fn writes_answer_in_order_each_by_its_own_condition(fixture: &Fixture) {
    let [old, new, missing] = ["old", "new", "missing"].map(|name| fixture.key(name));
    fixture.put(&old, "0").await;
    let if_absent = SetOptions::ttl(LONG).with_condition(Condition::IfAbsent);
    let if_present = SetOptions::new(Expiration::Keep).with_condition(Condition::IfPresent);
    let items = [
        SetItem::new(old.clone(), "1", if_absent),
        SetItem::new(new.clone(), "2", if_absent),
        SetItem::new(missing.clone(), "3", if_present),
        SetItem::new(old.clone(), "4", if_present),
    ];
    assert_eq!(
        fixture.store.set_many(&items).await.unwrap(),
        [false, true, false, true]
    );
    fixture.assert_value(&old, "4").await;
    fixture.assert_ttl(&old, LONG).await;
    fixture.assert_value(&new, "2").await;
    fixture.assert_missing(&missing).await;
}

pub(super) async fn later_writes_of_a_batch_win(fixture: &Fixture) {
    let key = fixture.key("a");
    let write = |value: &'static str| SetItem::new(key.clone(), value, SetOptions::ttl(LONG));
    assert_eq!(
        fixture
            .store
            .set_many(&[write("1"), write("2")])
            .await
            .unwrap(),
        [true, true]
    );
    fixture.assert_value(&key, "2").await;
}

pub(super) async fn hundreds_of_keys_go_in_one_batch(fixture: &Fixture) {
    let keys = fixture.space.keys("k", 700);
    let item = |(number, key): (usize, &_)| {
        SetItem::new(Clone::clone(key), number.to_string(), SetOptions::ttl(LONG))
    };
    let items: Vec<SetItem> = keys.iter().enumerate().map(item).collect();
    assert_eq!(
        fixture.store.set_many(&items).await.unwrap(),
        vec![true; 700]
    );
    let values = fixture.store.get_many(&keys).await.unwrap();
    for (number, value) in values.into_iter().enumerate() {
        assert_eq!(value, Some(Bytes::from(number.to_string())));
    }
    assert_eq!(fixture.store.delete(&keys).await.unwrap(), 700);
}
