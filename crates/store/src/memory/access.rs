//! One key of a locked table, and what commands do to it, as Redis defines it: for single commands, which lock one
//! shard, and for scripts, which lock all of theirs.

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};

use super::{
    clock::{Deadline, Moment},
    entry::Entry,
    integer,
    table::Table,
    value::{Typed, Value},
};
use crate::{Condition, Error, ErrorKind, Expiration, ExpireChange, KeyExpiry, Result, SetOptions};

/// Which key a command is about, and when it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a Key,
    pub(super) now: Moment,
    /// The method or script, for errors.
    pub(super) operation: &'static str,
}

/// One key of a table that is locked for changes.
#[derive(Debug)]
pub(super) struct Access<'t, 'k> {
    pub(super) table: &'t mut Table,
    pub(super) target: Target<'k>,
}

impl Target<'_> {
    pub(super) fn error(self, kind: ErrorKind) -> Error {
        Error::new(kind, self.operation).with_key(self.key)
    }

    /// The key's entry, unless it has expired.
    pub(super) fn live(self, table: &Table) -> Option<&Entry> {
        let entry = table.find(self.hash, self.key);
        entry.filter(|entry| entry.is_live(self.now))
    }

    pub(super) fn allows(self, table: &Table, condition: Condition) -> bool {
        match condition {
            Condition::Always => true,
            Condition::IfAbsent => self.live(table).is_none(),
            Condition::IfPresent => self.live(table).is_some(),
        }
    }

    pub(super) fn expiry(self, table: &Table) -> KeyExpiry {
        let left = |entry: &Entry| entry.deadline.remaining(self.now);
        match self.live(table).map(left) {
            None => KeyExpiry::Missing,
            Some(None) => KeyExpiry::Never,
            Some(Some(left)) => KeyExpiry::In(left),
        }
    }

    /// Reads a string, and notes the use.
    pub(super) fn text(self, table: &Table) -> Result<Option<(&Bytes, Deadline)>> {
        let Some(entry) = self.live(table) else {
            return Ok(None);
        };
        entry.warm();
        let bytes = text(entry, self.operation)?;
        Ok(Some((bytes, entry.deadline)))
    }

    /// Reads a collection, and notes the use.
    pub(super) fn collection<C: Typed>(self, table: &Table) -> Result<Option<&C>> {
        let Some(entry) = self.live(table) else {
            return Ok(None);
        };
        entry.warm();
        match C::of(&entry.value) {
            Some(collection) => Ok(Some(collection)),
            None => Err(self.error(ErrorKind::WrongType)),
        }
    }
}

impl Access<'_, '_> {
    /// `SET`; answers whether the condition allowed it.
    pub(super) fn set(&mut self, value: Value, options: SetOptions) -> bool {
        if !self.target.allows(self.table, options.condition) {
            return false;
        }
        let deadline = match options.expiration {
            Expiration::After(ttl) => self.after(ttl),
            Expiration::Keep => self.deadline(),
            Expiration::Never => Deadline::NEVER,
        };
        self.put(value, deadline);
        true
    }

    /// `DEL`; answers the entry, for the caller to drop it where it keeps nobody waiting.
    pub(super) fn remove(&mut self) -> Option<Entry> {
        self.table
            .remove(self.target.hash, self.target.key)
            .filter(|entry| entry.is_live(self.target.now))
    }

    /// `PEXPIRE`, `PERSIST`; answers whether the life was changed.
    pub(super) fn expire(&mut self, change: ExpireChange) -> bool {
        let target = self.target;
        let changed = self.table.change(target.hash, target.key, |entry| {
            let deadline = changed_deadline(entry, change, target.now)?;
            entry.deadline = deadline;
            Some(())
        });
        changed.flatten().is_some()
    }

    /// `INCRBY`; answers the sum. A counter without a TTL is given `ttl`, a refused addition changes nothing.
    pub(super) fn add(&mut self, by: i64, ttl: Option<Ttl>) -> Result<i64> {
        let target = self.target;
        let number = match target.live(self.table) {
            None => 0,
            Some(entry) => target.integer(text(entry, target.operation)?)?,
        };
        let sum = target.sum(number, by)?;
        let deadline = match (self.deadline(), ttl) {
            (Deadline::NEVER, Some(ttl)) => self.after(ttl),
            (deadline, _) => deadline,
        };
        self.put(Value::Text(integer::format(sum)), deadline);
        Ok(sum)
    }

    /// Changes a collection, or makes one out of nothing; its TTL is kept.
    pub(super) fn upsert<C: Typed, R>(
        &mut self,
        work: impl FnOnce(&mut C) -> Result<R>,
    ) -> Result<R> {
        if self.target.live(self.table).is_some() {
            return self.change(work).map(|answer| answer.expect("it is there"));
        }
        let mut collection = C::default();
        let answer = work(&mut collection)?;
        if !collection.is_empty() {
            self.put(collection.into_value(), Deadline::NEVER);
        }
        Ok(answer)
    }

    /// Changes a collection, if it exists, and removes it if it is empty then.
    pub(super) fn change<C: Typed, R>(
        &mut self,
        work: impl FnOnce(&mut C) -> Result<R>,
    ) -> Result<Option<R>> {
        let target = self.target;
        if target.live(self.table).is_none() {
            return Ok(None);
        }
        let changed: Option<Result<(R, bool)>> =
            self.table.change(target.hash, target.key, |entry| {
                entry.warm();
                let collection = C::of_mut(&mut entry.value)
                    .ok_or_else(|| target.error(ErrorKind::WrongType))?;
                let answer = work(collection)?;
                Ok((answer, collection.is_empty()))
            });
        let Some((answer, is_empty)) = changed.transpose()? else {
            return Ok(None);
        };
        if is_empty {
            self.remove();
        }
        Ok(Some(answer))
    }

    fn put(&mut self, value: Value, deadline: Deadline) {
        let target = self.target;
        self.table.put(target.hash, target.key, value, deadline);
    }

    fn deadline(&self) -> Deadline {
        let live = self.target.live(self.table);
        live.map_or(Deadline::NEVER, |entry| entry.deadline)
    }

    fn after(&self, ttl: Ttl) -> Deadline {
        self.target.now.after(ttl.as_duration())
    }
}

/// Arithmetic, with a server's refusals.
impl Target<'_> {
    pub(super) fn integer(self, text: &[u8]) -> Result<i64> {
        integer::parse(text).ok_or_else(|| {
            self.error(ErrorKind::WrongType)
                .with_detail("the value is no integer")
        })
    }

    pub(super) fn sum(self, number: i64, by: i64) -> Result<i64> {
        number.checked_add(by).ok_or_else(|| {
            self.error(ErrorKind::InvalidInput)
                .with_detail("the sum would leave the range of 64 bits")
        })
    }
}

/// The string in an entry.
pub(super) fn text<'a>(entry: &'a Entry, operation: &'static str) -> Result<&'a Bytes> {
    match &entry.value {
        Value::Text(bytes) => Ok(bytes),
        Value::Other(_) => Err(Error::new(ErrorKind::WrongType, operation).with_key(&entry.key)),
    }
}

/// The deadline that `change` gives to a live entry; `None` where it leaves it alone.
fn changed_deadline(entry: &Entry, change: ExpireChange, now: Moment) -> Option<Deadline> {
    if !entry.is_live(now) {
        return None;
    }
    let old = entry.deadline;
    let after = |ttl: Ttl| now.after(ttl.as_duration());
    match change {
        ExpireChange::After(ttl) => Some(after(ttl)),
        ExpireChange::IfNone(ttl) => old.is_never().then(|| after(ttl)),
        ExpireChange::AtLeast(ttl) => (old < after(ttl)).then(|| after(ttl)),
        ExpireChange::Never => (!old.is_never()).then_some(Deadline::NEVER),
    }
}
