//! Listing, replaying and dropping dead letters.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::{Key, KeyFamily, WriteKey};
use cachekit_store::{Reply, Result, Script, ScriptCall};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    DeadLetter, DeadLetterCursor, DeadLetterPage, Replayed, WriteOperation, WriteToken,
    barrier::member_key,
    companion::{Head, digits},
    queue::{Queue, Shard, letter_of, parts, signed, write_of},
    scripts::{DISCARD, LETTERS, REPLAY},
    shared::Shared,
};
use crate::{
    announce::Telling,
    index::{number, run, unexpected},
    lease::lease_of,
};

/// How many letters one step of a walk over all of them takes.
const STEP: usize = 256;
/// Later than every time in milliseconds.
const EVER: u64 = u64::MAX >> 12;

/// Keys with a dead letter, when these died, and where to go on.
struct Listed {
    keys: Vec<(Key, u64)>,
    next: Option<DeadLetterCursor>,
}

impl Queue {
    /// Lists letters that died until a time, which is asked for each shard.
    async fn list_letters(
        &self,
        after: Option<&DeadLetterCursor>,
        limit: usize,
        until: impl Fn(Shard) -> u64,
    ) -> Result<Listed> {
        let mut shards = self.shards().await?;
        shards.sort_unstable();
        let from = after.map(|cursor| cursor.shard);
        let mut shards = shards
            .into_iter()
            .filter(|shard| from.is_none_or(|from| *shard >= from))
            .peekable();
        let mut listed = Listed {
            keys: Vec::new(),
            next: None,
        };
        while let Some(shard) = shards.next() {
            let cursor = after.filter(|cursor| cursor.shard == shard);
            let more = self
                .list_in(shard, cursor, (limit, until(shard)), &mut listed.keys)
                .await?;
            let is_full = listed.keys.len() >= limit;
            listed.next = match (more, shards.peek()) {
                (Some(cursor), _) => Some(cursor),
                (None, Some(next)) if is_full => Some(DeadLetterCursor {
                    shard: *next,
                    last: None,
                    ties: 0,
                }),
                _ => None,
            };
            if is_full {
                break;
            }
        }
        Ok(listed)
    }

    /// Lists one shard; answers where to go on there.
    async fn list_in(
        &self,
        shard: Shard,
        cursor: Option<&DeadLetterCursor>,
        (limit, until): (usize, u64),
        keys: &mut Vec<(Key, u64)>,
    ) -> Result<Option<DeadLetterCursor>> {
        let ties = cursor.map_or(0, |cursor| cursor.ties);
        let mut last = cursor.and_then(|cursor| cursor.last.clone());
        let since = last.as_ref().map_or(0, |(at, _)| *at);
        let asked = limit.saturating_sub(keys.len()) + ties;
        let args = vec![number(since), number(until), number(asked as u64)];
        let dead = self.shard_keys(shard).dead;
        let reply = parts(
            &LETTERS,
            run(&*self.store, &LETTERS, vec![dead], args).await?,
        )?;
        let is_more = reply.len() >= 2 * asked;
        let (mut same, mut at_last) = (ties, since);
        let mut reply = reply.into_iter();
        while let (Some(Reply::Bytes(member)), Some(Reply::Bytes(at))) =
            (reply.next(), reply.next())
        {
            let at = digits(&at).ok_or_else(|| unexpected(&LETTERS))?;
            let here = (at, member);
            if last.as_ref().is_some_and(|last| here <= *last) {
                continue;
            }
            same = if at == at_last { same + 1 } else { 1 };
            at_last = at;
            keys.push((member_key(here.1.clone())?, at));
            last = Some(here);
        }
        Ok(is_more.then_some(DeadLetterCursor {
            shard,
            last,
            ties: same,
        }))
    }

    pub(super) async fn replay(&self, key: &Key) -> Result<Replayed> {
        let shard = self.shard_keys(self.shard_of(key));
        if let Some(slot) = shard.shard {
            let noted = self.note_slots([slot], Duration::ZERO).await;
            noted.map_err(|error| error.with_may_have_applied(false))?;
        }
        let keys = vec![
            key.clone(),
            lease_of(key)?,
            write_of(key)?,
            letter_of(key)?,
            shard.due,
            shard.dead,
        ];
        let replayed = match self.ask(&REPLAY, keys, key).await? {
            0 => Replayed::Missing,
            1 => Replayed::Queued,
            _ => Replayed::Superseded,
        };
        if replayed == Replayed::Queued {
            if let Some(slot) = shard.shard {
                // A worker may have looked before the letter was there.
                let noted = self.note_slots([slot], Duration::ZERO).await;
                noted.map_err(|error| error.with_may_have_applied(true))?;
            }
            self.wake(WriteKey::Arrivals).await;
        }
        Ok(replayed)
    }

    pub(super) async fn discard(&self, key: &Key) -> Result<bool> {
        let dead = self.shard_keys(self.shard_of(key)).dead;
        let keys = vec![letter_of(key)?, dead];
        Ok(self.ask(&DISCARD, keys, key).await? > 0)
    }

    async fn ask(&self, script: &Script, keys: Vec<Key>, key: &Key) -> Result<i64> {
        let call = ScriptCall::new(keys, vec![key.to_bytes()]);
        let replies = self.store.run_script(script, &[call]).await;
        let replies = replies.map_err(|error| error.with_key(key))?;
        signed(script, replies.first())
    }
}

impl<K, V> Shared<K, V> {
    pub(super) async fn replay(&self, key: &Key) -> Result<Replayed> {
        let telling = self.removal(key);
        Telling::end(telling, self.queue.replay(key).await)
    }

    /// Replays or drops each letter; answers how many it did. What dies meanwhile is left, or a sink that refuses all of them at once
    /// would have the walk go on without end.
    pub(super) async fn each_letter(&self, does_replay: bool) -> Result<u64> {
        let queue = &self.queue;
        let shards = queue.shards().await?.into_iter().map(|shard| (shard, 0));
        let shards: Vec<(Shard, u64)> = shards.collect();
        let statuses = queue.statuses(&shards).await?;
        let begun = shards.into_iter().map(|(shard, _)| shard);
        let begun: HashMap<Shard, u64> = begun
            .zip(statuses.into_iter().map(|status| status.now))
            .collect();
        let until = |shard: Shard| begun.get(&shard).copied().unwrap_or(0);
        let (mut done, mut after) = (0, None);
        loop {
            let listed = queue.list_letters(after.as_ref(), STEP, until).await?;
            for (key, _) in &listed.keys {
                let stepped = match does_replay {
                    true => self.replay(key).await.map(|one| one == Replayed::Queued),
                    false => queue.discard(key).await,
                };
                done += u64::from(stepped.map_err(|error| match done {
                    0 => error,
                    _ => error.with_may_have_applied(true),
                })?);
            }
            match listed.next {
                Some(next) => after = Some(next),
                None => return Ok(done),
            }
        }
    }
}

impl<K, V> Shared<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) async fn letters(
        &self,
        after: Option<&DeadLetterCursor>,
        limit: usize,
    ) -> Result<DeadLetterPage<K, V>> {
        let listed = self
            .queue
            .list_letters(after, limit.clamp(1, 1_000), |_| EVER)
            .await?;
        let keys = listed.keys.iter().map(|(key, _)| letter_of(key));
        let keys: Vec<Key> = keys.collect::<Result<_>>()?;
        let (mut letters, mut unreadable) = (Vec::with_capacity(keys.len()), Vec::new());
        if !keys.is_empty() {
            let stored = self.queue.store.get_many(&keys).await?;
            for ((key, died), bytes) in listed.keys.into_iter().zip(stored) {
                // One that is gone was replayed or dropped meanwhile.
                let Some(bytes) = bytes else { continue };
                match self.letter(key.clone(), died, &bytes) {
                    Ok(letter) => letters.push(letter),
                    Err(error) => unreadable.push((key, error)),
                }
            }
        }
        Ok(DeadLetterPage {
            letters,
            unreadable,
            next: listed.next,
        })
    }

    fn letter(&self, key: Key, died: u64, bytes: &Bytes) -> Result<DeadLetter<K, V>> {
        let head = Head::parse(bytes)?;
        let (reason, value) = Head::letter(bytes)?;
        let operation = match head.is_put {
            true => self.decode(&key, &value).map(WriteOperation::Put),
            false => Ok(WriteOperation::Delete),
        };
        Ok(DeadLetter {
            key: self.queue.schema.parse(&key)?,
            operation,
            attempts: head.attempts,
            reason,
            died_at: SystemTime::UNIX_EPOCH + Duration::from_millis(died),
            token: WriteToken::new(key, head.sequence),
        })
    }
}
