//! What a queue holds, and waiting until it holds no more of what was accepted before.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, WriteKey};
use cachekit_store::{Error, ErrorKind, Reply, Result, Wakeup};
use tokio::time::Instant;

use super::{
    Backlog, Flushed,
    companion::Head,
    queue::{Queue, Shard, Status, letter_of, parts, unsigned, write_of},
    scripts::STATE,
};
use crate::index::{run, unexpected};

/// How soon one who waits looks again by himself.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Queue {
    /// What all shards hold.
    pub(super) async fn backlog(&self) -> Result<Backlog> {
        let asked: Vec<_> = self.shards().await?.into_iter().map(from_now_on).collect();
        let mut backlog = Backlog::default();
        for status in self.statuses(&asked).await? {
            backlog.pending += status.pending;
            backlog.dead_letters += status.dead;
            let age = status
                .oldest
                .map(|oldest| status.now.saturating_sub(oldest));
            let age = age.map(Duration::from_millis);
            backlog.oldest_age = backlog.oldest_age.max(age);
        }
        Ok(backlog)
    }

    /// Waits until what was accepted before is persisted or given up.
    ///
    /// # Errors
    /// `Timeout` at the deadline, and those of the store.
    pub(super) async fn flush(&self, deadline: Duration) -> Result<Flushed> {
        let mut wait = Wait::begin(self, deadline).await;
        let shards: Vec<_> = self.shards().await?.into_iter().map(from_now_on).collect();
        let statuses = self.statuses(&shards).await?;
        let mut left: Vec<(Shard, u64)> = Vec::new();
        for ((shard, _), status) in shards.into_iter().zip(statuses) {
            if status.pending > 0 {
                left.push((shard, status.now));
            }
        }
        let mut flushed = Flushed::default();
        while !left.is_empty() {
            wait.next(|| still(left.len())).await?;
            let statuses = self.statuses(&left).await?;
            let mut still_left = Vec::new();
            for ((shard, since), status) in left.into_iter().zip(statuses) {
                match is_passed(&status, since) {
                    true => flushed.dead_letters += status.died,
                    false => still_left.push((shard, since)),
                }
            }
            left = still_left;
        }
        Ok(flushed)
    }

    /// The same for one key.
    pub(super) async fn flush_key(&self, key: &Key, deadline: Duration) -> Result<Flushed> {
        let mut wait = Wait::begin(self, deadline).await;
        let (since, head, letter) = self.state(key).await?;
        let letters = |letter: Option<Head>| Flushed {
            dead_letters: u64::from(letter.is_some()),
        };
        let Some(asked) = head else {
            return Ok(letters(letter));
        };
        loop {
            wait.next(|| "the write of the key is not persisted yet".to_owned())
                .await
                .map_err(|error| error.with_key(key))?;
            let (_, head, letter) = self.state(key).await?;
            // What was accepted since is none of this call's business, but has been counted anew by an acknowledgement.
            let is_passed = |head: Head| {
                head.sequence > asked.sequence && head.first != asked.first && head.first > since
            };
            if head.is_none_or(is_passed) {
                return Ok(letters(letter));
            }
        }
    }

    /// The shard's clock, and the headers of a key's unpersisted write and dead letter.
    async fn state(&self, key: &Key) -> Result<(u64, Option<Head>, Option<Head>)> {
        let keys = vec![write_of(key)?, letter_of(key)?];
        let reply = parts(&STATE, run(&*self.store, &STATE, keys, Vec::new()).await?)?;
        let now = unsigned(&STATE, reply.first())?.unwrap_or_default();
        Ok((now, head(reply.get(1))?, head(reply.get(2))?))
    }
}

/// Whether nothing is left of what was accepted up to a time. What a clock accepted that was ahead may be part of it.
fn is_passed(status: &Status, since: u64) -> bool {
    status.pending == 0 || status.ahead == 0 && status.oldest.is_none_or(|oldest| oldest > since)
}

fn from_now_on(shard: Shard) -> (Shard, u64) {
    (shard, u64::MAX >> 12)
}

fn head(reply: Option<&Reply>) -> Result<Option<Head>> {
    match reply {
        Some(Reply::Bytes(bytes)) if bytes.is_empty() => Ok(None),
        Some(Reply::Bytes(bytes)) => Head::parse(bytes).map(Some),
        _ => Err(unexpected(&STATE)),
    }
}

fn still(shards: usize) -> String {
    match shards {
        1 => "unpersisted writes are left".to_owned(),
        many => format!("unpersisted writes are left in {many} slots"),
    }
}

/// Waits for progress, up to a deadline.
pub(super) struct Wait<'q> {
    queue: &'q Queue,
    progress: Wakeup,
    end: Instant,
    deadline: Duration,
}

impl<'q> Wait<'q> {
    /// Registers, before anything is looked at.
    pub(super) async fn begin(queue: &'q Queue, deadline: Duration) -> Self {
        let end = Instant::now() + deadline.min(Duration::from_secs(30 * 365 * 86_400));
        Self {
            progress: queue.wakeup(WriteKey::Progress).await,
            queue,
            end,
            deadline,
        }
    }

    /// Asks the workers to hurry, and waits for one of them or a while.
    ///
    /// # Errors
    /// `Timeout` at the deadline.
    pub(super) async fn next(&mut self, left: impl FnOnce() -> String) -> Result<()> {
        let now = Instant::now();
        if now >= self.end {
            let detail = format!("{} after {:?}", left(), self.deadline);
            return Err(Error::new(ErrorKind::Timeout, "write_behind").with_detail(detail));
        }
        self.queue.wake(WriteKey::Flush).await;
        self.progress.wait(LOOK_AGAIN.min(self.end - now)).await;
        Ok(())
    }

    /// The same without a hurry.
    pub(super) async fn for_room(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.end {
            return false;
        }
        self.progress.wait(LOOK_AGAIN.min(self.end - now)).await;
        true
    }
}

/// The bytes of a member as a key.
pub(super) fn member_key(member: Bytes) -> Result<Key> {
    Ok(Key::from_raw(member)?)
}
