//! One server or a cluster of them, behind one set of requests.
//!
//! What goes to a cluster is boxed, so that calls of a store on one server stay as small as they are.

use bytes::Bytes;
use cachekit_keys::Key;
use redis::{Cmd, Pipeline, Value};

use super::{
    commands::{self, with_keys},
    error::unexpected_reply,
    link::Link,
    reply::{integer, key_expiry, list, number_text, optional_bytes},
    request::Operation,
    route::{Cluster, Work},
    scripts::ScriptTexts,
};
use crate::{Entry, Error, KeyExpiry, Result, ScanCursor, ScanRequest};

/// The way of the store's requests.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) route: Route,
    pub(super) scripts: ScriptTexts,
}

/// Where requests go.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one for a store")]
pub(super) enum Route {
    Single(Link),
    Cluster(Cluster),
}

impl Backend {
    /// Shows that the server answers and takes the credentials; of a cluster, that one node does.
    pub(super) async fn connect(&self) -> Result<()> {
        match &self.route {
            Route::Single(_) => self.ping().await,
            Route::Cluster(cluster) => Box::pin(cluster.connect()).await,
        }
    }

    /// Asks every server for a sign of life.
    pub(super) async fn ping(&self) -> Result<()> {
        let command = redis::cmd("PING");
        let replies = self.everywhere(Operation::read("ping"), &command).await;
        replies.map(drop)
    }

    /// Sends one command to the server of `key`, or to any; a refusal is an `Err`.
    pub(super) async fn command(
        &self,
        operation: Operation,
        key: Option<&Key>,
        command: &Cmd,
    ) -> Result<Value> {
        match &self.route {
            Route::Single(link) => link.command(operation, command).await,
            Route::Cluster(cluster) => {
                Box::pin(cluster.command(operation, key.map(Key::slot), command)).await
            }
        }
    }

    /// Sends one command to every server.
    pub(super) async fn everywhere(
        &self,
        operation: Operation,
        command: &Cmd,
    ) -> Result<Vec<Value>> {
        match &self.route {
            Route::Single(link) => Ok(vec![link.command(operation, command).await?]),
            Route::Cluster(cluster) => Box::pin(cluster.everywhere(operation, command)).await,
        }
    }

    /// Sends one command a key and reads each reply; answers in their order.
    pub(super) async fn each<T>(
        &self,
        operation: Operation,
        keys: &[&Key],
        commands: impl Iterator<Item = Cmd>,
        read: impl Fn(Operation, Value) -> Result<T>,
    ) -> Result<Vec<T>> {
        let keys = keys.iter().copied();
        match &self.route {
            Route::Single(link) => {
                let mut pipeline = Pipeline::with_capacity(keys.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                let replies = link.pipeline(operation, &pipeline).await?.into_iter();
                all(operation, keys, replies.map(|reply| read(operation, reply)))
            }
            Route::Cluster(cluster) => {
                let slots = keys.clone().map(|key| Some(key.slot()));
                let commands = slots.zip(commands).collect();
                let replies = Box::pin(cluster.commands(operation, commands, None)).await?;
                let replies = replies.into_iter();
                all(
                    operation,
                    keys,
                    replies.map(|reply| reply.and_then(|reply| read(operation, reply))),
                )
            }
        }
    }

    /// Reads many values.
    pub(super) async fn values(
        &self,
        operation: Operation,
        keys: &[Key],
    ) -> Result<Vec<Option<Bytes>>> {
        match &self.route {
            Route::Single(link) => {
                let reply = link.command(operation, &with_keys("MGET", keys)).await?;
                let values = list(operation, reply, Some(keys.len()))?.into_iter();
                values
                    .map(|value| optional_bytes(operation, value))
                    .collect()
            }
            Route::Cluster(cluster) => {
                let values = Box::pin(cluster.keys(operation, Work::Values(keys))).await?;
                let values = values.into_iter();
                all(
                    operation,
                    keys.iter(),
                    values.map(|value| value.and_then(|value| optional_bytes(operation, value))),
                )
            }
        }
    }

    /// Reads many values with what is left of their lives, both at one moment.
    pub(super) async fn entries(
        &self,
        operation: Operation,
        keys: &[Key],
    ) -> Result<Vec<Option<Entry>>> {
        match &self.route {
            Route::Single(link) => {
                // A transaction, so that no write comes between a value and its TTL.
                let mut pipeline = Pipeline::with_capacity(2 * keys.len());
                pipeline.atomic();
                for key in keys {
                    pipeline.add_command(with_keys("GET", [key]));
                    pipeline.add_command(with_keys("PTTL", [key]));
                }
                let mut replies = link.pipeline(operation, &pipeline).await?.into_iter();
                let pairs = std::iter::from_fn(|| Some((replies.next()?, replies.next()?)));
                let entries = pairs.map(|(value, ttl)| entry(operation, value, ttl));
                all(operation, keys.iter(), entries)
            }
            Route::Cluster(cluster) => {
                let pairs = Box::pin(cluster.keys(operation, Work::Entries(keys))).await?;
                let entries = pairs
                    .into_iter()
                    .map(|pair| pair.and_then(|pair| entry_of_pair(operation, pair)));
                all(operation, keys.iter(), entries)
            }
        }
    }

    /// Deletes keys; answers how many existed.
    pub(super) async fn unlink(&self, operation: Operation, keys: &[Key]) -> Result<u64> {
        let count = match &self.route {
            Route::Single(link) => {
                let reply = link.command(operation, &with_keys("UNLINK", keys)).await?;
                integer(operation, reply)?
            }
            Route::Cluster(cluster) => {
                let counts = Box::pin(cluster.keys(operation, Work::Unlink(keys))).await?;
                let counts = counts
                    .into_iter()
                    .map(|count| count.and_then(|count| integer(operation, count)));
                all(operation, keys.iter(), counts)?.into_iter().sum()
            }
        };
        u64::try_from(count).map_err(|_| unexpected_reply(operation))
    }

    /// Takes one step of a walk over the keyspace: names, and where to go on.
    pub(super) async fn scan(
        &self,
        operation: Operation,
        request: &ScanRequest,
    ) -> Result<(Vec<Value>, Option<ScanCursor>)> {
        match &self.route {
            Route::Single(link) => {
                let command = commands::scan(request.cursor.position, request);
                let (position, names) = page(operation, link.command(operation, &command).await?)?;
                Ok((names, (position != 0).then_some(ScanCursor::at(position))))
            }
            Route::Cluster(cluster) => {
                let build = |position| commands::scan(position, request);
                let step = Box::pin(cluster.step(operation, &request.cursor, build)).await?;
                let (position, names) = page(operation, step.reply)?;
                let next = Box::pin(cluster.after(operation, step.place, position)).await?;
                Ok((names, next))
            }
        }
    }

    /// Number of the selected database; a cluster has only the first.
    pub(super) fn database(&self) -> i64 {
        match &self.route {
            Route::Single(link) => link.database(),
            Route::Cluster(_) => 0,
        }
    }

    pub(super) fn is_clustered(&self) -> bool {
        matches!(self.route, Route::Cluster(_))
    }

    /// Takes no more calls, lets those in flight finish, and ends the connections.
    pub(super) async fn close(&self) {
        match &self.route {
            Route::Single(link) => link.close().await,
            Route::Cluster(cluster) => Box::pin(cluster.close()).await,
        }
    }
}

/// The reply of `SCAN`: the server's cursor, and names.
fn page(operation: Operation, reply: Value) -> Result<(u64, Vec<Value>)> {
    let mut parts = list(operation, reply, Some(2))?.into_iter();
    let position = number_text(operation, parts.next().unwrap_or_default())?;
    let names = list(operation, parts.next().unwrap_or_default(), None)?;
    Ok((position, names))
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

fn entry_of_pair(operation: Operation, pair: Value) -> Result<Option<Entry>> {
    let mut pair = list(operation, pair, Some(2))?.into_iter();
    entry(
        operation,
        pair.next().unwrap_or_default(),
        pair.next().unwrap_or_default(),
    )
}

/// The answers of a batch, or its first failure with the key in question.
///
/// The change may have been applied where it failed for one key, if it was or may have been carried out for another.
pub(super) fn all<'a, T>(
    operation: Operation,
    keys: impl Iterator<Item = &'a Key>,
    answers: impl Iterator<Item = Result<T>>,
) -> Result<Vec<T>> {
    let mut taken = Vec::with_capacity(answers.size_hint().0);
    let mut pairs = keys.zip(answers);
    while let Some((key, answer)) = pairs.next() {
        match answer {
            Ok(answer) => taken.push(answer),
            Err(error) => {
                let others = !taken.is_empty() || pairs.any(|(_, other)| may_have_applied(&other));
                return Err(failed(operation, error.with_key(key), others));
            }
        }
    }
    Ok(taken)
}

/// The same for answers without keys.
pub(super) fn all_unnamed<T>(operation: Operation, answers: Vec<Result<T>>) -> Result<Vec<T>> {
    let applied = answers.iter().filter(|answer| may_have_applied(answer));
    let others = applied.count() > 0;
    let answers: Result<Vec<T>> = answers.into_iter().collect();
    answers.map_err(|error| failed(operation, error, others))
}

fn may_have_applied<T>(answer: &Result<T>) -> bool {
    answer
        .as_ref()
        .map_or_else(Error::may_have_applied, |_| true)
}

fn failed(operation: Operation, error: Error, others: bool) -> Error {
    match operation.writes && others {
        true => error.with_may_have_applied(true),
        false => error,
    }
}
