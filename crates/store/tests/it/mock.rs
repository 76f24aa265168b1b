//! The mock stands in for any store, and asserts the calls made of it.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, MockStore, Store, StoreExt};

#[tokio::test]
async fn a_mock_answers_what_it_was_told_through_a_trait_object() {
    let mut mock = MockStore::new();
    mock.expect_get()
        .withf(|key| key.as_bytes() == b"k")
        .times(1)
        .returning(|_| Ok(Some(Bytes::from_static(b"v"))));
    mock.expect_delete()
        .times(1)
        .returning(|keys| Ok(keys.len() as u64));
    let store: Arc<dyn Store> = Arc::new(mock);
    let key = Key::from_raw("k").unwrap();
    assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(&b"v"[..]));
    assert!(store.delete_one(&key).await.unwrap());
}

#[tokio::test]
async fn a_mock_can_fail() {
    let mut mock = MockStore::new();
    mock.expect_time()
        .returning(|| Err(Error::new(ErrorKind::Unavailable, "time")));
    assert!(mock.time().await.unwrap_err().is_retryable());
}
