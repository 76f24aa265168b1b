//! The handle that accepts writes.

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::KeyFamily;
use cachekit_store::{Condition, Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Backlog, DeadLetterCursor, DeadLetterPage, Flushed, Replayed, Sink, WriteBehindBuilder,
    accept::Accepting, companion::unpersisted, queue::write_of, shared::Shared,
};
use crate::{Cache, Cleared, WriteOptions, announce::Telling, index::tag_roots};

/// How many writes go to the store in one call at most.
const BATCH: usize = 512;

/// Writes that reach the database later, and are not lost on the way. Cheap to clone.
///
/// A write is kept in the store itself, beside its key and in the same atomic step as the cached value; n writes to one key
/// within the [window](WriteBehindBuilder::window) become one. A [worker](super::WriteBehindWorker) gives what is due to a [`Sink`] in batches.
///
/// # What is promised
/// - What was accepted (the call has returned `Ok`) is persisted, or becomes a dead letter, whatever process dies at whatever
///   point. It is as durable as the store: as its append-only file on Redis, of which `appendfsync everysec` may lose the last
///   second, and as its replication at a failover, which may lose what had not reached the replica.
/// - Of one key, writes and deletions reach the sink in the order in which they were accepted, where no newer one takes an older
///   one's place. Across keys there is no order.
/// - Delivery is at least once, and an item carries a [token](super::WriteToken) by which a sink makes it exactly once. See [`Sink`]
///   for the one thing that only it can prevent.
/// - A write that the sink refuses again and again keeps no other from being persisted, and becomes a dead letter, which can be
///   listed, replayed and dropped. The cached value goes with it, as the database does not have it,
///   which is announced where removals are. A dead letter is dropped when
///   a newer write of its key is persisted.
///
/// # Reads
/// A value is readable as soon as it is accepted: through the cache, and through [`get`](Self::get) also when it has been evicted
/// there, has expired, or was cleared. Clearing and invalidating drop the cached copy only: the write stays, is persisted, and can be read.
/// [`Cache::set`] and [`Cache::remove`] on a key change the cached copy only, too; write its values through one of the two.
///
/// # Errors
/// Every method can fail with what the [store](cachekit_store::Store) answers. Accepting fails with
/// [`Overloaded`](ErrorKind::Overloaded) where the backlog stays full, with [`TooLarge`](ErrorKind::TooLarge) and
/// [`Encode`](ErrorKind::Encode) before anything is sent, and with [`Configuration`](ErrorKind::Configuration) for a key
/// that has an unpersisted write of another queue.
///
/// # Cancel safety
/// A write whose future is dropped has been accepted or not, as a whole, in a batch for each key. A dropped read has done nothing.
///
/// # Examples
/// ```
/// use std::{sync::{Arc, Mutex}, time::Duration};
///
/// use async_trait::async_trait;
/// use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
/// use cachekit_patterns::{Cache, Sink, SinkError, WriteBehind, WriteItem};
/// use cachekit_store::{Error, MemoryStore, Tasks};
///
/// /// Remembers what it was given; yours asks a database.
/// #[derive(Default)]
/// struct Rows(Mutex<Vec<Option<u32>>>);
///
/// #[async_trait]
/// impl Sink<ProjectKey, u32> for Rows {
///     async fn write(&self, batch: &[WriteItem<ProjectKey, u32>]) -> Vec<Result<(), SinkError>> {
///         let values = batch.iter().map(|item| item.value().copied());
///         self.0.lock().unwrap().extend(values);
///         batch.iter().map(|_| Ok(())).collect()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let store = Arc::new(MemoryStore::new());
/// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
/// let rows = Arc::new(Rows::default());
/// let (writes, worker) = WriteBehind::builder(&cache, Arc::clone(&rows))
///     .window(Duration::from_millis(50))
///     .build()
///     .await?;
/// let tasks = Tasks::new();
/// tasks.spawn_until_stopped("drain", |stop| async move {
///     worker.run(stop).await;
/// })?;
///
/// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
/// for count in 0..100 {
///     writes.put(&key, &count).await?;
/// }
/// assert_eq!(writes.get(&key).await?, Some(99));
/// assert_eq!(cache.get(&key).await?, Some(99));
///
/// let flushed = writes.flush(Duration::from_secs(5)).await?;
/// assert_eq!(flushed.dead_letters, 0);
/// assert_eq!(rows.0.lock().unwrap().last(), Some(&Some(99)));
/// assert!(rows.0.lock().unwrap().len() < 10);
/// assert_eq!(writes.backlog().await?.pending, 0);
/// # Ok(()) }
/// ```
pub struct WriteBehind<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K, V> WriteBehind<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Starts a queue behind `cache`, in its store, drained into `sink`.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub fn builder(cache: &Cache<K, V>, sink: impl Sink<K, V>) -> WriteBehindBuilder<K, V> {
        WriteBehindBuilder::new(cache, sink)
    }

    pub(super) fn new(shared: Arc<Shared<K, V>>) -> Self {
        Self { shared }
    }

    /// Accepts a value, which is cached for the cache's lifetime.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn put(&self, key: &K, value: &V) -> Result<()> {
        self.put_with(key, value, &WriteOptions::new()).await
    }

    /// The same with options of its own for the cached copy.
    ///
    /// # Errors
    /// Those of the [type](Self#errors), and [`InvalidInput`](ErrorKind::InvalidInput) for options with a condition.
    ///
    /// # Examples
    /// See [`WriteBehind`] and [`WriteOptions`].
    pub async fn put_with(&self, key: &K, value: &V, options: &WriteOptions) -> Result<()> {
        if options.condition != Condition::Always {
            return Err(Error::new(ErrorKind::InvalidInput, "write_behind")
                .with_detail("a write behind the cache has no condition"));
        }
        let item = self.accepting(key, value, options)?;
        self.shared.accept(vec![item]).await
    }

    /// Accepts many values, hundreds in one round trip. Where one cannot be encoded, none is sent; of a key that comes twice the
    /// later value counts.
    ///
    /// # Errors
    /// Those of the [type](Self#errors); some of the values may have been accepted then, as
    /// [`Error::may_have_applied`] says.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn put_many(&self, values: &[(K, V)]) -> Result<()> {
        let options = WriteOptions::new();
        let items = values
            .iter()
            .map(|(key, value)| self.accepting(key, value, &options));
        self.accept_many(items.collect::<Result<_>>()?).await
    }

    /// Accepts a deletion, and removes the cached value. Until it is persisted the key reads as absent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use async_trait::async_trait;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::{Cache, Sink, SinkError, WriteBehind, WriteItem, WriteOperation};
    /// # use cachekit_store::{Error, MemoryStore};
    /// # struct Database;
    /// # #[async_trait]
    /// # impl Sink<ProjectKey, u32> for Database {
    /// #     async fn write(&self, batch: &[WriteItem<ProjectKey, u32>]) -> Vec<Result<(), SinkError>> {
    /// #         assert!(batch.iter().all(|item| item.operation == WriteOperation::Delete));
    /// #         batch.iter().map(|_| Ok(())).collect()
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// # let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// # let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let (writes, worker) = WriteBehind::builder(&cache, Database).build().await?;
    /// writes.put(&key, &1).await?;
    /// writes.delete(&key).await?;
    /// assert_eq!(writes.get(&key).await?, None);
    ///
    /// // One deletion reaches the database, and no value.
    /// let drained = worker.drain(std::time::Duration::from_secs(5)).await?;
    /// assert_eq!((drained.persisted, drained.writes), (1, 2));
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self, key: &K) -> Result<()> {
        self.delete_many(std::slice::from_ref(key)).await
    }

    /// Accepts many deletions, hundreds in one round trip.
    ///
    /// # Errors
    /// Those of [`put_many`](Self::put_many).
    ///
    /// # Examples
    /// See [`delete`](Self::delete).
    pub async fn delete_many(&self, keys: &[K]) -> Result<()> {
        let keys = self.shared.cache.keys(keys);
        let telling = self.shared.cache.announcer.as_ref();
        let telling = telling.and_then(|told| told.removal(|| Cleared::Keys(keys.clone())));
        let items = keys.into_iter().map(Accepting::deletion).collect();
        Telling::end(telling, self.accept_many(items).await)
    }

    /// The value: the cached one, or an unpersisted one that is not cached any more. `None` for a key that is neither cached nor
    /// waits to be persisted, and for one whose deletion does. Loads nothing.
    ///
    /// # Errors
    /// Those of [`Cache`](Cache#errors).
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn get(&self, key: &K) -> Result<Option<V>> {
        if let Some(value) = self.shared.cache.get(key).await? {
            return Ok(Some(value));
        }
        let key = self.shared.cache.key(key);
        let stored = self.shared.queue.store.get(&write_of(&key)?).await?;
        let format = &self.shared.cache.access.base().format;
        stored.map_or(Ok(None), |bytes| unpersisted(format, &key, &bytes))
    }

    /// Waits until everything that was accepted before, by any process, is persisted, and asks the workers to hurry. What waits for another
    /// attempt is waited for.
    ///
    /// Returns too when a write becomes a dead letter instead, and says how many did.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) at the deadline, and those of the store. The writes go on to be persisted.
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn flush(&self, deadline: Duration) -> Result<Flushed> {
        self.shared.queue.flush(deadline).await
    }

    /// The same for what was accepted of one key. A dead letter that the key has had before counts too.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn flush_key(&self, key: &K, deadline: Duration) -> Result<Flushed> {
        let key = self.shared.cache.key(key);
        self.shared.queue.flush_key(&key, deadline).await
    }

    /// What the queue holds, of all processes.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`WriteBehind`].
    pub async fn backlog(&self) -> Result<Backlog> {
        self.shared.queue.backlog().await
    }

    /// Some of the dead letters, up to 1 000: from the beginning, or from where another page ended. What dies or is replayed
    /// during the walk may be missing.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use async_trait::async_trait;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::{Cache, Replayed, Sink, SinkError, WriteBehind, WriteItem};
    /// # use cachekit_store::{Error, MemoryStore};
    /// struct Full;
    /// #[async_trait]
    /// impl Sink<ProjectKey, u32> for Full {
    ///     async fn write(&self, batch: &[WriteItem<ProjectKey, u32>]) -> Vec<Result<(), SinkError>> {
    ///         batch.iter().map(|_| Err(SinkError::permanent("the disk is full"))).collect()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// # let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// # let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let (writes, worker) = WriteBehind::builder(&cache, Full).build().await?;
    /// writes.put(&key, &1).await?;
    /// worker.drain(Duration::from_secs(5)).await?;
    ///
    /// let page = writes.dead_letters(None, 100).await?;
    /// assert_eq!(page.letters[0].reason, "the disk is full");
    /// assert!(page.next.is_none());
    ///
    /// assert_eq!(writes.replay(&key).await?, Replayed::Queued);
    /// assert_eq!(writes.get(&key).await?, Some(1));
    /// # Ok(()) }
    /// ```
    pub async fn dead_letters(
        &self,
        after: Option<&DeadLetterCursor>,
        limit: usize,
    ) -> Result<DeadLetterPage<K, V>> {
        self.shared.letters(after, limit).await
    }

    /// Puts a dead letter back into the queue, under its old token and due at once, unless a newer write of the key is there. What
    /// is cached of the key goes, so that readers see the write.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`dead_letters`](Self::dead_letters).
    pub async fn replay(&self, key: &K) -> Result<Replayed> {
        let key = self.shared.cache.key(key);
        self.shared.replay(&key).await
    }

    /// Puts all dead letters back that are there now; answers how many are in the queue again. One that dies once more meanwhile stays.
    ///
    /// # Errors
    /// Those of the store; some may have been replayed then.
    ///
    /// # Examples
    /// See [`dead_letters`](Self::dead_letters).
    pub async fn replay_all(&self) -> Result<u64> {
        self.shared.each_letter(true).await
    }

    /// Drops a dead letter; answers whether there was one.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`dead_letters`](Self::dead_letters).
    pub async fn discard(&self, key: &K) -> Result<bool> {
        let key = self.shared.cache.key(key);
        self.shared.queue.discard(&key).await
    }

    /// Drops all dead letters that are there now; answers how many there were.
    ///
    /// # Errors
    /// Those of the store; some may have been dropped then.
    ///
    /// # Examples
    /// See [`dead_letters`](Self::dead_letters).
    pub async fn discard_all(&self) -> Result<u64> {
        self.shared.each_letter(false).await
    }

    fn accepting(&self, key: &K, value: &V, options: &WriteOptions) -> Result<Accepting> {
        let cache = &self.shared.cache;
        let write = cache.access.encode(cache.place(key), value, options)?;
        let tags = cache.tags_of(key, &options.tags)?;
        Ok(Accepting {
            write,
            tags: tag_roots(cache.access.base(), &tags)?,
            is_put: true,
        })
    }

    /// Accepts in batches. Runs of a script come in no certain order, so that of a key which comes twice only the last is sent.
    async fn accept_many(&self, mut items: Vec<Accepting>) -> Result<()> {
        let mut seen = std::collections::HashSet::with_capacity(items.len());
        items.reverse();
        items.retain(|item| seen.insert(item.write.key.clone()));
        let mut some = false;
        while !items.is_empty() {
            let batch = items.split_off(items.len().saturating_sub(BATCH));
            let accepted = self.shared.accept(batch).await;
            accepted.map_err(|error| match some {
                true => error.with_may_have_applied(true),
                false => error,
            })?;
            some = true;
        }
        Ok(())
    }
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
            .field("queue", &self.shared.queue.name)
            .finish_non_exhaustive()
    }
}
