//! Single commands: the lock of one shard, and the room in the budget. Everything here is synchronous.
//!
//! What a command does to its key is in [`access`](super::access), which scripts use as well.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::Key;

use super::{
    access::{Access, Target, text},
    clock::{Deadline, Moment},
    keyspace::Keyspace,
    table::Table,
    value::Value,
};
use crate::{Condition, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Result, SetOptions};

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
        let target = self.target(key, now, operation);
        let table = self.read(target.hash);
        let found = target.text(&table)?;
        Ok(found.map(|(value, deadline)| (value.clone(), deadline.remaining(now))))
    }

    /// Writes a string; answers whether the condition allowed it.
    pub(super) fn set(
        &self,
        key: &Key,
        value: Bytes,
        options: SetOptions,
        operation: &'static str,
    ) -> Result<bool> {
        let target = self.target(key, self.clock.now(), operation);
        // A write that will not take place needs no room. The lock below decides.
        if options.condition != Condition::Always
            && !target.allows(&self.read(target.hash), options.condition)
        {
            return Ok(false);
        }
        let reserved = self.reserve(target, value.len())?;
        let value = Value::text(value);
        Ok(self.access(target, reserved, |mut access| access.set(value, options)))
    }

    /// Puts a value of another type than string under a key.
    pub(super) fn put_foreign(&self, key: &Key) {
        let (hash, now) = (self.hash(key), self.clock.now());
        self.write(hash, now, 0, |table| {
            table.put(hash, key, Value::foreign(), Deadline::NEVER);
        });
    }

    /// Deletes a key; answers whether it existed.
    pub(super) fn delete(&self, key: &Key) -> bool {
        let target = self.target(key, self.clock.now(), "delete");
        // What was removed is dropped when the lock is free again.
        self.access(target, 0, |mut access| access.remove())
            .is_some()
    }

    /// Reads what is left of a key's life.
    pub(super) fn expiry(&self, key: &Key, now: Moment) -> KeyExpiry {
        let target = self.target(key, now, "expiries");
        target.expiry(&self.read(target.hash))
    }

    /// Changes a key's life; answers whether it changed.
    pub(super) fn expire(&self, key: &Key, change: ExpireChange) -> bool {
        let target = self.target(key, self.clock.now(), "expire");
        self.access(target, 0, |mut access| access.expire(change))
    }

    /// Adds to a counter; answers the sum. A refused addition leaves the counter as it is.
    pub(super) fn increment(&self, increment: &Increment) -> Result<i64> {
        let target = self.target(&increment.key, self.clock.now(), "increment");
        let reserved = self.reserve(target, INTEGER_LEN)?;
        self.access(target, reserved, |mut access| {
            access.add(increment.by, increment.ttl)
        })
    }

    fn target<'a>(&self, key: &'a Key, now: Moment, operation: &'static str) -> Target<'a> {
        Target {
            hash: self.hash(key),
            key,
            now,
            operation,
        }
    }

    fn access<R>(
        &self,
        target: Target<'_>,
        reserved: u64,
        work: impl FnOnce(Access<'_, '_>) -> R,
    ) -> R {
        self.write(target.hash, target.now, reserved, |table| {
            work(Access { table, target })
        })
    }

    fn reserve(&self, target: Target<'_>, value_len: usize) -> Result<u64> {
        self.make_room(target.hash, target.key, value_len, target.now)
            .ok_or_else(|| target.error(ErrorKind::OutOfMemory))
    }

    fn remove_expired(&self, hash: u64, key: &Key, now: Moment) {
        self.write(hash, now, 0, |table: &mut Table| {
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

/// Refuses what is longer than the store takes.
pub(super) fn check_size(operation: &'static str, key: &Key, len: usize, max: usize) -> Result<()> {
    if len <= max {
        return Ok(());
    }
    let detail = format!("{len} bytes, at most {max} are allowed");
    Err(Error::new(ErrorKind::TooLarge, operation)
        .with_detail(detail)
        .with_key(key))
}
