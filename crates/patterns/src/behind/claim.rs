//! Claims: taking what is due, and ending that in one way or another.

use std::{collections::BTreeSet, iter, time::Duration};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, Reply, Result, Script, ScriptCall};

use super::{
    barrier::member_key,
    companion::REASON,
    queue::{Queue, ShardKeys, letter_of, millis, parts, signed, unsigned, write_of},
    scripts::{ACK, BEGIN, CLAIM, GIVE_UP, RETRY},
    slots::{Later, TakenSlots},
};
use crate::{
    index::{BATCH, number, unexpected},
    lease::lease_of,
};

/// So many bytes of a write are read as a whole where only its sequence is asked for.
const SHORT: usize = 1_024;

/// What one look brought.
pub(super) struct Look {
    pub(super) claims: Vec<Claim>,
    /// The time until something is due, as far as is known.
    pub(super) next: Option<Duration>,
    /// What kept some of a cluster's nodes from being asked.
    pub(super) failure: Option<Error>,
}

/// What was found in one shard.
struct Found {
    claim: Claim,
    next: Option<Duration>,
    dead_letters: u64,
}

/// Keys of one shard that were claimed together.
pub(super) struct Claim {
    pub(super) shard: ShardKeys,
    /// When, by the shard's clock, in milliseconds.
    pub(super) at: u64,
    /// What tells this claim from others.
    pub(super) score: u64,
    pub(super) keys: Vec<Key>,
    /// Which of the keys, from 1, were claimed before by somebody who did not end that.
    pub(super) expired: Vec<u64>,
}

/// A claimed write as it was when the attempt began.
pub(super) enum Begun {
    Bytes(Bytes),
    /// The batch has no room for it.
    Later,
    Missing,
}

/// A claimed write that is persisted.
pub(super) struct Done<'k> {
    pub(super) key: &'k Key,
    pub(super) sequence: Bytes,
    pub(super) count: u32,
    /// How many bytes it had.
    pub(super) size: usize,
}

/// A claimed write that is given up, to become a dead letter.
pub(super) struct Dead<'k> {
    pub(super) key: &'k Key,
    pub(super) sequence: Bytes,
    pub(super) reason: String,
    /// How many attempts there were; `None` for as many as are counted.
    pub(super) attempts: Option<u32>,
}

/// A claimed write that is to be tried again.
pub(super) struct Again<'k> {
    pub(super) key: &'k Key,
    /// Empty for whichever is there.
    pub(super) sequence: Bytes,
    pub(super) pause: Duration,
    /// How many attempts there were; `None` for as many as are counted.
    pub(super) attempts: Option<u32>,
}

/// What ending a claim has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The claim was over, or the write gone.
    Nothing,
    Done,
    /// A newer write has come, which is in the queue again.
    Newer,
}

impl Queue {
    /// Claims up to so many keys, and with `is_all` those too that are not due yet.
    pub(super) async fn claim(&self, most: usize, is_all: bool) -> Result<Look> {
        if !self.clustered {
            let shards = vec![self.shard_keys(None)];
            let (found, _) = self.claim_in(shards, most, is_all).await?;
            let found = found.into_iter().next().flatten();
            let found = found.ok_or_else(|| unexpected(&CLAIM))?;
            return Ok(Look {
                claims: vec![found.claim],
                next: found.next,
                failure: None,
            });
        }
        // What is noted need not be there any more, and it is no reason to leave what is noted behind it.
        let mut looked_into = BTreeSet::new();
        loop {
            let mut taken = self.take_slots(is_all).await?;
            let before = looked_into.len();
            looked_into.extend(taken.slots.iter().copied());
            let failure = taken.failure.take();
            let mut look = self.claim_of(&taken, most, is_all).await?;
            look.failure = failure.or(look.failure);
            let is_empty = look.claims.iter().all(|claim| claim.keys.is_empty());
            if !is_empty || looked_into.len() == before {
                return Ok(look);
            }
        }
    }

    /// Claims in slots that were taken, and says when these are to be looked at again.
    async fn claim_of(&self, taken: &TakenSlots, most: usize, is_all: bool) -> Result<Look> {
        if taken.slots.is_empty() {
            return Ok(Look {
                claims: Vec::new(),
                next: taken.next,
                failure: None,
            });
        }
        let each = most.div_ceil(taken.slots.len());
        let shards = taken.slots.iter().map(|slot| self.shard_keys(Some(*slot)));
        let (found, failure) = self.claim_in(shards.collect(), each, is_all).await?;
        let mut look = Look {
            claims: Vec::new(),
            next: None,
            failure,
        };
        let mut later = Vec::with_capacity(found.len());
        for (slot, found) in taken.slots.iter().zip(found) {
            let Some(found) = found else {
                continue;
            };
            // Behind all that is noted by now, so that who takes slots before their time gets to all of them.
            let window = self.options.window + Duration::from_millis(1);
            let again = taken.unsure.contains(slot).then_some(window);
            if found.next.is_none() {
                self.stranded.lock().remove(slot);
            }
            later.push((
                *slot,
                match found.next.into_iter().chain(again).min() {
                    Some(next) => Later::In(next),
                    None if found.dead_letters > 0 => Later::OnlyLetters,
                    None => Later::Empty,
                },
            ));
            look.next = look.next.into_iter().chain(found.next).min();
            look.claims.push(found.claim);
        }
        look.next = look.next.into_iter().chain(taken.next).min();
        self.settle_slots(taken, &later).await;
        Ok(look)
    }

    /// Claims in each shard that answers.
    async fn claim_in(
        &self,
        shards: Vec<ShardKeys>,
        most: usize,
        is_all: bool,
    ) -> Result<(Vec<Option<Found>>, Option<Error>)> {
        let options = &self.options;
        let args = vec![
            number(most as u64),
            number(millis(options.claim)),
            number(self.window_ms()),
            number(millis(options.longest_hold())),
            number(u64::from(is_all)),
        ];
        let call = |shard: &ShardKeys| {
            let keys = [&shard.due, &shard.held, &shard.waiting, &shard.dead];
            ScriptCall::new(keys.into_iter().cloned().collect(), args.clone())
        };
        let calls: Vec<ScriptCall> = shards.iter().map(call).collect();
        let (replies, failure) = self.run_apart(&CLAIM, &calls).await?;
        let found = shards.into_iter().zip(replies);
        let found =
            found.map(|(shard, reply)| reply.map(|reply| found_in(shard, reply)).transpose());
        Ok((found.collect::<Result<_>>()?, failure))
    }

    /// Begins an attempt of each key of a claim, for so many bytes.
    pub(super) async fn begin(&self, claim: &Claim, bytes: usize) -> Result<Vec<Begun>> {
        let writes = claim.keys.iter().map(write_of).collect::<Result<_>>()?;
        let expired = claim.expired.iter().copied();
        let args = iter::once(bytes as u64).chain(expired).map(number);
        let call = ScriptCall::new(writes, args.collect());
        let replies = self.store.run_script(&BEGIN, &[call]).await?;
        let reply = replies.into_iter().next();
        let begun = parts(&BEGIN, reply.ok_or_else(|| unexpected(&BEGIN))?)?;
        let begun = begun.into_iter().map(|one| match one {
            Reply::Bytes(bytes) => Ok(Begun::Bytes(bytes)),
            Reply::Integer(_) => Ok(Begun::Later),
            Reply::Nil => Ok(Begun::Missing),
            _ => Err(unexpected(&BEGIN)),
        });
        begun.collect()
    }

    /// Removes what is persisted, where the claim is not over.
    pub(super) async fn acknowledge(&self, claim: &Claim, done: &[Done<'_>]) -> Result<Vec<Ended>> {
        let shard = &claim.shard;
        let mut calls = Vec::new();
        for chunk in done.chunks(BATCH) {
            let writes = chunk.iter().map(|done| write_of(done.key));
            let letters = chunk.iter().map(|done| letter_of(done.key));
            let mut keys = vec![
                shard.due.clone(),
                shard.held.clone(),
                shard.waiting.clone(),
                shard.persisted.clone(),
                shard.dead.clone(),
            ];
            for key in writes.chain(letters) {
                keys.push(key?);
            }
            let are_short = chunk.iter().all(|done| done.size <= SHORT);
            let mut args = vec![
                number(claim.score),
                number(claim.at),
                number(self.window_ms()),
                number(u64::from(are_short)),
            ];
            for done in chunk {
                let count = number(u64::from(done.count));
                args.extend([done.key.to_bytes(), done.sequence.clone(), count]);
            }
            calls.push(ScriptCall::new(keys, args));
        }
        self.ended(&ACK, calls).await
    }

    /// Lets writes wait, where the claim is not over.
    pub(super) async fn retry(&self, claim: &Claim, again: &[Again<'_>]) -> Result<Vec<Ended>> {
        let shard = &claim.shard;
        let mut calls = Vec::new();
        for chunk in again.chunks(BATCH) {
            let mut keys = vec![shard.held.clone(), shard.waiting.clone()];
            for again in chunk {
                keys.push(write_of(again.key)?);
            }
            let mut args = vec![number(claim.score), number(millis(self.newer_waits()))];
            for again in chunk {
                args.extend([
                    again.key.to_bytes(),
                    again.sequence.clone(),
                    number(millis(again.pause)),
                    attempts_text(again.attempts),
                ]);
            }
            calls.push(ScriptCall::new(keys, args));
        }
        self.ended(&RETRY, calls).await
    }

    /// Makes a write a dead letter, where the claim is not over.
    pub(super) async fn bury(&self, claim: &Claim, dead: &Dead<'_>) -> Result<Ended> {
        let reason = Bytes::copy_from_slice(shortened(&dead.reason).as_bytes());
        let letter = vec![reason, attempts_text(dead.attempts)];
        self.give_up(claim, dead.key, dead.sequence.clone(), letter)
            .await
    }

    /// Drops a write that was not persisted, where the claim is not over.
    pub(super) async fn take_back(
        &self,
        claim: &Claim,
        key: &Key,
        sequence: Bytes,
    ) -> Result<Ended> {
        self.give_up(claim, key, sequence, Vec::new()).await
    }

    async fn give_up(
        &self,
        claim: &Claim,
        key: &Key,
        sequence: Bytes,
        letter: Vec<Bytes>,
    ) -> Result<Ended> {
        let shard = claim.shard.clone();
        let keys = vec![
            key.clone(),
            lease_of(key)?,
            write_of(key)?,
            letter_of(key)?,
            shard.held,
            shard.waiting,
            shard.persisted,
            shard.dead,
        ];
        let mut args = vec![number(claim.score), number(millis(self.newer_waits()))];
        args.extend([key.to_bytes(), sequence]);
        args.extend(letter);
        let replies = self
            .store
            .run_script(&GIVE_UP, &[ScriptCall::new(keys, args)])
            .await?;
        ended(&GIVE_UP, replies.first())
    }

    /// For how long a write waits that has taken the place of one that failed: for further ones, as any.
    fn newer_waits(&self) -> Duration {
        // Longer than the longest hold would look like a clock that was ahead.
        self.options.window.min(self.options.longest_hold())
    }

    async fn ended(&self, script: &Script, calls: Vec<ScriptCall>) -> Result<Vec<Ended>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers = Vec::new();
        for reply in self.store.run_script(script, &calls).await? {
            for answer in parts(script, reply)? {
                answers.push(ended(script, Some(&answer))?);
            }
        }
        Ok(answers)
    }
}

/// What the script found in a shard.
fn found_in(shard: ShardKeys, reply: Reply) -> Result<Found> {
    let mut reply = parts(&CLAIM, reply)?;
    let at = |place: usize| unsigned(&CLAIM, reply.get(place));
    let (now, score) = (at(0)?.unwrap_or_default(), at(1)?.unwrap_or_default());
    let next = at(2)?.map(|next| Duration::from_millis(next.saturating_sub(now)));
    let dead_letters = at(3)?.unwrap_or_default();
    let (Some(Reply::Array(members)), Some(Reply::Array(expired))) = (reply.pop(), reply.pop())
    else {
        return Err(unexpected(&CLAIM));
    };
    let mut keys = Vec::with_capacity(members.len());
    for member in members {
        let Reply::Bytes(member) = member else {
            return Err(unexpected(&CLAIM));
        };
        keys.push(member_key(member)?);
    }
    let expired = expired.iter();
    let expired = expired.filter_map(|place| unsigned(&CLAIM, Some(place)).transpose());
    Ok(Found {
        claim: Claim {
            shard,
            at: now,
            score,
            keys,
            expired: expired.collect::<Result<_>>()?,
        },
        next,
        dead_letters,
    })
}

fn ended(script: &Script, reply: Option<&Reply>) -> Result<Ended> {
    match signed(script, reply)? {
        0 => Ok(Ended::Nothing),
        1 => Ok(Ended::Done),
        2 => Ok(Ended::Newer),
        _ => Err(unexpected(script)),
    }
}

/// A count of attempts as it stands in a header.
fn attempts_text(attempts: Option<u32>) -> Bytes {
    let text = attempts.map(|attempts| format!("{:03}", attempts.min(999)));
    text.unwrap_or_default().into()
}

/// The beginning of a text, cut off between two characters.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
