//! Writes that find the backlog full.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, KeyFamily};
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    WhenFull, WriteItem, WriteOperation, WriteToken,
    accept::{Accepted, Accepting, Receipt, Room},
    barrier::Wait,
    claim::{Claim, Done},
    companion::sequence_text,
    deliver::deliver,
    options::Options,
    queue::millis,
    shared::Shared,
};
use crate::announce::Telling;

impl<K, V> Shared<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Has all writes accepted, or says why not.
    pub(super) async fn accept(&self, mut items: Vec<Accepting>) -> Result<()> {
        let mut wait: Option<Wait<'_>> = None;
        let mut some = false;
        loop {
            let accepted = self.queue.try_accept(&items, Room::Bounded).await;
            let accepted = accepted.map_err(|error| partly(error, some))?;
            let mut answers = accepted.iter();
            let mut reason = None;
            items.retain(|_| match answers.next() {
                Some(Accepted::Yes(_)) => {
                    some = true;
                    false
                }
                Some(full) => {
                    reason.get_or_insert(*full);
                    true
                }
                None => true,
            });
            let Some(reason) = reason else {
                return Ok(());
            };
            let full = |items: &[Accepting]| {
                partly(full(reason, &self.queue.options, &items[0].write.key), some)
            };
            match self.queue.options.when_full {
                WhenFull::Refuse => return Err(full(&items)),
                WhenFull::WriteThrough => return self.write_through(items, some).await,
                WhenFull::Wait(deadline) => {
                    let wait = match &mut wait {
                        Some(wait) => wait,
                        // Registered now, so that it has to be looked at once more before the wait.
                        None => {
                            wait = Some(Wait::begin(&self.queue, deadline).await);
                            continue;
                        }
                    };
                    if !wait.for_room().await {
                        return Err(full(&items));
                    }
                }
            }
        }
    }

    /// Calls the sink for each write.
    ///
    /// The key has no unpersisted write, or there would be room: so nothing older can be applied behind this one. It is kept and claimed as if by a
    /// worker, and thereby survives this process; what is written meanwhile comes after it.
    async fn write_through(&self, items: Vec<Accepting>, mut some: bool) -> Result<()> {
        for item in items {
            let claim = self.queue.options.claim;
            let room = Room::Claimed(claim);
            let accepted = self
                .queue
                .try_accept(std::slice::from_ref(&item), room)
                .await
                .map_err(|error| partly(error, some))?;
            // One that has become part of a write which came meanwhile is in the queue.
            if let Some(Accepted::Yes(receipt)) = accepted.first()
                && receipt.is_claimed
            {
                self.persist(&item, *receipt)
                    .await
                    .map_err(|error| partly(error, some))?;
            }
            some = true;
        }
        Ok(())
    }

    async fn persist(&self, item: &Accepting, receipt: Receipt) -> Result<()> {
        let (queue, key) = (&self.queue, &item.write.key);
        let claim = Claim {
            shard: queue.shard_keys(queue.shard_of(key)),
            at: receipt.now,
            score: receipt.now + millis(queue.options.claim),
            keys: Vec::new(),
            expired: Vec::new(),
        };
        let sequence = Bytes::from(sequence_text(receipt.sequence));
        let operation = match item.is_put {
            true => WriteOperation::Put(self.decode(key, &item.write.value)?),
            false => WriteOperation::Delete,
        };
        let token = WriteToken::new(key.clone(), receipt.sequence);
        let given = WriteItem::new(queue.schema.parse::<K>(key)?, operation, token);
        let within = queue.options.sink_timeout().unwrap_or(Duration::MAX);
        let mut results = deliver(&*self.sink, &[given], within).await;
        match results.pop() {
            Some(Err(error)) => {
                // Unless a newer one has come, which is in the queue.
                let telling = self.removal(key);
                let taken_back = queue.take_back(&claim, key, sequence).await;
                let taken_back = Telling::end(telling, taken_back);
                Err(Error::new(ErrorKind::Overloaded, "write_behind")
                    .with_detail("the backlog is full, and the sink did not take the write")
                    .with_key(key)
                    .with_may_have_applied(true)
                    .with_source(error))
                .or_else(|refused| taken_back.and(Err(refused)))
            }
            _ => {
                let done = Done {
                    key,
                    sequence,
                    count: 1,
                    size: item.write.value.len(),
                };
                // Where this fails the write is persisted once more, by a worker.
                let _ = queue.acknowledge(&claim, &[done]).await;
                Ok(())
            }
        }
    }
}

fn full(reason: Accepted, options: &Options, key: &Key) -> Error {
    let detail = match reason {
        Accepted::TooOld(age) => format!(
            "the oldest unpersisted write is {:?} old, at most {:?} are allowed",
            Duration::from_millis(age),
            options.max_age.unwrap_or_default()
        ),
        _ => format!(
            "the backlog is full: {} keys are allowed to have an unpersisted write or a dead letter",
            options.backlog
        ),
    };
    Error::new(ErrorKind::Overloaded, "write_behind")
        .with_detail(detail)
        .with_key(key)
}

/// Of a batch, some were accepted before.
fn partly(error: Error, some: bool) -> Error {
    match some {
        true => error.with_may_have_applied(true),
        false => error,
    }
}
