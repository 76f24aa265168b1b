//! One run of a script: its body's [`Transaction`] over the locked tables of its keys.

use bytes::Bytes;
use cachekit_keys::Key;

use super::{
    access::{Access, Target},
    commands::check_size,
    integer,
    keyspace::Keyspace,
    locked::Locked,
    value::{Added, Hash, Score, SortedSet, Span, Value, span},
};
use crate::{
    ErrorKind, ExpireChange, KeyExpiry, Result, ScoreRange, SetOptions, Transaction, ZAddCondition,
};

/// A message that a run published: channel and payload.
pub(super) type Message = (Bytes, Bytes);

/// One run of a script, as long as it holds its locks.
pub(super) struct Run<'a> {
    locked: Locked<'a>,
    script: &'static str,
    max_value_size: usize,
    /// The wall clock in microseconds.
    now: u64,
    effects: Effects,
}

/// What a run has done by its end.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Whether something was changed.
    pub(super) wrote: bool,
    /// To be delivered when the locks are free.
    pub(super) messages: Vec<Message>,
}

impl<'a> Run<'a> {
    /// Waits for the locks of `keys`, and reads both clocks, at one moment.
    #[inline]
    pub(super) fn begin(
        keyspace: &'a Keyspace,
        script: &'static str,
        keys: &'a [Key],
        max_value_size: usize,
    ) -> Self {
        let locked = Locked::new(keyspace, keys);
        Self {
            script,
            max_value_size,
            now: keyspace.clock.wall_micros(locked.now()),
            locked,
            effects: Effects::default(),
        }
    }

    /// Frees the locks.
    #[inline]
    pub(super) fn end(self) -> Effects {
        self.effects
    }

    fn at<'s, 'k>(&'s mut self, key: &'k Key) -> Result<Access<'s, 'k>> {
        self.locked.access(key, self.script)
    }

    /// Reads a collection of type `C`.
    fn read<C: super::value::Typed>(&mut self, key: &Key) -> Result<Option<&C>> {
        let Access { table, target } = self.at(key)?;
        target.collection(table)
    }

    fn write(&mut self, key: &Key, value: Value, options: SetOptions) -> Result<bool> {
        let written = self.at(key)?.set(value, options);
        self.note(written);
        Ok(written)
    }

    fn note(&mut self, wrote: bool) {
        self.effects.wrote |= wrote;
    }

    fn check_size(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        check_size(self.script, key, bytes.len(), self.max_value_size)
    }
}

impl Transaction for Run<'_> {
    fn now(&self) -> u64 {
        self.now
    }

    fn exists(&mut self, key: &Key) -> Result<bool> {
        let Access { table, target } = self.at(key)?;
        Ok(target.live(table).is_some())
    }

    fn del(&mut self, key: &Key) -> Result<bool> {
        let existed = self.at(key)?.remove().is_some();
        self.note(existed);
        Ok(existed)
    }

    fn pttl(&mut self, key: &Key) -> Result<KeyExpiry> {
        let Access { table, target } = self.at(key)?;
        Ok(target.expiry(table))
    }

    fn pexpire(&mut self, key: &Key, change: ExpireChange) -> Result<bool> {
        let changed = self.at(key)?.expire(change);
        self.note(changed);
        Ok(changed)
    }

    fn get(&mut self, key: &Key) -> Result<Option<Bytes>> {
        let Access { table, target } = self.at(key)?;
        Ok(target.text(table)?.map(|(value, _)| value.clone()))
    }

    fn look(&mut self, key: &Key) -> Result<Option<&[u8]>> {
        let Access { table, target } = self.at(key)?;
        Ok(target.text(table)?.map(|(value, _)| &value[..]))
    }

    fn set(&mut self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.check_size(key, &value)?;
        self.write(key, Value::text(value), options)
    }

    fn set_copy(&mut self, key: &Key, value: &[u8], options: SetOptions) -> Result<bool> {
        self.check_size(key, value)?;
        self.write(key, Value::copy_of(value), options)
    }

    fn incrby(&mut self, key: &Key, by: i64) -> Result<i64> {
        let sum = self.at(key)?.add(by, None)?;
        self.note(true);
        Ok(sum)
    }

    fn hget(&mut self, key: &Key, field: &[u8]) -> Result<Option<Bytes>> {
        let hash = self.read::<Hash>(key)?;
        Ok(hash.and_then(|hash| hash.get(field)).cloned())
    }

    fn hgetall(&mut self, key: &Key) -> Result<Vec<(Bytes, Bytes)>> {
        let hash = self.read::<Hash>(key)?;
        let fields = hash.into_iter().flat_map(Hash::iter);
        Ok(fields
            .map(|(field, value)| (Bytes::copy_from_slice(field), value.clone()))
            .collect())
    }

    fn hset(&mut self, key: &Key, fields: &[(Bytes, Bytes)]) -> Result<u64> {
        for (field, value) in fields {
            self.check_size(key, field)?;
            self.check_size(key, value)?;
        }
        let mut access = self.at(key)?;
        if fields.is_empty() {
            return Ok(0);
        }
        let added = access.upsert(|hash: &mut Hash| {
            let mut added = 0;
            for (field, value) in fields {
                added += u64::from(hash.set(field, value.clone()));
            }
            Ok(added)
        })?;
        self.note(true);
        Ok(added)
    }

    fn hdel(&mut self, key: &Key, fields: &[Bytes]) -> Result<u64> {
        let removed = self.at(key)?.change(|hash: &mut Hash| {
            Ok(fields
                .iter()
                .map(|field| u64::from(hash.remove(field)))
                .sum())
        })?;
        let removed = removed.unwrap_or(0);
        self.note(removed > 0);
        Ok(removed)
    }

    fn hincrby(&mut self, key: &Key, field: &[u8], by: i64) -> Result<i64> {
        self.check_size(key, field)?;
        let mut access = self.at(key)?;
        let target = access.target;
        let sum = access.upsert(|hash: &mut Hash| {
            let number = hash.get(field).map_or(Ok(0), |text| target.integer(text))?;
            let sum = target.sum(number, by)?;
            hash.set(field, integer::format(sum));
            Ok(sum)
        })?;
        self.note(true);
        Ok(sum)
    }

    fn hlen(&mut self, key: &Key) -> Result<u64> {
        let hash = self.read::<Hash>(key)?;
        Ok(hash.map_or(0, |hash| hash.len() as u64))
    }

    fn zadd(
        &mut self,
        key: &Key,
        condition: ZAddCondition,
        members: &[(f64, Bytes)],
    ) -> Result<u64> {
        for (_, member) in members {
            self.check_size(key, member)?;
        }
        let mut access = self.at(key)?;
        if members.is_empty() {
            return Ok(0);
        }
        let scores = scores(access.target, members)?;
        let (mut new, mut moved) = (0, 0);
        access.upsert(|set: &mut SortedSet| {
            for (score, member) in scores {
                match set.add(member, score, condition) {
                    Added::New => new += 1,
                    Added::Moved => moved += 1,
                    Added::Nothing => {}
                }
            }
            Ok(())
        })?;
        self.note(new + moved > 0);
        Ok(new)
    }

    fn zrem(&mut self, key: &Key, members: &[Bytes]) -> Result<u64> {
        let removed = self.at(key)?.change(|set: &mut SortedSet| {
            Ok(members
                .iter()
                .map(|member| u64::from(set.remove(member)))
                .sum())
        })?;
        let removed = removed.unwrap_or(0);
        self.note(removed > 0);
        Ok(removed)
    }

    fn zscore(&mut self, key: &Key, member: &[u8]) -> Result<Option<f64>> {
        let set = self.read::<SortedSet>(key)?;
        Ok(set.and_then(|set| set.score(member)).map(Score::get))
    }

    fn zcard(&mut self, key: &Key) -> Result<u64> {
        let set = self.read::<SortedSet>(key)?;
        Ok(set.map_or(0, |set| set.len() as u64))
    }

    fn zcount(&mut self, key: &Key, scores: ScoreRange) -> Result<u64> {
        let span = span_of(self.at(key)?.target, scores)?;
        let set = self.read::<SortedSet>(key)?;
        Ok(set.map_or(0, |set| set.count(span) as u64))
    }

    fn zrange_by_score(
        &mut self,
        key: &Key,
        scores: ScoreRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, f64)>> {
        let span = span_of(self.at(key)?.target, scores)?;
        let set = self.read::<SortedSet>(key)?;
        let members = set.into_iter().flat_map(|set| set.range(span));
        Ok(members
            .take(limit)
            .map(|(member, score)| (Bytes::copy_from_slice(member), score.get()))
            .collect())
    }

    fn zrevrange_by_score(
        &mut self,
        key: &Key,
        scores: ScoreRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, f64)>> {
        let span = span_of(self.at(key)?.target, scores)?;
        let set = self.read::<SortedSet>(key)?;
        let members = set.into_iter().flat_map(|set| set.range(span).rev());
        Ok(members
            .take(limit)
            .map(|(member, score)| (Bytes::copy_from_slice(member), score.get()))
            .collect())
    }

    fn zremrange_by_score(&mut self, key: &Key, scores: ScoreRange) -> Result<u64> {
        let mut access = self.at(key)?;
        let span = span_of(access.target, scores)?;
        let removed = access.change(|set: &mut SortedSet| Ok(set.remove_range(span) as u64))?;
        let removed = removed.unwrap_or(0);
        self.note(removed > 0);
        Ok(removed)
    }

    fn publish(&mut self, channel: &[u8], payload: Bytes) {
        // What the store would refuse to publish is not sent, and fails nothing.
        if payload.len() <= self.max_value_size {
            let message = (Bytes::copy_from_slice(channel), payload);
            self.effects.messages.push(message);
        }
    }
}

/// The members with their scores, which are checked before anything is written.
fn scores<'m>(target: Target<'_>, members: &'m [(f64, Bytes)]) -> Result<Vec<(Score, &'m Bytes)>> {
    let scored = |(number, member): &'m (f64, Bytes)| Some((Score::new(*number)?, member));
    let scores: Option<Vec<_>> = members.iter().map(scored).collect();
    scores.ok_or_else(|| {
        target
            .error(ErrorKind::InvalidInput)
            .with_detail("the score is not a number")
    })
}

fn span_of(target: Target<'_>, scores: ScoreRange) -> Result<Span> {
    span(scores).ok_or_else(|| {
        target
            .error(ErrorKind::InvalidInput)
            .with_detail("a bound of the scores is not a number")
    })
}
