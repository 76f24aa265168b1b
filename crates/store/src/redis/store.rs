//! The commands behind the store's methods.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use redis::{Pipeline, Value};

use super::error::{refused_at_first, unexpected_reply};
use super::{
    builder::RedisStoreBuilder,
    commands, info,
    link::Link,
    reply::{integer, key_expiry, list, optional_bytes, stored},
    request::Operation,
};
use crate::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Reply, Result,
    ScanCursor, ScanPage, ScanRequest, Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
};

/// A store on one Redis (6.2 or later; 7.0 for [`ExpireChange::IfNone`] and [`ExpireChange::AtLeast`]) or Valkey server.
///
/// All clones and all tasks share one multiplexed RESP3 connection, which comes back by itself. Every
/// call has a deadline ([`RedisStoreBuilder::request_timeout`]), and no command is ever sent twice.
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
    link: Arc<Link>,
    max_value_size: usize,
}

impl RedisStore {
    /// Options for the server at `url`: `redis://[user:password@]host[:port][/database]`, or
    /// `rediss://` with the feature `tls`.
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

    pub(super) fn new(link: Link, max_value_size: usize) -> Self {
        Self {
            link: Arc::new(link),
            max_value_size,
        }
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// Those that every call of a [`Store`] can meet.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn f() -> Result<(), cachekit_store::Error> {
    /// let store = cachekit_store::RedisStore::connect("redis://127.0.0.1:6379").await?;
    /// store.ping().await?;
    /// # Ok(()) }
    /// ```
    pub async fn ping(&self) -> Result<()> {
        self.link
            .command(Operation::read("ping"), &redis::cmd("PING"))
            .await
            .map(drop)
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

    /// Sends one command a key in one pipeline and reads each reply.
    async fn each<'a, T>(
        &self,
        operation: Operation,
        commands: impl Iterator<Item = (&'a Key, redis::Cmd)>,
        read: impl Fn(Operation, Value) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut pipeline = Pipeline::new();
        let mut keys = Vec::new();
        for (key, command) in commands {
            pipeline.add_command(command);
            keys.push(key);
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.link.pipeline(operation, &pipeline).await?.into_iter();
        all(
            operation,
            keys.into_iter(),
            replies.map(|value| read(operation, value)),
        )
    }
}

/// The answers of a batch, or its first refusal with the key in question. The rest of the batch was carried out then.
fn all<'a, T>(
    operation: Operation,
    keys: impl ExactSizeIterator<Item = &'a Key>,
    answers: impl Iterator<Item = Result<T>>,
) -> Result<Vec<T>> {
    let others = operation.writes && keys.len() > 1;
    let named = keys
        .zip(answers)
        .map(|(key, answer)| answer.map_err(|error| error.with_key(key)));
    let answers: Result<Vec<T>> = named.collect();
    answers.map_err(|error| {
        if others {
            error.with_may_have_applied(true)
        } else {
            error
        }
    })
}

/// A value with what is left of its life, from the replies of `GET` and `PTTL`.
fn entry(operation: Operation, value: Value, ttl: Value) -> Result<Option<Entry>> {
    let value = optional_bytes(operation, value)?;
    let expires_in = match key_expiry(operation, ttl)? {
        KeyExpiry::In(left) => Some(left),
        _ => None,
    };
    Ok(value.map(|value| Entry::new(value, expires_in)))
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::basic(self.max_value_size);
        capabilities.shared = true;
        capabilities.scripts = true;
        capabilities
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let operation = Operation::read("get");
        let mut command = redis::cmd("GET");
        command.arg(key.as_bytes());
        let reply = self.link.command(operation, &command).await;
        reply
            .and_then(|value| optional_bytes(operation, value))
            .map_err(|error| error.with_key(key))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::read("get_many");
        let reply = self
            .link
            .command(operation, &commands::with_keys("MGET", keys))
            .await?;
        let values = list(operation, reply, Some(keys.len()))?;
        values
            .into_iter()
            .map(|value| optional_bytes(operation, value))
            .collect()
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::read("get_entries");
        // A transaction, so that no write comes between a value and its TTL.
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        for key in keys {
            pipeline.add_command(commands::with_keys("GET", std::slice::from_ref(key)));
            pipeline.add_command(commands::with_keys("PTTL", std::slice::from_ref(key)));
        }
        let mut replies = self.link.pipeline(operation, &pipeline).await?.into_iter();
        let pairs = std::iter::from_fn(|| Some((replies.next()?, replies.next()?)));
        all(
            operation,
            keys.iter(),
            pairs.map(|(value, ttl)| entry(operation, value, ttl)),
        )
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        let operation = Operation::write("set");
        self.check_size(operation, key, &value)?;
        let reply = self
            .link
            .command(operation, &commands::set(key, &value, options))
            .await;
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
            items
                .iter()
                .map(|item| (&item.key, commands::set_item(item))),
            stored,
        )
        .await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let operation = Operation::write("delete");
        let reply = self
            .link
            .command(operation, &commands::with_keys("UNLINK", keys))
            .await?;
        let count = integer(operation, reply)?;
        u64::try_from(count).map_err(|_| unexpected_reply(operation))
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        let commands = keys
            .iter()
            .map(|key| (key, commands::with_keys("PTTL", std::slice::from_ref(key))));
        self.each(Operation::read("expiries"), commands, key_expiry)
            .await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        let commands = keys.iter().map(|key| (key, commands::expire(key, change)));
        let changed = |operation, value| integer(operation, value).map(|count| count == 1);
        self.each(Operation::write("expire"), commands, changed)
            .await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        if increments.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::write("increment");
        let sums = self.link.increment(operation, increments).await?;
        let keys = increments.iter().map(|increment| &increment.key);
        let sums = sums.into_iter().map(|sum| sum.map_err(refused_at_first));
        all(operation, keys, sums)
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let operation = Operation::read("scan");
        let mut command = redis::cmd("SCAN");
        command.arg(request.cursor.0);
        if !request.pattern.is_everything() {
            command.arg("MATCH").arg(request.pattern.as_bytes());
        }
        command
            .arg("COUNT")
            .arg(request.count.clamp(1, ScanRequest::MAX_COUNT));
        let reply = self.link.command(operation, &command).await?;
        let mut parts = list(operation, reply, Some(2))?.into_iter();
        let cursor = optional_bytes(operation, parts.next().unwrap_or(Value::Nil))?
            .and_then(|text| std::str::from_utf8(&text).ok()?.parse::<u64>().ok())
            .ok_or_else(|| unexpected_reply(operation))?;
        let names = list(operation, parts.next().unwrap_or(Value::Nil), None)?;
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            // Names that are no keys of ours (empty, or longer than a key may be) are passed over.
            if let Some(name) = optional_bytes(operation, name)?
                && let Ok(key) = Key::from_raw(name)
            {
                keys.push(key);
            }
        }
        Ok(ScanPage::new(
            keys,
            (cursor != 0).then_some(ScanCursor(cursor)),
        ))
    }

    async fn time(&self) -> Result<SystemTime> {
        let operation = Operation::read("time");
        let reply = self.link.command(operation, &redis::cmd("TIME")).await?;
        let mut parts = Vec::with_capacity(2);
        for part in list(operation, reply, Some(2))? {
            let number = optional_bytes(operation, part)?
                .and_then(|text| std::str::from_utf8(&text).ok()?.parse::<u64>().ok())
                .ok_or_else(|| unexpected_reply(operation))?;
            parts.push(number);
        }
        let since_epoch = Duration::from_secs(parts[0]) + Duration::from_micros(parts[1]);
        Ok(SystemTime::UNIX_EPOCH + since_epoch)
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        let operation = Operation::read("server_facts");
        let reply = self.link.command(operation, &redis::cmd("INFO")).await?;
        let text = match reply {
            Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => return Err(unexpected_reply(operation)),
        };
        Ok(info::parse(&text, self.link.database()))
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let operation = Operation::script(script);
        let replies = self.link.run_script(operation, script, calls).await?;
        let replies: Result<Vec<Reply>> = replies.into_iter().collect();
        // The other runs took place although one was refused.
        replies.map_err(|error| {
            if operation.writes && calls.len() > 1 {
                error.with_may_have_applied(true)
            } else {
                error
            }
        })
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
