//! Which writes of a batch go together, and what is entered in other slots.

use std::collections::HashMap;

use bytes::Bytes;
use cachekit_keys::{Key, Roots};
use cachekit_store::ScriptCall;

use super::write::{BATCH, Write, number, push_ttls};

/// The indices that list a key.
#[derive(Default)]
pub(super) struct Indices {
    /// Those that one script reaches together with the key.
    pub(super) near: Vec<Key>,
    /// Those in other slots.
    pub(super) away: Vec<Key>,
}

impl Indices {
    pub(super) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.away.is_empty()
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

/// What is entered into the indices of other slots: calls of [`NOTE`](super::scripts::NOTE).
#[derive(Default)]
pub(super) struct Notes {
    pub(super) calls: Vec<ScriptCall>,
}

impl Notes {
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
