//! The leases of one store, whose callers' takes and fills go together.

use std::sync::Arc;

use cachekit_keys::{Key, Root, Roots, Ttl};
use cachekit_store::{Capabilities, Result, Store};

use super::{Fill, Take, Taken, late, ops};
use crate::gather::Gather;

/// What one run of a script has in common: the indices, and on a cluster the slot.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    roots: Roots,
    tags: Vec<Root>,
    slot: Option<u16>,
    /// The TTL of the leases, and how long they may be renewed.
    lives: Option<(Ttl, Ttl)>,
}

/// Takes and fills leases one by one; those that are asked for at the same time, of one owner, cost one run.
pub(crate) struct Leases {
    takes: Gather<Kind, Take, (u64, Taken)>,
    fills: Gather<Kind, Fill, bool>,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            takes: Gather::new("lease_take"),
            fills: Gather::new("lease_fill"),
        }
    }

    /// Takes a lease, as [`take`](super::take).
    pub(crate) async fn take(
        &self,
        store: &Arc<dyn Store>,
        word: Option<Key>,
        take: Take,
    ) -> Result<(u64, Taken)> {
        let kind = Kind {
            roots: take.roots.clone(),
            tags: take.tags.clone(),
            slot: slot(store.capabilities(), &take.key),
            lives: Some((take.ttl, take.life)),
        };
        let lead = || {
            let store = Arc::clone(store);
            move |takes: Vec<Take>| async move { ops::take(&*store, word.as_ref(), &takes).await }
        };
        Ok(self.takes.call(kind, take, lead).await?)
    }

    /// Stores a value under its lease, as [`fill`](super::fill).
    pub(crate) async fn fill(
        &self,
        store: &Arc<dyn Store>,
        word: Option<Key>,
        fill: Fill,
    ) -> Result<bool> {
        let kind = Kind {
            roots: fill.write.roots.clone(),
            tags: fill.tags.clone(),
            slot: slot(store.capabilities(), &fill.write.key),
            lives: None,
        };
        let lead = || {
            let store = Arc::clone(store);
            move |fills: Vec<Fill>| async move { late::fill(&*store, word.as_ref(), &fills).await }
        };
        Ok(self.fills.call(kind, fill, lead).await?)
    }
}

fn slot(store: Capabilities, key: &Key) -> Option<u16> {
    store.clustered.then(|| key.slot())
}
