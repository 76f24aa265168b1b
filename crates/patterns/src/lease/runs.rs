//! Which keys of a batch go together in one run of a script.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use cachekit_keys::{CompanionKind, Key, Ttl};
use cachekit_store::{Capabilities, Result, Script};

use super::lease_of;
use crate::index::{number, unexpected};

/// How many keys one run is for at most: a server answers no one else during a run.
const MOST: usize = 128;

/// What the keys of one run have in common: the indices that the script reaches, and the lives that are the same for all.
pub(super) struct Shared<'k, L> {
    pub(super) key: &'k Key,
    pub(super) near: Vec<Key>,
    pub(super) lives: L,
}

/// A run for some keys of a batch.
pub(super) struct Run<'k, L = (Ttl, Ttl)> {
    /// As the first of its keys has it.
    pub(super) shared: Shared<'k, L>,
    /// Which of the batch.
    pub(super) places: Vec<usize>,
    keys: HashSet<&'k Key>,
}

impl<L> Run<'_, L> {
    /// The values' keys, the leases, the word and the indices, as the scripts expect them.
    pub(super) fn keys<'k>(
        &self,
        word: Option<&Key>,
        keys: impl Iterator<Item = &'k Key> + Clone,
    ) -> Result<Vec<Key>> {
        let mut all = self.first_keys(word, keys)?;
        all.extend(self.shared.near.iter().cloned());
        Ok(all)
    }

    /// The same with the unpersisted writes before the indices.
    pub(super) fn keys_with_writes<'k>(
        &self,
        word: Option<&Key>,
        keys: impl Iterator<Item = &'k Key> + Clone,
    ) -> Result<Vec<Key>> {
        let mut all = self.first_keys(word, keys.clone())?;
        for key in keys {
            all.push(key.companion(CompanionKind::Unpersisted)?);
        }
        all.extend(self.shared.near.iter().cloned());
        Ok(all)
    }

    fn first_keys<'k>(
        &self,
        word: Option<&Key>,
        keys: impl Iterator<Item = &'k Key> + Clone,
    ) -> Result<Vec<Key>> {
        let count = 3 * self.places.len() + 1 + self.shared.near.len();
        let mut all = Vec::with_capacity(count);
        all.extend(keys.clone().cloned());
        for key in keys {
            all.push(lease_of(key)?);
        }
        all.extend(word.cloned());
        Ok(all)
    }

    /// The arguments with which both scripts begin.
    pub(super) fn first_args(&self, word: Option<&Key>) -> Vec<Bytes> {
        let with_word: &[u8] = if word.is_some() { b"1" } else { b"" };
        vec![
            number(self.places.len() as u64),
            Bytes::from_static(with_word),
        ]
    }
}

/// Sorts the keys of a batch into runs. No run has the same key twice, whose script looks at all keys before it changes any.
pub(super) fn runs<'k, L: PartialEq + Eq + std::hash::Hash + Clone>(
    capabilities: Capabilities,
    keys: impl Iterator<Item = Shared<'k, L>>,
) -> Vec<Run<'k, L>> {
    let mut runs: Vec<Run<'k, L>> = Vec::new();
    let mut open: HashMap<(Option<u16>, Vec<Key>, L), usize> = HashMap::new();
    let slot = |key: &Key| capabilities.clustered.then(|| key.slot());
    let mut last = 0;
    for (place, shared) in keys.enumerate() {
        let key = shared.key;
        let has_room = |run: &Run<'k, L>| run.places.len() < MOST && !run.keys.contains(key);
        // Most batches have one owner, and no need of the map.
        let fits = |run: &Run<'k, L>| {
            has_room(run)
                && run.shared.lives == shared.lives
                && slot(run.shared.key) == slot(key)
                && run.shared.near == shared.near
        };
        if !runs.get(last).is_some_and(fits) {
            let kind = (slot(key), shared.near.clone(), shared.lives.clone());
            let known = open.get(&kind).copied();
            last = match known.filter(|&run| has_room(&runs[run])) {
                Some(run) => run,
                None => {
                    open.insert(kind, runs.len());
                    runs.push(Run {
                        shared,
                        places: Vec::new(),
                        keys: HashSet::new(),
                    });
                    runs.len() - 1
                }
            };
        }
        runs[last].places.push(place);
        runs[last].keys.insert(key);
    }
    runs
}

/// Puts the answers of runs back into the order of the batch.
pub(super) fn each_of<L, T>(
    script: &Script,
    count: usize,
    runs: &[Run<'_, L>],
    answers: impl Iterator<Item = Result<Vec<T>>>,
) -> Result<Vec<T>> {
    let mut each: Vec<Option<T>> = (0..count).map(|_| None).collect();
    for (run, answers) in runs.iter().zip(answers) {
        for (&place, answer) in run.places.iter().zip(answers?) {
            each[place] = Some(answer);
        }
    }
    let each: Option<Vec<T>> = each.into_iter().collect();
    each.ok_or_else(|| unexpected(script))
}
