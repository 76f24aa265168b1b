//! Which writes of a batch go together, and what is entered in other slots.

use std::collections::HashMap;

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots};
use cachekit_store::{Capabilities, Result, ScriptCall, Store};

use super::{
    scripts::NOTE,
    write::{BATCH, Write, number, push_ttls},
};

/// The indices that list a key.
#[derive(Default)]
pub(crate) struct Indices {
    /// Those that one script reaches together with the key.
    pub(crate) near: Vec<Key>,
    /// Those in other slots.
    pub(crate) away: Vec<Key>,
}

impl Indices {
    /// The indices of a key's roots and tags, none where the store runs no scripts.
    pub(crate) fn of(store: Capabilities, key: &Key, roots: &Roots, tags: &[Root]) -> Self {
        if !store.scripts {
            return Self::default();
        }
        let slot = store.clustered.then(|| key.slot());
        let indices = roots.iter().chain(tags).map(Root::index);
        let (near, away) = indices.partition(|index| slot.is_none_or(|slot| index.slot() == slot));
        Self { near, away }
    }
}

/// Writes with the same indices, and on a cluster of one slot.
pub(super) struct Group<'w> {
    roots: &'w Roots,
    slot: Option<u16>,
    pub(super) indices: Indices,
    /// Which writes of the batch.
    pub(super) places: Vec<usize>,
}

impl Group<'_> {
    pub(super) fn members<'s>(&'s self, writes: &'s [Write]) -> impl Iterator<Item = &'s Write> {
        self.places.iter().map(|&place| &writes[place])
    }
}

/// Sorts writes into groups, each in the order of the batch.
pub(super) fn groups(
    writes: &[Write],
    clustered: bool,
    indices: impl Fn(&Write) -> Indices,
) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<(&Roots, Option<u16>), usize> = HashMap::new();
    let mut last = 0;
    for (place, write) in writes.iter().enumerate() {
        let (roots, slot) = (&write.roots, clustered.then(|| write.key.slot()));
        // Most batches have one owner, and no need of a map.
        let fits = |group: &Group<'_>| group.slot == slot && group.roots == roots;
        if !groups.get(last).is_some_and(fits) {
            last = *known.entry((roots, slot)).or_insert_with(|| {
                groups.push(Group {
                    roots,
                    slot,
                    indices: indices(write),
                    places: Vec::new(),
                });
                groups.len() - 1
            });
        }
        groups[last].places.push(place);
    }
    groups
}

/// What is entered into the indices of other slots: calls of [`NOTE`].
#[derive(Default)]
pub(crate) struct Notes {
    calls: Vec<ScriptCall>,
}

impl Notes {
    /// Makes the entries, in one round trip.
    pub(crate) async fn run(&self, store: &dyn Store) -> Result<()> {
        if self.calls.is_empty() {
            return Ok(());
        }
        store.run_script(&NOTE, &self.calls).await.map(drop)
    }

    /// Several writes, each with indices of its own.
    pub(crate) fn of_each<'w>(entries: impl Iterator<Item = (&'w [Key], &'w Write)>) -> Self {
        let calls = entries.flat_map(|(away, write)| {
            let call = move |index| note(index, std::slice::from_ref(&write));
            away.iter().map(call)
        });
        Self {
            calls: calls.collect(),
        }
    }

    /// One write.
    pub(super) fn of(away: &[Key], write: &Write) -> Self {
        let call = |index| note(index, std::slice::from_ref(&write));
        Self {
            calls: away.iter().map(call).collect(),
        }
    }

    /// The writes of groups, with one call an index and batch.
    pub(super) fn of_groups(groups: &[Group<'_>], writes: &[Write]) -> Self {
        let mut order: Vec<&Key> = Vec::new();
        let mut members: HashMap<&Key, Vec<&Write>> = HashMap::new();
        for group in groups {
            for index in &group.indices.away {
                let listed = members.entry(index).or_insert_with(|| {
                    order.push(index);
                    Vec::new()
                });
                listed.extend(group.members(writes));
            }
        }
        let calls = order.into_iter().flat_map(|index| {
            let listed = members.remove(index).unwrap_or_default();
            listed
                .chunks(BATCH)
                .map(|chunk| note(index, chunk))
                .collect::<Vec<_>>()
        });
        Self {
            calls: calls.collect(),
        }
    }
}

fn note(index: &Key, writes: &[&Write]) -> ScriptCall {
    let mut args: Vec<Bytes> = Vec::with_capacity(2 + 2 * writes.len());
    args.extend([number(2 * writes.len() as u64), number(writes.len() as u64)]);
    args.extend(writes.iter().map(|write| write.key.to_bytes()));
    push_ttls(&mut args, writes.iter().copied());
    ScriptCall::new(vec![index.clone()], args)
}
