//! A value of another type than string under a key, as other programs leave them there.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Condition, ErrorKind, ExpireChange, Increment, KeyExpiry, Result, SetOptions, StoreExt,
};

use super::fixture::{Fixture, LONG};

async fn list(fixture: &Fixture) -> Key {
    let key = fixture.key("list");
    fixture.subject.put_list(&key).await;
    key
}

fn assert_wrong_type<T>(result: Result<T>) {
    let Err(error) = result else {
        panic!("a list was taken for a string")
    };
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, false),
        "{error}"
    );
}

pub(super) async fn get_of_another_type_is_an_error(fixture: &Fixture) {
    let key = list(fixture).await;
    assert_wrong_type(fixture.store.get(&key).await);
}

pub(super) async fn get_many_of_another_type_is_none(fixture: &Fixture) {
    let (key, text) = (list(fixture).await, fixture.key("text"));
    fixture.put(&text, "1").await;
    let values = fixture.store.get_many(&[key, text]).await.unwrap();
    assert_eq!(values, [None, Some(Bytes::from_static(b"1"))]);
}

pub(super) async fn get_entries_of_another_type_is_an_error(fixture: &Fixture) {
    let (key, text) = (list(fixture).await, fixture.key("text"));
    fixture.put(&text, "1").await;
    assert_wrong_type(fixture.store.get_entries(&[text, key]).await);
}

pub(super) async fn increment_of_another_type_is_an_error(fixture: &Fixture) {
    let key = list(fixture).await;
    assert_wrong_type(
        fixture
            .store
            .increment(&[Increment::new(key.clone(), 1, LONG)])
            .await,
    );
    fixture.assert_forever(&key).await;
}

pub(super) async fn set_overwrites_another_type(fixture: &Fixture) {
    let key = list(fixture).await;
    fixture.put(&key, "text").await;
    fixture.assert_value(&key, "text").await;
}

pub(super) async fn another_type_counts_as_present(fixture: &Fixture) {
    let key = list(fixture).await;
    let once = SetOptions::ttl(LONG).with_condition(Condition::IfAbsent);
    assert!(!fixture.store.set(&key, "1".into(), once).await.unwrap());
    assert_eq!(fixture.store.expiry(&key).await.unwrap(), KeyExpiry::Never);
    let keys = [key];
    assert_eq!(
        fixture
            .store
            .expire(&keys, ExpireChange::After(LONG))
            .await
            .unwrap(),
        [true]
    );
    assert_eq!(fixture.store.delete(&keys).await.unwrap(), 1);
}
