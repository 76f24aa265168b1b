//! Caches over connections of their own, in a namespace that no other test has.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{Key, KeySchema, Namespace, ProjectId, ProjectKey, Tag, Ttl};
use cachekit_patterns::{Cache, CacheBuilder, Invalidation};
use cachekit_store::{RedisStore, RedisStoreBuilder, Store};
use cachekit_testkit::server::acl::AclUser;
use tokio::sync::Semaphore;

pub(crate) type Trees = Cache<ProjectKey, String>;

pub(crate) const LEASE: Ttl = Ttl::seconds(2);

pub(crate) fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

pub(crate) fn tree() -> ProjectKey {
    ProjectKey::file_tree(project())
}

pub(crate) fn tag() -> Tag {
    Tag::new("release-7").unwrap()
}

pub(crate) fn random_schema() -> KeySchema {
    schema_of(&format!("it{:016x}", fastrand::u64(..)))
}

pub(crate) fn schema_of(namespace: &str) -> KeySchema {
    KeySchema::plain().with_namespace(Namespace::new(namespace).unwrap())
}

/// One process of the fleet, as the server sees it.
pub(crate) struct Process {
    pub(crate) store: Arc<RedisStore>,
    pub(crate) cache: Trees,
    pub(crate) invalidation: Invalidation,
    pub(crate) stored: Key,
}

impl Process {
    pub(crate) async fn start(url: &str, schema: &KeySchema) -> Self {
        Self::start_with(url, schema, |cache| cache).await
    }

    pub(crate) async fn start_with(
        url: &str,
        schema: &KeySchema,
        options: impl FnOnce(CacheBuilder<ProjectKey, String>) -> CacheBuilder<ProjectKey, String>,
    ) -> Self {
        // Patient, because a machine that is busy is no fault.
        let store = RedisStore::builder(url).request_timeout(Duration::from_secs(20));
        Self::connect(store, schema, options).await
    }

    /// A process that gives a server up soon.
    pub(crate) async fn start_impatient(url: &str, schema: &KeySchema) -> Self {
        let store = RedisStore::builder(url).request_timeout(Duration::from_millis(400));
        Self::connect(store, schema, |cache| cache).await
    }

    /// A process that has no more rights than this user.
    pub(crate) async fn start_as(user: &AclUser, url: &str, schema: &KeySchema) -> Self {
        let store = RedisStore::builder(url).user(user.name(), user.password());
        Self::connect(store, schema, |cache| cache).await
    }

    async fn connect(
        store: RedisStoreBuilder,
        schema: &KeySchema,
        options: impl FnOnce(CacheBuilder<ProjectKey, String>) -> CacheBuilder<ProjectKey, String>,
    ) -> Self {
        let store = Arc::new(store.connect().await.unwrap());
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let builder = Cache::builder(Arc::clone(&shared), schema.clone())
            .tags(|_| Ok(vec![tag()]))
            .lease_ttl(LEASE);
        Self {
            cache: options(builder).build().unwrap(),
            invalidation: Invalidation::new(shared, schema.clone()),
            stored: schema.key(&tree()),
            store,
        }
    }
}

/// An origin whose value can be changed and whose answers can be held back.
#[derive(Clone)]
pub(crate) struct Origins(Arc<Inner>);

struct Inner {
    version: AtomicU32,
    calls: AtomicU32,
    began: Semaphore,
    gate: Semaphore,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            version: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            began: Semaphore::new(0),
            gate: Semaphore::new(0),
        }))
    }

    pub(crate) fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn change(&self) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
    }

    fn ask(&self) -> String {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        format!("v{}", self.0.version.load(Ordering::SeqCst))
    }

    /// Reads its value and answers at once.
    pub(crate) async fn at_once(self) -> io::Result<String> {
        Ok(self.ask())
    }

    /// Reads its value at once, and answers after so long.
    pub(crate) async fn after(self, delay: Duration) -> io::Result<String> {
        let value = self.ask();
        tokio::time::sleep(delay).await;
        Ok(value)
    }

    /// Reads its value at once, tells of it, and answers when the gate opens.
    pub(crate) async fn gated(self) -> io::Result<String> {
        let value = self.ask();
        self.0.began.add_permits(1);
        self.0.gate.acquire().await.unwrap().forget();
        Ok(value)
    }

    pub(crate) async fn began(&self) {
        self.0.began.acquire().await.unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.0.gate.add_permits(1);
    }
}
