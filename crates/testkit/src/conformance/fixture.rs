//! What one case works with: the store, a namespace, and shorthands for what most cases do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{Expiration, KeyExpiry, SetOptions, Store, StoreExt};

use super::{space::TestSpace, subject::Subject};

/// A TTL that no case outlives, however slow the machine is.
pub(super) const LONG: Ttl = Ttl::seconds(1_000);

/// How much of a TTL may be gone when a server is asked for it.
const TOLERANCE: Duration = Duration::from_secs(30);

/// What one case works with.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) space: TestSpace,
    pub(super) subject: Arc<dyn Subject>,
}

impl Fixture {
    pub(super) fn new(subject: Arc<dyn Subject>) -> Self {
        Self {
            store: subject.store(),
            space: TestSpace::random(),
            subject,
        }
    }

    pub(super) fn key(&self, name: impl AsRef<[u8]>) -> Key {
        self.space.key(name)
    }

    /// Writes a value with a TTL that outlives the case.
    pub(super) async fn put(&self, key: &Key, value: impl Into<Bytes>) {
        assert!(
            self.store
                .set(key, value.into(), SetOptions::ttl(LONG))
                .await
                .unwrap()
        );
    }

    /// Writes a value without a TTL.
    pub(super) async fn put_forever(&self, key: &Key, value: impl Into<Bytes>) {
        let forever = SetOptions::new(Expiration::Never);
        assert!(self.store.set(key, value.into(), forever).await.unwrap());
    }

    pub(super) async fn assert_value(&self, key: &Key, expected: impl AsRef<[u8]>) {
        let value = self.store.get(key).await.unwrap();
        assert_eq!(value.as_deref(), Some(expected.as_ref()), "{key}");
    }

    pub(super) async fn assert_missing(&self, key: &Key) {
        assert_eq!(self.store.get(key).await.unwrap(), None, "{key}");
        assert_eq!(
            self.store.expiry(key).await.unwrap(),
            KeyExpiry::Missing,
            "{key}"
        );
    }

    /// Asserts that the key's remaining life is `ttl`, less what the case may have taken so far.
    pub(super) async fn assert_ttl(&self, key: &Key, ttl: Ttl) {
        match self.store.expiry(key).await.unwrap() {
            KeyExpiry::In(left) => assert_left(left, ttl),
            other => panic!("{key} should expire within {ttl}, but: {other:?}"),
        }
    }

    pub(super) async fn assert_forever(&self, key: &Key) {
        assert_eq!(
            self.store.expiry(key).await.unwrap(),
            KeyExpiry::Never,
            "{key}"
        );
    }
}

pub(super) fn assert_left(left: Duration, ttl: Ttl) {
    let ttl = ttl.as_duration();
    assert!(
        left <= ttl && left + TOLERANCE >= ttl,
        "{left:?} left of {ttl:?}"
    );
}

pub(super) fn millis(count: i64) -> Ttl {
    Ttl::from_millis(count).unwrap()
}

/// Waits until a TTL of `ttl` has certainly ended.
pub(super) async fn outlive(ttl: Ttl) {
    tokio::time::sleep(ttl.as_duration() + Duration::from_millis(30)).await;
}
