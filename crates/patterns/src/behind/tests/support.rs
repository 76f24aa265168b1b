//! A queue over the memory store, and a sink that does what a test wants.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cachekit_keys::{Key, KeySchema, ProjectId, ProjectKey};
use cachekit_store::{MemoryStore, Store};

use crate::{
    Cache, Sink, SinkError, WriteBehind, WriteBehindBuilder, WriteBehindWorker, WriteItem,
};

pub(super) type Item = WriteItem<ProjectKey, String>;
pub(super) type Handle = WriteBehind<ProjectKey, String>;
pub(super) type Worker = WriteBehindWorker<ProjectKey, String>;
pub(super) type Builder = WriteBehindBuilder<ProjectKey, String>;

/// Rows in memory, which keep what reached them. By default it takes everything.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) rows: Mutex<BTreeMap<Key, String>>,
    pub(super) calls: Mutex<Vec<Vec<Item>>>,
    /// What to answer for a key, instead of taking its items.
    pub(super) refusals: Mutex<HashMap<Key, SinkError>>,
    pub(super) behaviour: Mutex<Behaviour>,
}

/// What the sink does with a whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Behaviour {
    #[default]
    Take,
    Panic,
    /// It answers for so many.
    Fewer(usize),
    /// It takes so long.
    Slow(Duration),
}

#[async_trait]
impl Sink<ProjectKey, String> for Rows {
    async fn write(&self, batch: &[Item]) -> Vec<Result<(), SinkError>> {
        self.calls.lock().unwrap().push(batch.to_vec());
        let behaviour = *self.behaviour.lock().unwrap();
        if let Behaviour::Slow(time) = behaviour {
            tokio::time::sleep(time).await;
        }
        assert!(behaviour != Behaviour::Panic, "as the test wants");
        let refusals = self.refusals.lock().unwrap();
        let mut rows = self.rows.lock().unwrap();
        let results = batch.iter().map(|item| {
            if let Some(refusal) = refusals.get(&item.token.key) {
                return Err(refusal.clone());
            }
            match item.value() {
                Some(value) => rows.insert(item.token.key.clone(), value.clone()),
                None => rows.remove(&item.token.key),
            };
            Ok(())
        });
        let few = match behaviour {
            Behaviour::Fewer(few) => few,
            _ => usize::MAX,
        };
        results.take(few).collect()
    }
}

/// A store, a cache, and a sink, of which queues are made.
pub(super) struct Bed {
    pub(super) store: Arc<MemoryStore>,
    pub(super) cache: Cache<ProjectKey, String>,
    pub(super) rows: Arc<Rows>,
    pub(super) schema: KeySchema,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::over(MemoryStore::new(), KeySchema::plain())
    }

    /// As on a cluster.
    pub(super) fn clustered() -> Self {
        let store = MemoryStore::builder().clustered(true).build();
        Self::over(store, KeySchema::sharded())
    }

    pub(super) fn over(store: MemoryStore, schema: KeySchema) -> Self {
        let store = Arc::new(store);
        let cache = Cache::builder(Arc::clone(&store) as Arc<dyn Store>, schema.clone());
        Self {
            cache: cache.build().unwrap(),
            store,
            rows: Arc::default(),
            schema,
        }
    }

    pub(super) fn builder(&self) -> Builder {
        WriteBehind::builder(&self.cache, Arc::clone(&self.rows)).seed(7)
    }

    pub(super) async fn queue(&self) -> (Handle, Worker) {
        self.builder().build().await.unwrap()
    }

    pub(super) fn name(&self, key: &ProjectKey) -> Key {
        self.schema.key(key)
    }

    pub(super) fn row(&self, key: &ProjectKey) -> Option<String> {
        let rows = self.rows.rows.lock().unwrap();
        rows.get(&self.name(key)).cloned()
    }

    pub(super) fn refuse(&self, key: &ProjectKey, error: SinkError) {
        let mut refusals = self.rows.refusals.lock().unwrap();
        refusals.insert(self.name(key), error);
    }

    pub(super) fn refuse_no_more(&self) {
        self.rows.refusals.lock().unwrap().clear();
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        *self.rows.behaviour.lock().unwrap() = behaviour;
    }

    /// The batches that reached the sink since the last time this was asked.
    pub(super) fn take_calls(&self) -> Vec<Vec<Item>> {
        std::mem::take(&mut self.rows.calls.lock().unwrap())
    }
}

pub(super) fn key(id: &str) -> ProjectKey {
    ProjectKey::file_tree(ProjectId::new(id).unwrap())
}

pub(super) fn text(text: &str) -> String {
    text.to_owned()
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets the paused clock run.
pub(super) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}
