//! Caches over one memory store, each as a process of its own, and loaders that count and wait.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{Key, KeyPath, KeySchema, ProjectId, ProjectKey, Tag, Ttl};
use cachekit_store::{FaultPlan, Faults, MemoryStore, Store};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::{Cache, CacheBuilder, Invalidation};

pub(super) type Trees = Cache<ProjectKey, String>;

pub(super) fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

pub(super) fn tree() -> ProjectKey {
    ProjectKey::file_tree(project())
}

pub(super) fn stored() -> Key {
    KeySchema::plain().key(&tree())
}

pub(super) fn tag() -> Tag {
    Tag::new("release-7").unwrap()
}

pub(super) fn builder(store: &Arc<MemoryStore>) -> CacheBuilder<ProjectKey, String> {
    Cache::builder(Arc::clone(store) as Arc<dyn Store>, KeySchema::plain())
        .ttl(Ttl::seconds(100))
        .tags(|_| Ok(vec![tag()]))
}

/// The same over any store.
pub(super) fn builder_over(store: Arc<dyn Store>) -> CacheBuilder<ProjectKey, String> {
    Cache::builder(store, KeySchema::plain()).ttl(Ttl::seconds(100))
}

/// One of many keys of the project.
pub(super) fn key(n: u32) -> ProjectKey {
    ProjectKey::new(project(), KeyPath::new(format!("n:{n}")).unwrap())
}

pub(super) fn cache(store: &Arc<MemoryStore>) -> Trees {
    builder(store).build().unwrap()
}

/// The same store, as a process has it whose calls go wrong as planned.
pub(super) fn faulty(store: &Arc<MemoryStore>, plan: &FaultPlan) -> Arc<dyn Store> {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Arc::new(Faults::new(store, plan))
}

pub(super) fn invalidation(store: &Arc<MemoryStore>) -> Invalidation {
    Invalidation::new(Arc::clone(store) as Arc<dyn Store>, KeySchema::plain())
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets everything happen that can happen at once.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(super) type Answer = Result<String, io::Error>;

/// An origin whose value can be changed and whose answers can be held back.
#[derive(Clone, Default)]
pub(super) struct Origins {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    version: AtomicU32,
    calls: AtomicU32,
    running: AtomicU32,
    most: AtomicU32,
    began: Notify,
    gate: Notify,
}

impl Origins {
    /// How often it was asked.
    pub(super) fn calls(&self) -> u32 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// How many of its answers were awaited at once at most.
    pub(super) fn most_at_once(&self) -> u32 {
        self.inner.most.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self) {
        self.inner.version.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn value(&self) -> String {
        format!("v{}", self.inner.version.load(Ordering::SeqCst))
    }

    fn ask(&self) -> String {
        self.inner.calls.fetch_add(1, Ordering::SeqCst);
        self.value()
    }

    /// Counts one that runs until it is dropped.
    fn run(&self) -> Running {
        let running = self.inner.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.most.fetch_max(running, Ordering::SeqCst);
        Running(self.clone())
    }

    /// Answers at once.
    pub(super) fn now(&self) -> impl FnOnce() -> BoxFuture<'static, Answer> + Send + 'static {
        self.after(Duration::ZERO)
    }

    /// Reads its value at once, and answers after so long.
    pub(super) fn after(
        &self,
        delay: Duration,
    ) -> impl FnOnce() -> BoxFuture<'static, Answer> + Send + 'static {
        let this = self.clone();
        move || {
            Box::pin(async move {
                let (value, _running) = (this.ask(), this.run());
                tokio::time::sleep(delay).await;
                Ok(value)
            })
        }
    }

    /// Reads its value at once, tells of it, and answers when the gate opens.
    pub(super) fn gated(&self) -> impl FnOnce() -> BoxFuture<'static, Answer> + Send + 'static {
        let this = self.clone();
        move || {
            Box::pin(async move {
                let (value, _running) = (this.ask(), this.run());
                this.inner.began.notify_one();
                this.inner.gate.notified().await;
                Ok(value)
            })
        }
    }

    pub(super) async fn began(&self) {
        self.inner.began.notified().await;
    }

    pub(super) fn open(&self) {
        self.inner.gate.notify_one();
    }

    pub(super) fn failing(&self) -> impl FnOnce() -> BoxFuture<'static, Answer> + Send + 'static {
        self.failing_after(Duration::ZERO)
    }

    pub(super) fn failing_after(
        &self,
        delay: Duration,
    ) -> impl FnOnce() -> BoxFuture<'static, Answer> + Send + 'static {
        let this = self.clone();
        move || {
            Box::pin(async move {
                this.ask();
                let _running = this.run();
                tokio::time::sleep(delay).await;
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "down"))
            })
        }
    }
}

struct Running(Origins);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.inner.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Stores "old". Loading it teaches the cache the store's time, which a test with paused time would else miss by what
/// passed between the making of the two.
pub(super) async fn old(cache: &Trees) {
    let loader = || async { Ok::<_, io::Error>("old".to_owned()) };
    cache.fetch(&tree(), loader).await.unwrap();
}
