//! Leases: who loads a value, and whether what was loaded may still be stored.
//!
//! The lease of a key is a companion of it, `ck:lease:...`. Whoever holds it loads the value, and no one else in the fleet
//! does. Every write and removal of the key through this crate ends it, so that a load which began before cannot store what
//! it found; the next one asks the origin anew. A write by another program is noticed by the digest of what the key held.
//!
//! # The order of steps
//! Taking a lease enters the key into the indices of its owner and declared tags, so that a clearing finds the load though
//! there is no value. Where an index lies in another slot, the key is entered before the lease is taken and once more
//! afterwards, and the loader is asked after that: a clearing that took the first entry out was called before, so that what it
//! cleared cannot be loaded any more. The same holds for storing the value as for every other write.

mod late;
mod ops;
mod remove;
mod runs;
mod scripts;
mod shared;
#[cfg(test)]
mod tests;

use cachekit_keys::{CompanionKind, Key};
use cachekit_store::Result;

pub(crate) use self::{
    late::{Late, announce_clearing, fill, outlives_words},
    ops::{Fill, Take, Taken, Token, release, renew, take},
    remove::{remove, remove_matching, word_of},
    scripts::{end_lease, mark, read_mark},
    shared::Leases,
};

/// Where the lease of a key is.
pub(crate) fn lease_of(key: &Key) -> Result<Key> {
    Ok(key.companion(CompanionKind::Lease)?)
}
