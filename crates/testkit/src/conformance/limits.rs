//! Sizes, and what errors give away.

use bytes::Bytes;
use cachekit_store::{ErrorKind, Increment, SetItem, SetOptions, StoreExt};

use super::fixture::{Fixture, LONG};

/// One byte more than the store takes; fresh zeroed memory, so even a large one costs little.
fn too_large(fixture: &Fixture) -> Bytes {
    let limit = fixture.store.capabilities().max_value_size;
    assert!(
        limit <= 1 << 30,
        "test with a store that has a limit of at most 1 GiB"
    );
    Bytes::from(vec![0; limit + 1])
}

pub(super) async fn the_largest_small_value_is_taken(fixture: &Fixture) {
    let len = fixture.store.capabilities().max_value_size.min(1 << 20);
    let key = fixture.key("a");
    fixture.put(&key, vec![7; len]).await;
    assert_eq!(
        fixture
            .store
            .get(&key)
            .await
            .unwrap()
            .map(|value| value.len()),
        Some(len)
    );
}

pub(super) async fn a_value_over_the_limit_is_refused_and_nothing_written(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "old").await;
    let error = fixture
        .store
        .set(&key, too_large(fixture), SetOptions::ttl(LONG))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::TooLarge, false)
    );
    fixture.assert_value(&key, "old").await;
}

pub(super) async fn one_value_over_the_limit_refuses_the_whole_batch(fixture: &Fixture) {
    let keys = ["a", "large", "b"].map(|name| fixture.key(name));
    let values = [
        Bytes::from_static(b"1"),
        too_large(fixture),
        Bytes::from_static(b"2"),
    ];
    let items: Vec<SetItem> = keys
        .iter()
        .zip(values)
        .map(|(key, value)| SetItem::new(key.clone(), value, SetOptions::ttl(LONG)))
        .collect();
    let error = fixture.store.set_many(&items).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::TooLarge, false)
    );
    for key in &keys {
        fixture.assert_missing(key).await;
    }
}

pub(super) async fn errors_hold_no_values(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "hunter2").await;
    let refused = fixture
        .store
        .increment(&[Increment::new(key.clone(), 1, LONG)])
        .await
        .unwrap_err();
    let mut shown = format!("{refused} {refused:?}");
    let mut source = std::error::Error::source(&refused);
    while let Some(cause) = source {
        shown += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    assert!(!shown.contains("hunter2"), "an error shows the value");
    assert!(fixture.store.exists(&key).await.unwrap());
}
