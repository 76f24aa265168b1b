//! A queue on a bed, and a table in memory that it is drained into.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cachekit_keys::{Key, ProjectKey};
use cachekit_patterns::{
    Cache, Sink, SinkError, WriteBehind, WriteBehindBuilder, WriteBehindWorker, WriteItem,
};

use crate::support::{Bed, project_id};

pub(super) type Handle = WriteBehind<ProjectKey, u64>;
pub(super) type Worker = WriteBehindWorker<ProjectKey, u64>;

/// Rows with the sequences that they were written under: what is older is skipped, as a fencing sink does.
#[derive(Default)]
pub(super) struct Table {
    rows: Mutex<BTreeMap<Key, (u64, Option<u64>)>>,
    pub(super) refused: Mutex<HashMap<Key, SinkError>>,
    pub(super) pause: Mutex<Duration>,
    /// How many items came that were older than what was there.
    pub(super) fenced: Mutex<u64>,
}

#[async_trait]
impl Sink<ProjectKey, u64> for Table {
    async fn write(&self, batch: &[WriteItem<ProjectKey, u64>]) -> Vec<Result<(), SinkError>> {
        let pause = *self.pause.lock().unwrap();
        tokio::time::sleep(pause).await;
        let refused = self.refused.lock().unwrap();
        let mut rows = self.rows.lock().unwrap();
        let results = batch.iter().map(|item| {
            if let Some(error) = refused.get(&item.token.key) {
                return Err(error.clone());
            }
            let row = rows.entry(item.token.key.clone()).or_default();
            match item.token.sequence.cmp(&row.0) {
                std::cmp::Ordering::Less => *self.fenced.lock().unwrap() += 1,
                _ => *row = (item.token.sequence, item.value().copied()),
            }
            Ok(())
        });
        results.collect()
    }
}

pub(super) struct Queue {
    pub(super) bed: Bed,
    pub(super) cache: Cache<ProjectKey, u64>,
    pub(super) table: Arc<Table>,
}

impl Queue {
    pub(super) fn new(bed: Bed) -> Self {
        let cache = Cache::builder(Arc::clone(&bed.store), bed.schema.clone());
        Self {
            cache: cache.build().unwrap(),
            bed,
            table: Arc::default(),
        }
    }

    pub(super) fn builder(&self) -> WriteBehindBuilder<ProjectKey, u64> {
        // A name of its own each, as the hints of a cluster's slots are of a namespace and a name.
        WriteBehind::builder(&self.cache, Arc::clone(&self.table))
            .window(Duration::from_millis(20))
            .claim(Duration::from_millis(1_500))
            .backoff(Duration::from_millis(10), Duration::from_millis(50))
    }

    pub(super) fn row(&self, key: &ProjectKey) -> Option<u64> {
        let rows = self.table.rows.lock().unwrap();
        rows.get(&self.bed.schema.key(key)).and_then(|row| row.1)
    }
}

pub(super) fn key(id: &str) -> ProjectKey {
    ProjectKey::file_tree(project_id(id))
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
