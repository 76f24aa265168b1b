//! One test by both bodies of the scripts: the Rust in memory and the Lua on a server, with a clock that the test sets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{Key, KeySchema, Namespace, QuotaMetric};
use cachekit_limits::{Limit, Limiter, Quota, QuotaPlan};
use cachekit_store::{Expiration, MemoryStore, RedisStore, SetOptions, Store};
use cachekit_testkit::server::{Kind, SharedServer};

use crate::{
    everlasting::Everlasting,
    support::{START, at, paused},
};

/// A store whose scripts see the time that the test sets.
pub(crate) struct Stage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) set: Box<dyn Fn(u64)>,
}

impl Stage {
    fn in_memory() -> Self {
        let store = MemoryStore::new();
        let clock = store.clone();
        let set = move |now| clock.set_wall_clock(at(now));
        Self::of(Arc::new(store), Box::new(set))
    }

    async fn on(server: &SharedServer) -> Self {
        let clock = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&clock);
        // A machine that does much else is slow, and no time-out is part of these tests.
        let builder = RedisStore::builder(server.url()).request_timeout(Duration::from_secs(30));
        let connecting = builder.script_clock(move || read.load(Ordering::Relaxed));
        let store = Everlasting::new(connecting.connect().await.unwrap());
        let set = move |now| clock.store(now, Ordering::Relaxed);
        Self::of(Arc::new(store), Box::new(set))
    }

    fn of(store: Arc<dyn Store>, set: Box<dyn Fn(u64)>) -> Self {
        let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
        let schema = KeySchema::plain().with_namespace(space);
        set(START);
        Self { store, schema, set }
    }

    pub(crate) fn quota(&self, plan: QuotaPlan) -> Quota {
        let (store, schema) = (Arc::clone(&self.store), self.schema.clone());
        Quota::metric(store, schema, QuotaMetric::api_calls(), plan)
    }

    pub(crate) fn limiter(&self, limits: Vec<Limit>) -> Limiter {
        let (store, schema) = (Arc::clone(&self.store), self.schema.clone());
        Limiter::all_of(store, schema, limits).unwrap()
    }

    fn key(&self, rest: &str) -> Key {
        let space = self.schema.namespace().unwrap();
        Key::from_raw(format!("{space}:{rest}")).unwrap()
    }

    pub(crate) async fn text(&self, rest: &str) -> Option<String> {
        let text = self.store.get(&self.key(rest)).await.unwrap()?;
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    pub(crate) async fn write(&self, rest: &str, text: &str) {
        let forever = SetOptions::new(Expiration::Never);
        let key = self.key(rest);
        self.store
            .set(&key, text.to_owned().into(), forever)
            .await
            .unwrap();
    }
}

/// The same in memory, by the Rust body, and on a server, by the Lua text.
pub(crate) fn on_both(test: impl AsyncFn(Stage)) {
    paused(test(Stage::in_memory()));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() {
            test(Stage::on(&server).await).await;
        }
    });
}
