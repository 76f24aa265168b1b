//! The handle that accepts writes.

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::KeyFamily;
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Backlog, DeadLetterCursor, DeadLetterPage, Flushed, Replayed, Sink, WriteBehindBuilder,
    shared::Shared,
};
use crate::{Cache, WriteOptions};

/// Accepts writes behind a cache. Cheap to clone.
pub struct WriteBehind<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K, V> WriteBehind<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Starts a queue.
    pub fn builder(cache: &Cache<K, V>, sink: impl Sink<K, V>) -> WriteBehindBuilder<K, V> {
        WriteBehindBuilder::new(cache, sink)
    }

    pub(super) fn new(shared: Arc<Shared<K, V>>) -> Self {
        Self { shared }
    }

    /// Accepts a value.
    pub async fn put(&self, key: &K, value: &V) -> Result<()> {
        self.put_with(key, value, &WriteOptions::new()).await
    }

    /// The same with options of its own.
    pub async fn put_with(&self, _key: &K, _value: &V, _options: &WriteOptions) -> Result<()> {
        Err(unfinished())
    }

    /// Accepts many values in one round trip.
    pub async fn put_many(&self, _values: &[(K, V)]) -> Result<()> {
        Err(unfinished())
    }

    /// Accepts a deletion.
    pub async fn delete(&self, _key: &K) -> Result<()> {
        Err(unfinished())
    }

    /// The value, which may not be persisted yet.
    pub async fn get(&self, _key: &K) -> Result<Option<V>> {
        Err(unfinished())
    }

    /// Waits until everything accepted before is persisted.
    pub async fn flush(&self, _deadline: Duration) -> Result<Flushed> {
        Err(unfinished())
    }

    /// The same for one key.
    pub async fn flush_key(&self, _key: &K, _deadline: Duration) -> Result<Flushed> {
        Err(unfinished())
    }

    /// What the queue holds.
    pub async fn backlog(&self) -> Result<Backlog> {
        Err(unfinished())
    }

    /// A page of dead letters.
    pub async fn dead_letters(
        &self,
        _after: Option<&DeadLetterCursor>,
        _limit: usize,
    ) -> Result<DeadLetterPage<K, V>> {
        Err(unfinished())
    }

    /// Puts a dead letter back into the queue.
    pub async fn replay(&self, _key: &K) -> Result<Replayed> {
        Err(unfinished())
    }

    /// Puts all dead letters back; answers how many are queued again.
    pub async fn replay_all(&self) -> Result<u64> {
        Err(unfinished())
    }

    /// Drops a dead letter; answers whether there was one.
    pub async fn discard(&self, _key: &K) -> Result<bool> {
        Err(unfinished())
    }

    /// Drops all dead letters; answers how many there were.
    pub async fn discard_all(&self) -> Result<u64> {
        Err(unfinished())
    }
}

fn unfinished() -> Error {
    Error::new(ErrorKind::Unsupported, "write_behind")
}

impl<K, V> Clone for WriteBehind<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V> fmt::Debug for WriteBehind<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehind")
            .field("queue", &self.shared.queue)
            .finish_non_exhaustive()
    }
}
