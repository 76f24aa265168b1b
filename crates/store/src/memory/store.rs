//! The memory store as a [`Store`]: the closed flag, sizes, batches.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;

use super::{
    MemoryStoreBuilder, channels::Channels, commands, eviction, keyspace::Keyspace, table::Place,
    transaction::Message,
};
use crate::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Reply, Result,
    ScanCursor, ScanPage, ScanRequest, Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
    SubscribeRequest, Subscription,
};

/// A store inside the process, with the semantics of a Redis server.
///
/// Clones share one set of data. It serves as the cache of a service of a single process, and in tests as a
/// stand-in for the server: TTLs, conditions, counters, scripts, `SCAN`'s guarantees and wrong types are the same.
/// Nothing survives the process, and other processes see nothing.
///
/// - **Types** are byte strings, and in scripts also hashes and sorted sets. Deleting, expiring and scanning take every
///   type, [`set`](Store::set) overwrites every type, and the other methods meet a collection as they do on a server.
/// - **Scripts** run their Rust [body](crate::ScriptBody); it does not speak Lua. A run is atomic against everything
///   else: it holds the locks of all declared keys, so a body should be as short as its Lua twin, and must not call the
///   store, which would wait for itself. A run that fails or panics keeps what it has written by then. In
///   [cluster mode](MemoryStoreBuilder::clustered) the keys of one call must share a slot.
/// - **Expiry** follows tokio's clock, to the nanosecond: under paused time a TTL of 5 s ends when the test has
///   advanced 5 s. Outside a runtime it follows the system's monotonic clock. Expired entries are removed when
///   they are met, and by each write a few more; there is no background task. Scripts read the
///   [wall clock](Self::set_wall_clock) as their `now`, and expiry the other one, both once per run.
/// - **Memory** is bounded by a [byte budget](MemoryStoreBuilder::byte_budget). When it is used up, entries with
///   a TTL are evicted, approximately the least frequently used first. Entries without a TTL are never evicted;
///   where they leave no room, a write fails with [`ErrorKind::OutOfMemory`] and evicts nothing. What a script is going
///   to write is not known before, so a run starts where the budget is kept (or it [says](crate::Script::with_start_when_full) that it frees some), may pass it, and
///   makes the room at its end.
/// - **Cost**: about 150 bytes per entry beyond key and value, for a collection about 320 more and 128 for each field or
///   member beyond its bytes. Values of up to 4 KiB are copied when written, so that a slice does not keep its buffer
///   alive; a longer one keeps alive what it was cut from.
/// - **Limits**: values, and fields and members of collections, each have at most
///   [`max_value_size`](MemoryStoreBuilder::max_value_size) bytes. `ZCOUNT` takes time in proportion to what it counts.
/// - **Locks** are held for single entries, for one bucket, for one step of a scan, or for one run of a script; never
///   across an await.
///
/// The methods of [`Store`] never wait, so cancelling one does nothing halfway.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{Condition, MemoryStore, SetOptions, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let key = Key::from_raw("session:abc:draft")?;
/// let once = SetOptions::ttl(Ttl::seconds(300)).with_condition(Condition::IfAbsent);
/// assert!(store.set(&key, "first".into(), once).await?);
/// assert!(!store.set(&key, "second".into(), once).await?);
/// assert_eq!(store.get(&key).await?.as_deref(), Some(&b"first"[..]));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    pub(super) keyspace: Arc<Keyspace>,
    channels: Arc<Channels>,
    pub(super) capabilities: Capabilities,
}

impl MemoryStore {
    /// An empty store with the defaults of [`MemoryStoreBuilder`].
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// assert_eq!(MemoryStore::new().capabilities().max_value_size, 64 << 20);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Options for a new store.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::MemoryStore;
    ///
    /// let store = MemoryStore::builder().byte_budget(16 << 20).build();
    /// # drop(store);
    /// ```
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }

    pub(super) fn from_parts(
        keyspace: Keyspace,
        channels: Channels,
        capabilities: Capabilities,
    ) -> Self {
        Self {
            keyspace: Arc::new(keyspace),
            channels: Arc::new(channels),
            capabilities,
        }
    }

    /// Sets the wall clock that [`Store::time`] shows; it goes on from there.
    ///
    /// By default it shows the system's time at creation plus what tokio's clock has advanced. Expiry is
    /// independent of it, as a server's TTLs are of the clients' clocks.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::new();
    /// let new_year_2030 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
    /// store.set_wall_clock(new_year_2030);
    /// assert!(store.time().await? >= new_year_2030);
    /// # Ok(()) }
    /// ```
    pub fn set_wall_clock(&self, time: SystemTime) {
        self.keyspace.clock.set_wall(time);
    }

    /// Puts the wall clock forward, as when a machine's clock is corrected. A step that the platform's time
    /// cannot represent is not taken.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::new();
    /// store.advance_wall_clock(Duration::from_secs(86_400));
    /// assert!(store.time().await? > SystemTime::now() + Duration::from_secs(86_000));
    /// # Ok(()) }
    /// ```
    pub fn advance_wall_clock(&self, by: Duration) {
        self.keyspace.clock.advance_wall(by);
    }

    /// Puts the wall clock back, as after a failover to a server whose clock is behind. A step that the
    /// platform's time cannot represent is not taken.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::new();
    /// store.rewind_wall_clock(Duration::from_secs(60));
    /// assert!(store.time().await? < SystemTime::now());
    /// # Ok(()) }
    /// ```
    pub fn rewind_wall_clock(&self, by: Duration) {
        self.keyspace.clock.rewind_wall(by);
    }

    /// Puts a value of another type than string under a key, without a TTL, as another program on the same
    /// server could: for tests of code that has to cope with [`ErrorKind::WrongType`].
    ///
    /// The value's length counts as zero, and the byte budget is not enforced.
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::Key;
    /// use cachekit_store::{ErrorKind, MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::new();
    /// let key = Key::from_raw("queue")?;
    /// store.put_foreign(&key);
    /// assert_eq!(store.get(&key).await.unwrap_err().kind(), ErrorKind::WrongType);
    /// # Ok(()) }
    /// ```
    pub fn put_foreign(&self, key: &Key) {
        self.keyspace.put_foreign(key);
    }

    /// Sends what a run of a script has published, in order, now that its locks are free.
    pub(super) fn deliver(&self, messages: Vec<Message>) {
        for (channel, payload) in messages {
            self.channels.publish(&channel, payload);
        }
    }

    #[cfg(test)]
    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.keyspace.is_closed() {
            return Err(Error::new(ErrorKind::Closed, operation));
        }
        Ok(())
    }

    fn check_payload(&self, payload: &Bytes) -> Result<()> {
        let (len, max) = (payload.len(), self.capabilities.max_value_size);
        if len > max {
            return Err(Error::new(ErrorKind::TooLarge, "publish")
                .with_detail(format!("{len} bytes, at most {max} are allowed")));
        }
        Ok(())
    }

    fn check_size(&self, operation: &'static str, key: &Key, value: &Bytes) -> Result<()> {
        commands::check_size(
            operation,
            key,
            value.len(),
            self.capabilities.max_value_size,
        )
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("keys", &self.keyspace.len())
            .field("used_memory", &self.keyspace.budget.used())
            .field("byte_budget", &self.keyspace.budget.limit())
            .field("capabilities", &self.capabilities)
            .finish()
    }
}

/// Carries out all of a batch of changes, as a server does with a pipeline, and then answers the first refusal. The change
/// may have been applied then, if another of the batch was or may have been.
pub(super) fn all<T>(answers: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let answers: Vec<Result<T>> = answers.collect();
    let applied = |answer: &Result<T>| {
        answer
            .as_ref()
            .map_or_else(Error::may_have_applied, |_| true)
    };
    let any_applied = answers.iter().any(applied);
    let answers: Result<Vec<T>> = answers.into_iter().collect();
    answers.map_err(|error| error.with_may_have_applied(any_applied))
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.check_open("get")?;
        self.keyspace.get(key, "get")
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.check_open("get_many")?;
        // The only error of a read is a wrong type, which counts as absent here.
        Ok(keys
            .iter()
            .map(|key| self.keyspace.get(key, "get_many").unwrap_or_default())
            .collect())
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.check_open("get_entries")?;
        let now = self.keyspace.clock.now();
        let entry = |key| self.keyspace.get_entry(key, now, "get_entries");
        keys.iter()
            .map(|key| Ok(entry(key)?.map(|(value, expires_in)| Entry::new(value, expires_in))))
            .collect()
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.check_open("set")?;
        self.check_size("set", key, &value)?;
        self.keyspace.set(key, value, options, "set")
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.check_open("set_many")?;
        for item in items {
            self.check_size("set_many", &item.key, &item.value)?;
        }
        let set = |item: &SetItem| {
            self.keyspace
                .set(&item.key, item.value.clone(), item.options, "set_many")
        };
        all(items.iter().map(set))
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        self.check_open("delete")?;
        Ok(keys
            .iter()
            .map(|key| u64::from(self.keyspace.delete(key)))
            .sum())
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.check_open("expiries")?;
        let now = self.keyspace.clock.now();
        Ok(keys
            .iter()
            .map(|key| self.keyspace.expiry(key, now))
            .collect())
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        self.check_open("expire")?;
        Ok(keys
            .iter()
            .map(|key| self.keyspace.expire(key, change))
            .collect())
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.check_open("increment")?;
        all(increments
            .iter()
            .map(|increment| self.keyspace.increment(increment)))
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.check_open("scan")?;
        let place = Place::from_raw(request.cursor.position).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "scan")
                .with_detail("the cursor is not one of this store")
        })?;
        // The field is public, so its range is not a given. A step holds a shard's lock.
        let count = request.count.clamp(1, ScanRequest::MAX_COUNT);
        let (keys, next) = self.keyspace.walk(place, &request.pattern, count);
        Ok(ScanPage::new(
            keys,
            next.map(|place| ScanCursor::at(place.raw())),
        ))
    }

    async fn time(&self) -> Result<SystemTime> {
        self.check_open("time")?;
        Ok(self.keyspace.clock.wall())
    }

    /// The version is the crate's, the clients are the clones of the store, each key of a batch counts as one
    /// command, and `keys` includes expired entries that have not been swept yet.
    async fn server_facts(&self) -> Result<ServerFacts> {
        self.check_open("server_facts")?;
        let keyspace = &*self.keyspace;
        Ok(ServerFacts {
            product: "memory".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            used_memory: keyspace.budget.used(),
            max_memory: keyspace.budget.limit().unwrap_or(0),
            eviction_policy: eviction::policy(&keyspace.budget).to_owned(),
            connected_clients: Arc::strong_count(&self.keyspace) as u64,
            total_commands: keyspace.commands(),
            uptime: Duration::from_secs(keyspace.clock.elapsed().as_secs()),
            keys: keyspace.len() as u64,
            append_only: false,
            cluster: self.capabilities.clustered,
        })
    }

    /// Runs the script's [body](crate::ScriptBody), with the locks of its keys; see [`MemoryStore`].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a script without a body. In cluster mode [`ErrorKind::CrossSlot`] where the keys
    /// of one call do not share a slot: nothing has run then.
    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        self.check_open(script.name)?;
        self.run_calls(script, calls)
    }

    /// As [`run_script`](Store::run_script) runs one call; `None` for a script without such a body.
    fn run_numbers(
        &self,
        script: &Script,
        keys: &[Key],
        args: &[i64],
        reply: &mut [i64],
    ) -> Option<Result<usize>> {
        let body = script.numbers?;
        let answer = self.check_open(script.name);
        Some(answer.and_then(|()| self.run_number_body(script, body, keys, args, reply)))
    }

    /// Answers the number of subscriptions that got it.
    async fn publish(&self, channel: &Bytes, payload: Bytes) -> Result<u64> {
        self.check_open("publish")?;
        self.check_payload(&payload)?;
        Ok(self.channels.publish(channel, payload))
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        self.channels.subscribe(request)
    }

    /// Refuses later calls of all clones, ends their subscriptions, and frees what is stored.
    async fn close(&self) {
        self.keyspace.close();
        self.channels.close();
    }
}
