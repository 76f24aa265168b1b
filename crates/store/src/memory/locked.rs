//! The tables of several keys, locked at once: what makes a script's run atomic against everything else.
//!
//! Locks are taken in the order of the shards, each once. Whatever else takes a shard's lock takes one at a time and
//! waits for nothing while it holds it; eviction's `hand` is taken before a shard's lock and never under one. So every
//! wait is for something higher in one order, and no two calls wait for each other.

use cachekit_keys::Key;
use parking_lot::RwLockWriteGuard;
use smallvec::SmallVec;

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
    keys: SmallVec<[DeclaredKey<'a>; FEW]>,
    tables: SmallVec<[LockedTable<'a>; FEW]>,
    now: Moment,
}

/// So many keys need no memory of their own, and are found sooner by a look at each than by their hashes.
const FEW: usize = 3;

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
    /// an earlier run on the same keys has not reached. The run is counted as a command.
    #[inline]
    pub(super) fn new(keyspace: &'a Keyspace, keys: &'a [Key]) -> Self {
        let mut keys = sorted(keyspace, keys);
        keyspace.count_command(keys.first().map_or(0, |first| shard_of(first.hash)));
        let mut tables = SmallVec::<[LockedTable<'a>; FEW]>::new();
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

    /// The moment at which the run takes place.
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// A key under its lock.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] for one that was not declared: its table is not locked.
    pub(super) fn access<'s, 'k>(
        &'s mut self,
        key: &'k Key,
        operation: &'static str,
    ) -> Result<Access<'s, 'k>> {
        let declared = self.declared(key);
        let &DeclaredKey { hash, table, .. } =
            declared.ok_or_else(|| undeclared(key, operation))?;
        Ok(Access {
            table: &mut self.tables[table].table,
            target: Target {
                hash,
                key,
                now: self.now,
                operation,
            },
        })
    }

    fn declared(&self, key: &Key) -> Option<&DeclaredKey<'a>> {
        if self.keys.len() <= FEW {
            // A body hands back the very keys that it was given.
            let is = |declared: &&DeclaredKey<'a>| {
                std::ptr::eq(declared.key, key) || declared.key == key
            };
            return self.keys.iter().find(is);
        }
        let hash = self.keyspace.hash(key);
        let first = self.keys.partition_point(|declared| declared.hash < hash);
        self.keys[first..]
            .iter()
            .take_while(|declared| declared.hash == hash)
            .find(|declared| declared.key == key)
    }
}

/// The keys in the order in which their tables are locked.
fn sorted<'a>(keyspace: &Keyspace, keys: &'a [Key]) -> SmallVec<[DeclaredKey<'a>; FEW]> {
    let mut sorted = SmallVec::with_capacity(keys.len());
    for key in keys {
        sorted.push(DeclaredKey {
            hash: keyspace.hash(key),
            key,
            table: 0,
        });
    }
    sorted.sort_unstable_by_key(|declared: &DeclaredKey<'_>| declared.hash);
    sorted
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
