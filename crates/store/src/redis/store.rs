//! The commands behind the store's methods.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use redis::Value;

use super::error::{refused_at_first, unexpected_reply};
use super::{
    backend::{Backend, all, all_unnamed},
    builder::RedisStoreBuilder,
    commands,
    hub::Hub,
    info,
    reply::{integer, key_expiry, list, number_text, optional_bytes, stored, text},
    request::Operation,
};
use crate::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Reply, Result,
    ScanPage, ScanRequest, Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
    SubscribeRequest, Subscription,
};

/// A store on one Redis (6.2 or later; 7.0 for [`ExpireChange::IfNone`] and [`ExpireChange::AtLeast`]) or Valkey server.
///
/// All clones and all tasks share one multiplexed RESP3 connection, which comes back by itself. Every
/// call has one deadline ([`RedisStoreBuilder::request_timeout`]), in however many steps it is carried out. Nothing is sent
/// again after an answer that was lost. A command is sent again only where a server said that nothing of it ran; a script
/// with a [plan](crate::ScriptPlan) is followed by what its plan says where the transaction did not go as planned.
///
/// All subscriptions share a connection of their own, which is made with the first of them and given up a minute after the
/// last. It comes back by itself and subscribes again; each subscription is then given a [`Gap`](crate::Gap). A server that
/// says nothing is asked for a sign of life every few seconds. All connections end with [`close`](Store::close), and with
/// the last clone.
///
/// # On a cluster
/// With [`Topology::Cluster`](crate::Topology::Cluster) or a URL that begins with `redis+cluster://` there is one connection
/// to each primary. Replicas are not read. A batch costs one round trip a node, all nodes at the same time, within the one
/// deadline of the call; a node that is down or slow fails its own keys only, but a batch with one of them as a whole
/// (ask [`Error::may_have_applied`] about the others). Slots that move and replicas that take over are followed: a command
/// is sent again only where a node said that nothing of it ran.
///
/// - The user needs the permission for `CLUSTER SLOTS` beside those for the commands (`+cluster|slots`), and for
///   `CLUSTER MYID` and `CLUSTER INFO` so that a subscription is told by a [`Gap`](crate::Gap) within seconds when its node
///   has left the cluster or was cut off from it (`+cluster|myid`, `+cluster|info`): such a node answers, but no messages
///   reach it.
/// - [`time`](Store::time) is that of the primary of the lowest slots, or of another where that one cannot be reached;
///   a script reads the clock of its own node. The clocks of nodes differ.
/// - [`server_facts`](Store::server_facts) adds up those of all primaries; the version is that of the first.
/// - [`scan`](Store::scan) goes from node to node, and starts over when slots have moved or another node has taken over
///   meanwhile. A key whose slot is on its way while the walk *ends* may be missed.
/// - A script without keys runs on any primary.
/// - [`publish`](Store::publish) reaches the subscribers of all nodes, and counts those of one.
///
/// # Examples
/// ```no_run
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{RedisStore, SetOptions, Store};
///
/// # async fn f() -> Result<(), cachekit_store::Error> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
/// store.set(&Key::from_raw("k")?, "v".into(), SetOptions::ttl(Ttl::seconds(60))).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RedisStore {
    backend: Arc<Backend>,
    hub: Arc<Hub>,
    max_value_size: usize,
}

impl RedisStore {
    /// Options for the server at `url`: `redis://[user:password@]host[:port][/database]`, or `rediss://` with the feature
    /// `tls`. Of a cluster: `redis+cluster://[user:password@]host[:port][,host[:port]...]`, or `rediss+cluster://`.
    ///
    /// # Examples
    /// See [`RedisStoreBuilder`].
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    /// Connects with default options.
    ///
    /// # Errors
    /// Those of [`RedisStoreBuilder::connect`].
    ///
    /// # Examples
    /// See [`RedisStore`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    pub(super) fn new(backend: Backend, hub: Hub, max_value_size: usize) -> Self {
        Self {
            backend: Arc::new(backend),
            hub: Arc::new(hub),
            max_value_size,
        }
    }

    /// Asks the server for a sign of life; of a cluster, every primary.
    ///
    /// # Errors
    /// Those that every call of a [`Store`] can meet. A cluster fails as a whole where one primary does not answer:
    /// its keys are out of reach.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn f() -> Result<(), cachekit_store::Error> {
    /// let store = cachekit_store::RedisStore::connect("redis://127.0.0.1:6379").await?;
    /// store.ping().await?;
    /// # Ok(()) }
    /// ```
    pub async fn ping(&self) -> Result<()> {
        self.backend.ping().await
    }

    /// Shows that the options lead to a server.
    pub(super) async fn greet(&self) -> Result<()> {
        self.backend.connect().await
    }

    fn check_size(&self, operation: Operation, key: &Key, value: &Bytes) -> Result<()> {
        if value.len() <= self.max_value_size {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TooLarge, operation.name)
            .with_detail(format!(
                "{} bytes, at most {} are allowed",
                value.len(),
                self.max_value_size
            ))
            .with_key(key))
    }

    fn check_payload(&self, operation: Operation, payload: &Bytes) -> Result<()> {
        if payload.len() <= self.max_value_size {
            return Ok(());
        }
        Err(
            Error::new(ErrorKind::TooLarge, operation.name).with_detail(format!(
                "{} bytes, at most {} are allowed",
                payload.len(),
                self.max_value_size
            )),
        )
    }

    /// Sends one command a key and reads each reply.
    async fn each<'a, T>(
        &self,
        operation: Operation,
        keys: impl Iterator<Item = &'a Key>,
        commands: impl Iterator<Item = redis::Cmd>,
        read: impl Fn(Operation, Value) -> Result<T>,
    ) -> Result<Vec<T>> {
        let keys: Vec<&Key> = keys.collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.backend.each(operation, &keys, commands, read).await
    }
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::basic(self.max_value_size);
        capabilities.shared = true;
        capabilities.scripts = true;
        capabilities.pubsub = true;
        capabilities.clustered = self.backend.is_clustered();
        capabilities
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let operation = Operation::read("get");
        let mut command = redis::cmd("GET");
        command.arg(key.as_bytes());
        let reply = self.backend.command(operation, Some(key), &command).await;
        reply
            .and_then(|value| optional_bytes(operation, value))
            .map_err(|error| error.with_key(key))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.backend.values(Operation::read("get_many"), keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::read("get_entries");
        self.backend.entries(operation, keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        let operation = Operation::write("set");
        self.check_size(operation, key, &value)?;
        let command = commands::set(key, &value, options);
        let reply = self.backend.command(operation, Some(key), &command).await;
        reply
            .and_then(|value| stored(operation, value))
            .map_err(|error| error.with_key(key))
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        let operation = Operation::write("set_many");
        for item in items {
            self.check_size(operation, &item.key, &item.value)?;
        }
        self.each(
            operation,
            items.iter().map(|item| &item.key),
            items.iter().map(commands::set_item),
            stored,
        )
        .await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.backend.unlink(Operation::write("delete"), keys).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        let commands = keys.iter().map(|key| commands::with_keys("PTTL", [key]));
        self.each(
            Operation::read("expiries"),
            keys.iter(),
            commands,
            key_expiry,
        )
        .await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        let commands = keys.iter().map(|key| commands::expire(key, change));
        let changed = |operation, value| integer(operation, value).map(|count| count == 1);
        self.each(Operation::write("expire"), keys.iter(), commands, changed)
            .await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        if increments.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation {
            runs_script: true,
            ..Operation::write("increment")
        };
        let sums = self.backend.increment(operation, increments).await?;
        let keys = increments.iter().map(|increment| &increment.key);
        let sums = sums.into_iter().map(|sum| sum.map_err(refused_at_first));
        all(operation, keys, sums)
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let operation = Operation::read("scan");
        let (names, next) = self.backend.scan(operation, request).await?;
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            // Names that are no keys of ours (empty, or longer than a key may be) are passed over.
            if let Some(name) = optional_bytes(operation, name)?
                && let Ok(key) = Key::from_raw(name)
            {
                keys.push(key);
            }
        }
        Ok(ScanPage::new(keys, next))
    }

    async fn time(&self) -> Result<SystemTime> {
        let operation = Operation::read("time");
        let command = redis::cmd("TIME");
        let reply = self.backend.command(operation, None, &command).await?;
        let mut parts = Vec::with_capacity(2);
        for part in list(operation, reply, Some(2))? {
            parts.push(number_text(operation, part)?);
        }
        let since_epoch = Duration::from_secs(parts[0]) + Duration::from_micros(parts[1]);
        Ok(SystemTime::UNIX_EPOCH + since_epoch)
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        let operation = Operation::read("server_facts");
        let command = redis::cmd("INFO");
        let replies = self.backend.everywhere(operation, &command).await?;
        let facts: Result<Vec<ServerFacts>> = replies
            .into_iter()
            .map(|reply| {
                Ok(info::parse(
                    &text(operation, reply)?,
                    self.backend.database(),
                ))
            })
            .collect();
        info::merge(facts?).ok_or_else(|| unexpected_reply(operation))
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::script(script);
        let replies = self.backend.run_script(operation, script, calls).await?;
        all_unnamed(operation, replies)
    }

    async fn publish(&self, channel: &Bytes, payload: Bytes) -> Result<u64> {
        let operation = Operation::write("publish");
        self.check_payload(operation, &payload)?;
        let mut command = redis::cmd("PUBLISH");
        command.arg(&channel[..]).arg(&payload[..]);
        let reply = self.backend.command(operation, None, &command).await?;
        let reached = integer(operation, reply)?;
        u64::try_from(reached).map_err(|_| unexpected_reply(operation))
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        self.hub.subscribe(request).await
    }

    async fn close(&self) {
        self.hub.close();
        self.backend.close().await;
    }
}
