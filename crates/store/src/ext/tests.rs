//! What the conveniences say when a store fails halfway.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};
use tokio::{sync::watch, time::timeout};

use crate::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, MemoryStore, Result,
    ScanPage, ScanRequest, ServerFacts, SetItem, SetOptions, Store, StoreExt,
};

/// More keys than one step of a walk returns.
const MANY: usize = 5_000;

/// More calls than a walk makes, and the number of the last scan.
const MAX: usize = 1_000;
const LAST: usize = usize::MAX;

/// A memory store that answers so many scans and deletions, and then is unavailable.
#[derive(Debug)]
struct Failing {
    inner: MemoryStore,
    scans: AtomicUsize,
    deletions: AtomicUsize,
    /// Each deletion waits for one more scan to have begun than there were deletions, as long as scans are to come.
    begun: Option<watch::Sender<usize>>,
}

impl Failing {
    async fn after(scans: usize, deletions: usize) -> Self {
        let inner = MemoryStore::new();
        for number in 0..MANY {
            let key = Key::from_raw(format!("a:{number}")).unwrap();
            inner
                .set_ttl(&key, "v".into(), Ttl::seconds(60))
                .await
                .unwrap();
        }
        Self {
            inner,
            scans: AtomicUsize::new(scans),
            deletions: AtomicUsize::new(deletions),
            begun: None,
        }
    }

    async fn failure(&self) -> Error {
        let pattern = Pattern::raw("a:*").unwrap();
        self.delete_matching(&pattern).await.unwrap_err()
    }
}

fn take(left: &AtomicUsize, operation: &'static str) -> Result<()> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    })
    .map(drop)
    .map_err(|_| Error::new(ErrorKind::Unavailable, operation))
}

#[async_trait]
impl Store for Failing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.inner.get_many(keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.inner.get_entries(keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.inner.set(key, value, options).await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.inner.set_many(items).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        take(&self.deletions, "delete")?;
        if let Some(begun) = &self.begun {
            let page = MAX - self.deletions.load(Ordering::Relaxed);
            let mut begun = begun.subscribe();
            let next = begun.wait_for(|begun| *begun > page || *begun == LAST);
            next.await.expect("the store outlives its calls");
        }
        self.inner.delete(keys).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.inner.expiries(keys).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        self.inner.expire(keys, change).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.inner.increment(increments).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        take(&self.scans, "scan")?;
        let scanned = self.inner.scan(request).await;
        if let (Some(begun), Ok(page)) = (&self.begun, &scanned) {
            begun.send_modify(|begun| match page.next {
                Some(_) => *begun += 1,
                None => *begun = LAST,
            });
        }
        scanned
    }

    async fn time(&self) -> Result<SystemTime> {
        self.inner.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.inner.server_facts().await
    }
}

#[tokio::test]
async fn a_walk_that_fails_after_deletions_may_have_been_applied() {
    for (scans, deletions, operation) in [(1, 1, "scan"), (2, 1, "delete")] {
        let store = Failing::after(scans, deletions).await;
        let error = store.failure().await;
        assert_eq!(error.operation(), operation);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.may_have_applied(), "{operation}");
    }
}

#[tokio::test]
async fn a_walk_that_fails_before_any_deletion_has_certainly_not_been_applied() {
    for (scans, deletions, operation) in [(0, 0, "scan"), (1, 0, "delete")] {
        let store = Failing::after(scans, deletions).await;
        let error = store.failure().await;
        assert_eq!(error.operation(), operation);
        assert!(!error.may_have_applied(), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_step_of_a_walk_is_taken_while_the_last_ones_keys_are_deleted() {
    let mut store = Failing::after(MAX, MAX).await;
    store.begun = Some(watch::Sender::new(0));
    let pattern = Pattern::raw("a:*").unwrap();
    // Without the overlap a deletion would wait for ever.
    let walk = timeout(Duration::from_secs(60), store.delete_matching(&pattern));
    assert_eq!(walk.await.unwrap().unwrap(), MANY as u64);
}
