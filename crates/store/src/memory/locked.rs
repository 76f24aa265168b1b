//! The tables of several keys, locked at once: what makes a script's run atomic against everything else.
//!
//! Locks are taken in the order of the shards, each once. Whatever else takes a shard's lock takes one at a time and
//! waits for nothing while it holds it; eviction's `hand` is taken before a shard's lock and never under one. So every
//! wait is for something higher in one order, and no two calls wait for each other.

use parking_lot::RwLockWriteGuard;

use cachekit_keys::Key;

use super::{
    access::{Access, Target},
    budget::Costs,
    clock::Moment,
    keyspace::{Keyspace, costs},
    table::{Table, shard_of},
};
use crate::{Error, ErrorKind, Result};

/// The tables of the declared keys, until it is dropped: then the books are settled and the locks are free, also where
/// a panic unwinds through it.
pub(super) struct Locked<'a> {
    keyspace: &'a Keyspace,
    /// Sorted by hash, and thereby by shard.
    keys: Vec<DeclaredKey<'a>>,
    tables: Vec<LockedTable<'a>>,
    now: Moment,
}

struct DeclaredKey<'a> {
    hash: u64,
    key: &'a Key,
    /// Position in the list of tables.
    table: usize,
}

struct LockedTable<'a> {
    table: RwLockWriteGuard<'a, Table>,
    before: Costs,
}

impl<'a> Locked<'a> {
    /// Waits for the tables of `keys`. The moment is read when all are locked, so that no run meets one that
    /// an earlier run on the same keys has not reached.
    pub(super) fn new(keyspace: &'a Keyspace, keys: &'a [Key]) -> Self {
        let mut keys: Vec<DeclaredKey<'a>> = keys
            .iter()
            .map(|key| DeclaredKey {
                hash: keyspace.hash(key),
                key,
                table: 0,
            })
            .collect();
        keys.sort_unstable_by_key(|declared| declared.hash);
        let mut tables = Vec::new();
        let mut last = None;
        for declared in &mut keys {
            let shard = shard_of(declared.hash);
            if last != Some(shard) {
                let table = keyspace.lock(shard);
                let before = costs(&table);
                tables.push(LockedTable { table, before });
                last = Some(shard);
            }
            declared.table = tables.len() - 1;
        }
        Self {
            keyspace,
            keys,
            tables,
            now: keyspace.clock.now(),
        }
    }

    /// A key under its lock.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] for one that was not declared: its table is not locked.
    pub(super) fn access<'s>(
        &'s mut self,
        key: &'s Key,
        operation: &'static str,
    ) -> Result<Access<'s>> {
        let hash = self.keyspace.hash(key);
        let first = self.keys.partition_point(|declared| declared.hash < hash);
        let declared = self.keys[first..]
            .iter()
            .take_while(|declared| declared.hash == hash)
            .find(|declared| declared.key == key)
            .ok_or_else(|| undeclared(key, operation))?;
        Ok(Access {
            table: &mut self.tables[declared.table].table,
            target: Target {
                hash,
                key,
                now: self.now,
                operation,
            },
        })
    }
}

fn undeclared(key: &Key, operation: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, operation)
        .with_detail("the script used a key that the call did not declare")
        .with_key(key)
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        for LockedTable { table, before } in &mut self.tables {
            self.keyspace.tidy(table, self.now);
            self.keyspace.budget.settle(*before, costs(table), 0);
        }
    }
}
