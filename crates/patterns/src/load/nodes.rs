//! A cluster some of whose nodes are away: what is asked of all of them at once fails as a whole, and is asked again slot by
//! slot, so that only the keys of those nodes have to do without the store.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, Result};
use futures_util::future::{join, join_all};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Engine,
    together::{Aboard, leases},
};
use crate::lease::{self, Taken, Token};

/// What a key held, and for how long.
type Stored = (Option<Bytes>, Option<Duration>);

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Whether a batch of these keys may have failed for some of them only.
    pub(super) fn is_spread<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> bool {
        let is_clustered = self.access.base().store.capabilities().clustered;
        is_clustered && by_slot(keys).len() > 1
    }

    pub(super) async fn read_apart(&self, keys: &[Key], with_expiry: bool) -> Vec<Result<Stored>> {
        let slots = by_slot(keys.iter());
        let reads = slots.iter().map(|places| async {
            let keys: Vec<Key> = places.iter().map(|&place| keys[place].clone()).collect();
            self.access.read_many(&keys, with_expiry).await
        });
        in_order(&slots, join_all(reads).await)
    }

    /// Tries again to take leases. Those that were granted before are given back, so that they do not stand in the way.
    pub(super) async fn take_apart(&self, due: &mut [Aboard<V>]) -> Vec<Result<(u64, Taken)>> {
        let before = leases(due, true);
        for one in due.iter_mut() {
            one.token = Token::random();
        }
        let wishes = due.iter();
        let wishes = wishes.map(|one| self.wish(&one.request, &one.seen, &one.token));
        let wishes: Vec<_> = wishes.collect();
        let (slots, store) = (
            by_slot(wishes.iter().map(|wish| &wish.key)),
            &*self.access.base().store,
        );
        let takes = slots.iter().map(|places| async {
            let wishes: Vec<_> = places.iter().map(|&place| wishes[place].clone()).collect();
            lease::take(store, None, &wishes).await
        });
        let (_, taken) = join(self.give_back(before.into_iter()), join_all(takes)).await;
        in_order(&slots, taken)
    }
}

/// The places of keys, by slot.
fn by_slot<'k>(keys: impl Iterator<Item = &'k Key>) -> Vec<Vec<usize>> {
    let mut slots: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (place, key) in keys.enumerate() {
        slots.entry(key.slot()).or_default().push(place);
    }
    slots.into_values().collect()
}

/// Puts what came of each slot back into the order of the keys.
fn in_order<T>(slots: &[Vec<usize>], answers: Vec<Result<Vec<T>>>) -> Vec<Result<T>> {
    let mut each: BTreeMap<usize, Result<T>> = BTreeMap::new();
    for (places, answers) in slots.iter().zip(answers) {
        match answers {
            Ok(answers) => each.extend(places.iter().copied().zip(answers.into_iter().map(Ok))),
            Err(error) => {
                let failed = |&place: &usize| (place, Err(Error::clone(&error)));
                each.extend(places.iter().map(failed));
            }
        }
    }
    each.into_values().collect()
}
