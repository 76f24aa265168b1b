//! The store under test, with what the cases need beyond the trait.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use cachekit_keys::Key;
use cachekit_store::{MemoryStore, RedisStore, RedisStoreBuilder, Result, Store};

use crate::{RawClient, RawReply};

/// A store under test, with what the cases need beyond the trait.
///
/// # Examples
/// A layer around the memory store is tested like this:
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::Key;
/// use cachekit_store::{MemoryStore, Store};
/// use cachekit_testkit::conformance::{self, Subject};
///
/// #[derive(Debug)]
/// struct Layered(MemoryStore);
///
/// #[async_trait::async_trait]
/// impl Subject for Layered {
///     fn store(&self) -> Arc<dyn Store> {
///         Arc::new(self.0.clone()) // ... in its layer
///     }
///     async fn open(&self) -> Arc<dyn Store> {
///         Arc::new(MemoryStore::new()) // ... in its layer
///     }
///     async fn put_list(&self, key: &Key) {
///         self.0.put_foreign(key);
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let passed = conformance::run(Arc::new(Layered(MemoryStore::new()))).await;
/// assert!(passed > 0);
/// # }
/// ```
#[async_trait]
pub trait Subject: fmt::Debug + Send + Sync + 'static {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Another store of the same kind, which a case is going to close. It need not hold the same data, and
    /// closing it must not close [`Subject::store`].
    async fn open(&self) -> Arc<dyn Store>;

    /// Puts a non-empty list, or another value that is no string, under `key` in the data that
    /// [`Subject::store`] reads.
    async fn put_list(&self, key: &Key);
}

/// The memory store under test. Run it under paused time.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_store::MemoryStore;
/// use cachekit_testkit::conformance::{self, MemorySubject};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let store = MemoryStore::builder().clustered(true).build();
/// conformance::run(Arc::new(MemorySubject::new(store))).await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemorySubject {
    store: MemoryStore,
}

impl MemorySubject {
    /// Tests this store.
    #[must_use]
    pub fn new(store: MemoryStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Subject for MemorySubject {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    async fn put_list(&self, key: &Key) {
        self.store.put_foreign(key);
    }
}

/// The Redis store under test, on a real server. Run it under real time.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use cachekit_store::RedisStore;
/// use cachekit_testkit::conformance::{self, RedisSubject};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let url = "redis://127.0.0.1:6379";
/// let subject = RedisSubject::connect(url).await?;
/// conformance::run(Arc::new(subject)).await;
///
/// let restricted = RedisStore::builder(url).user("service", "from a secret store");
/// let subject = RedisSubject::new(restricted, url).await?;
/// conformance::run(Arc::new(subject)).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RedisSubject {
    builder: RedisStoreBuilder,
    raw_url: String,
    store: RedisStore,
}

impl RedisSubject {
    /// Tests a store with the default options on the server at `url`, which asks for no password.
    ///
    /// # Errors
    /// Those of [`RedisStore::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::new(RedisStore::builder(url), url).await
    }

    /// Tests a store with these options. `raw_url` leads to the same data for [`RawClient::call_at`], which speaks no TLS
    /// and has no password.
    ///
    /// # Errors
    /// Those of [`RedisStoreBuilder::connect`].
    pub async fn new(builder: RedisStoreBuilder, raw_url: &str) -> Result<Self> {
        Ok(Self {
            store: builder.clone().connect().await?,
            builder,
            raw_url: raw_url.to_owned(),
        })
    }
}

#[async_trait]
impl Subject for RedisSubject {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn open(&self) -> Arc<dyn Store> {
        let store = self.builder.clone().connect().await;
        Arc::new(store.expect("the server took a connection before"))
    }

    async fn put_list(&self, key: &Key) {
        let command: [&[u8]; 3] = [b"RPUSH", key.as_bytes(), b"element"];
        // Blocking, but on the loopback interface and for one command.
        let reply = RawClient::call_at(&self.raw_url, &command);
        assert_eq!(reply.expect("the server answers"), RawReply::Integer(1));
    }
}
