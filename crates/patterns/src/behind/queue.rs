//! The queue in the store: what it is called there, and what its scripts are asked.
//!
//! On a single server a script reaches everything, and there is one shard. On a cluster each slot is a shard of its own, and
//! hints say which of them to look at; see [`slots`](super::slots).

use std::{
    collections::{BTreeSet, HashMap},
    slice,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::{CompanionKind, Key, KeySchema, WriteKey, WriteQueue};
use cachekit_store::{Error, Reply, Result, Script, ScriptCall, Store, StoreExt, Wakeup};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    accept::Accepting, batch::Answer, companion::queue_tag, options::Options, scripts::STATUS,
};
use crate::{
    gather::Gather,
    index::{number, unexpected},
};

/// A slot of a cluster, or the whole of a single server.
pub(crate) type Shard = Option<u16>;

/// The untyped half of a queue.
pub(crate) struct Queue {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) name: WriteQueue,
    pub(crate) tag: Bytes,
    pub(crate) clustered: bool,
    pub(crate) options: Options,
    /// The keys of a single server.
    keys: ShardKeys,
    /// When this process has last noted that there are writes in a slot.
    pub(super) noted: Mutex<HashMap<u16, Instant>>,
    /// Single writes under way on one server, by the indices that list their keys.
    pub(super) puts: Gather<Vec<Key>, Accepting, Answer>,
    /// Slots with writes that this process has found and cannot note, as the node of the notes is away.
    pub(super) stranded: Mutex<BTreeSet<u16>>,
    /// How many keys a cluster's queue had, and when that was.
    pub(super) counted: Mutex<Option<(Instant, u64)>>,
}

/// The keys of one shard.
#[derive(Clone, Debug)]
pub(crate) struct ShardKeys {
    pub(crate) shard: Shard,
    pub(crate) due: Key,
    pub(crate) held: Key,
    pub(crate) waiting: Key,
    pub(crate) persisted: Key,
    pub(crate) dead: Key,
}

/// What a shard holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    /// The shard's clock, in milliseconds since the Unix epoch.
    pub(crate) now: u64,
    pub(crate) pending: u64,
    /// When the oldest was accepted.
    pub(crate) oldest: Option<u64>,
    /// How many were accepted by a clock that was ahead.
    pub(crate) ahead: u64,
    pub(crate) dead: u64,
    /// How many of these died since the time that was asked for.
    pub(crate) died: u64,
}

impl Queue {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        schema: KeySchema,
        name: WriteQueue,
        options: Options,
    ) -> Self {
        let keys = ShardKeys::new(&schema, &name, None);
        Self {
            tag: queue_tag(&name).into(),
            clustered: store.capabilities().clustered,
            store,
            schema,
            name,
            options,
            keys,
            puts: Gather::new("write_behind"),
            noted: Mutex::default(),
            stranded: Mutex::default(),
            counted: Mutex::default(),
        }
    }

    /// Where a key's write is kept.
    pub(crate) fn shard_of(&self, key: &Key) -> Shard {
        self.clustered.then(|| key.slot())
    }

    pub(crate) fn shard_keys(&self, shard: Shard) -> ShardKeys {
        match shard {
            None => self.keys.clone(),
            slot => ShardKeys::new(&self.schema, &self.name, slot),
        }
    }

    pub(crate) fn window_ms(&self) -> u64 {
        millis(self.options.window)
    }

    /// Runs a script for each call; on a cluster each by itself, as a node that is away is to keep none of the others from
    /// being looked at. Answers nothing where that failed, and the first failure.
    ///
    /// # Errors
    /// That failure, where nothing was answered.
    pub(super) async fn run_apart(
        &self,
        script: &Script,
        calls: &[ScriptCall],
    ) -> Result<(Vec<Option<Reply>>, Option<Error>)> {
        if !self.clustered {
            let replies = self.store.run_script(script, calls).await?;
            return Ok((replies.into_iter().map(Some).collect(), None));
        }
        let run = |call| self.store.run_script(script, slice::from_ref(call));
        let mut failure = None;
        let mut replies = Vec::with_capacity(calls.len());
        for answer in join_all(calls.iter().map(run)).await {
            match answer {
                Ok(answer) => replies.push(answer.into_iter().next()),
                Err(error) => {
                    failure.get_or_insert(error);
                    replies.push(None);
                }
            }
        }
        match failure {
            Some(error) if replies.iter().all(Option::is_none) => Err(error),
            failure => Ok((replies, failure)),
        }
    }

    /// Registers for the wake-ups of a key, or for none where the store has none.
    pub(crate) async fn wakeup(&self, key: WriteKey) -> Wakeup {
        let key = self.schema.write_key(&self.name, key);
        let wakeup = self.store.wakeup(&key).await;
        wakeup.unwrap_or_else(|_| Wakeup::never())
    }

    /// Wakes those who listen. A hint: they look again by themselves.
    pub(crate) async fn wake(&self, key: WriteKey) {
        let key = self.schema.write_key(&self.name, key);
        let _ = self.store.wake(&key).await;
    }

    /// The shards that may hold something.
    pub(crate) async fn shards(&self) -> Result<Vec<Shard>> {
        match self.clustered {
            false => Ok(vec![None]),
            true => Ok(self.listed_slots().await?.into_iter().map(Some).collect()),
        }
    }

    /// What shards hold; of their dead letters, `since` tells from when on they count as died.
    pub(crate) async fn statuses(&self, shards: &[(Shard, u64)]) -> Result<Vec<Status>> {
        let calls = shards.iter().map(|(shard, since)| {
            let keys = self.shard_keys(*shard);
            let args = vec![number(self.window_ms()), number(*since)];
            ScriptCall::new(vec![keys.due, keys.held, keys.waiting, keys.dead], args)
        });
        let calls: Vec<ScriptCall> = calls.collect();
        let replies = self.store.run_script(&STATUS, &calls).await?;
        replies.into_iter().map(status).collect()
    }

    /// The same as far as they answer.
    pub(super) async fn known_statuses(&self, shards: &[(Shard, u64)]) -> Vec<Option<Status>> {
        if let Ok(statuses) = self.statuses(shards).await {
            return statuses.into_iter().map(Some).collect();
        }
        let each = shards.iter().map(async |shard| {
            let statuses = self.statuses(slice::from_ref(shard)).await;
            statuses.ok()?.pop()
        });
        join_all(each).await
    }
}

impl ShardKeys {
    fn new(schema: &KeySchema, queue: &WriteQueue, slot: Shard) -> Self {
        let key = |key| schema.write_key(queue, key);
        Self {
            shard: slot,
            due: key(WriteKey::Due { slot }),
            held: key(WriteKey::Held { slot }),
            waiting: key(WriteKey::Waiting { slot }),
            persisted: key(WriteKey::Persisted { slot }),
            dead: key(WriteKey::Dead { slot }),
        }
    }
}

/// Where a key's unpersisted write is.
pub(crate) fn write_of(key: &Key) -> Result<Key> {
    Ok(key.companion(CompanionKind::Unpersisted)?)
}

/// Where a key's dead letter is.
pub(crate) fn letter_of(key: &Key) -> Result<Key> {
    Ok(key.companion(CompanionKind::DeadLetter)?)
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The parts of an array.
pub(crate) fn parts(script: &Script, reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(parts) => Ok(parts),
        _ => Err(unexpected(script)),
    }
}

pub(crate) fn signed(script: &Script, reply: Option<&Reply>) -> Result<i64> {
    match reply {
        Some(Reply::Integer(number)) => Ok(*number),
        _ => Err(unexpected(script)),
    }
}

/// A number that is never negative, but where it stands for nothing.
pub(crate) fn unsigned(script: &Script, reply: Option<&Reply>) -> Result<Option<u64>> {
    Ok(u64::try_from(signed(script, reply)?).ok())
}

fn status(reply: Reply) -> Result<Status> {
    let parts = parts(&STATUS, reply)?;
    let at = |place: usize| unsigned(&STATUS, parts.get(place));
    Ok(Status {
        now: at(0)?.unwrap_or_default(),
        pending: at(1)?.unwrap_or_default(),
        oldest: at(2)?,
        ahead: at(3)?.unwrap_or_default(),
        dead: at(4)?.unwrap_or_default(),
        died: at(5)?.unwrap_or_default(),
    })
}
