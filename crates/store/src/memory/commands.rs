//! What single commands do to a key, as Redis defines it. Everything here is synchronous.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};

use super::{
    clock::{Deadline, Moment},
    entry::{Entry, Value},
    integer,
    keyspace::Keyspace,
    table::Table,
};
use crate::{
    Condition, Error, ErrorKind, Expiration, ExpireChange, Increment, KeyExpiry, Result, SetOptions,
};

/// Longest text of an `i64`.
const INTEGER_LEN: usize = 20;

/// A value with what is left of its life.
pub(super) type Found = (Bytes, Option<Duration>);

impl Keyspace {
    /// Reads a string without its expiry: the path that has to be fast.
    pub(super) fn get(&self, key: &Key, operation: &'static str) -> Result<Option<Bytes>> {
        let hash = self.hash(key);
        let table = self.read(hash);
        let Some(entry) = table.find(hash, key) else {
            return Ok(None);
        };
        // The clock is only read for an entry that can expire.
        if !entry.deadline.is_never() {
            let now = self.clock.now();
            if !entry.is_live(now) {
                drop(table);
                self.remove_expired(hash, key, now);
                return Ok(None);
            }
        }
        entry.warm();
        text(entry, operation).cloned().map(Some)
    }

    /// Reads a string with its expiry.
    pub(super) fn get_entry(
        &self,
        key: &Key,
        now: Moment,
        operation: &'static str,
    ) -> Result<Option<Found>> {
        let hash = self.hash(key);
        let table = self.read(hash);
        let Some(entry) = table.find(hash, key).filter(|entry| entry.is_live(now)) else {
            return Ok(None);
        };
        entry.warm();
        Ok(Some((
            text(entry, operation)?.clone(),
            entry.deadline.remaining(now),
        )))
    }

    /// Writes a string; answers whether the condition allowed it.
    pub(super) fn set(
        &self,
        key: &Key,
        value: Bytes,
        options: SetOptions,
        operation: &'static str,
    ) -> Result<bool> {
        let (hash, now) = (self.hash(key), self.clock.now());
        // A write that will not take place needs no room. The lock below decides.
        if options.condition != Condition::Always
            && !allows(options.condition, &self.read(hash), hash, key, now)
        {
            return Ok(false);
        }
        let reserved = self
            .make_room(hash, key, value.len(), now)
            .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, operation).with_key(key))?;
        let value = Value::text(value);
        Ok(self.write(hash, now, reserved, |table| {
            if !allows(options.condition, table, hash, key, now) {
                return false;
            }
            let deadline = match options.expiration {
                Expiration::After(ttl) => now.after(ttl.as_duration()),
                Expiration::Keep => {
                    live(table, hash, key, now).map_or(Deadline::NEVER, |old| old.deadline)
                }
                Expiration::Never => Deadline::NEVER,
            };
            table.put(Entry::new(hash, key.clone(), value, deadline));
            true
        }))
    }

    /// Puts a value of another type than string under a key.
    pub(super) fn put_foreign(&self, key: &Key) {
        let (hash, now) = (self.hash(key), self.clock.now());
        let entry = Entry::new(hash, key.clone(), Value::Foreign, Deadline::NEVER);
        self.write(hash, now, 0, |table| table.put(entry));
    }

    /// Deletes a key; answers whether it existed.
    pub(super) fn delete(&self, key: &Key) -> bool {
        let (hash, now) = (self.hash(key), self.clock.now());
        self.write(hash, now, 0, |table| table.remove(hash, key))
            .is_some_and(|entry| entry.is_live(now))
    }

    /// Reads what is left of a key's life.
    pub(super) fn expiry(&self, key: &Key, now: Moment) -> KeyExpiry {
        let hash = self.hash(key);
        match live(&self.read(hash), hash, key, now).map(|entry| entry.deadline.remaining(now)) {
            None => KeyExpiry::Missing,
            Some(None) => KeyExpiry::Never,
            Some(Some(left)) => KeyExpiry::In(left),
        }
    }

    /// Changes a key's life; answers whether it changed.
    pub(super) fn expire(&self, key: &Key, change: ExpireChange) -> bool {
        let (hash, now) = (self.hash(key), self.clock.now());
        let changed = self.write(hash, now, 0, |table| {
            table.change(hash, key, |entry| {
                let deadline = changed_deadline(entry, change, now)?;
                entry.deadline = deadline;
                Some(())
            })
        });
        changed.flatten().is_some()
    }

    /// Adds to a counter; answers the sum. A refused addition leaves the counter as it is.
    pub(super) fn increment(&self, increment: &Increment) -> Result<i64> {
        let key = &increment.key;
        let (hash, now) = (self.hash(key), self.clock.now());
        let reserved = self
            .make_room(hash, key, INTEGER_LEN, now)
            .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "increment"))?;
        self.write(hash, now, reserved, |table| {
            let old = live(table, hash, key, now);
            let sum = added(old, increment.by)?;
            let deadline = old.map_or(Deadline::NEVER, |entry| entry.deadline);
            let deadline = match increment.ttl {
                Some(ttl) if deadline.is_never() => now.after(ttl.as_duration()),
                _ => deadline,
            };
            table.put(Entry::new(
                hash,
                key.clone(),
                Value::Text(integer::format(sum)),
                deadline,
            ));
            Ok(sum)
        })
        .map_err(|error: Error| error.with_key(key))
    }

    fn remove_expired(&self, hash: u64, key: &Key, now: Moment) {
        self.write(hash, now, 0, |table| {
            // Another call may have written the key between the two locks.
            if table
                .find(hash, key)
                .is_some_and(|entry| !entry.is_live(now))
            {
                table.remove(hash, key);
            }
        });
    }
}

fn live<'a>(table: &'a Table, hash: u64, key: &Key, now: Moment) -> Option<&'a Entry> {
    table.find(hash, key).filter(|entry| entry.is_live(now))
}

fn text<'a>(entry: &'a Entry, operation: &'static str) -> Result<&'a Bytes> {
    match &entry.value {
        Value::Text(bytes) => Ok(bytes),
        Value::Foreign => Err(Error::new(ErrorKind::WrongType, operation).with_key(&entry.key)),
    }
}

fn allows(condition: Condition, table: &Table, hash: u64, key: &Key, now: Moment) -> bool {
    match condition {
        Condition::Always => true,
        Condition::IfAbsent => live(table, hash, key, now).is_none(),
        Condition::IfPresent => live(table, hash, key, now).is_some(),
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

fn added(old: Option<&Entry>, by: i64) -> Result<i64> {
    let number = match old {
        None => 0,
        Some(entry) => integer::parse(text(entry, "increment")?).ok_or_else(|| {
            Error::new(ErrorKind::WrongType, "increment").with_detail("the value is no integer")
        })?,
    };
    number.checked_add(by).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "increment")
            .with_detail("the sum leaves the range of i64")
    })
}
