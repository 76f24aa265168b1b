//! The counts of one process by key family, as they come in.

use std::{
    collections::BTreeMap,
    sync::{OnceLock, atomic::Ordering},
};

use cachekit_keys::HitCount;
use cachekit_store::{CacheReads, CallOutcome, Event};

use crate::shard::Sharded;

/// How many counts a family has.
pub(crate) const COUNTS: usize = HitCount::ALL.len();

/// One family's counts, in the order of [`HitCount::ALL`].
pub(crate) type Counts = [u64; COUNTS];

/// The counts of all families at one moment.
pub(crate) type Totals = BTreeMap<&'static str, Counts>;

/// How many families are counted by name.
pub(crate) const FAMILIES: usize = 64;

/// The name under which all further families are counted. It is no family's, because of its parentheses.
pub(crate) const OTHER: &str = "(other)";

/// Counts that only grow. Nothing is allocated once a family has been seen, and nothing is ever waited for.
#[derive(Debug)]
pub(crate) struct Tally {
    families: [OnceLock<Family>; FAMILIES],
    other: OnceLock<Family>,
}

#[derive(Debug)]
struct Family {
    name: &'static str,
    counts: Sharded<COUNTS>,
}

impl Family {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            counts: Sharded::new(),
        }
    }

    fn add(&self, count: HitCount, by: u64) {
        // Most counts of an event are zero, and an atomic addition is what costs.
        if by > 0 {
            self.counts.mine()[count as usize].fetch_add(by, Ordering::Relaxed);
        }
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            families: [const { OnceLock::new() }; FAMILIES],
            other: OnceLock::new(),
        }
    }

    /// The counts of a family. There are few, so that looking through them beats a hash.
    fn of(&self, name: &'static str) -> &Family {
        for place in &self.families {
            let family = place.get_or_init(|| Family::new(name));
            // Mostly it is the very same text.
            if std::ptr::eq(family.name, name) || family.name == name {
                return family;
            }
        }
        self.other.get_or_init(|| Family::new(OTHER))
    }

    /// Counts what caches report, and nothing else.
    pub(crate) fn count(&self, event: &Event<'_>) {
        match *event {
            Event::CacheRead { family, reads, .. } => self.read(family, reads),
            Event::CacheServedStale { family, .. } => self.of(family).add(HitCount::StaleHits, 1),
            Event::CacheLoad {
                family,
                keys,
                outcome,
                elapsed,
                ..
            } => {
                let family = self.of(family);
                family.add(HitCount::Loads, 1);
                if outcome == CallOutcome::Completed {
                    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
                    family.add(HitCount::LoadMicros, micros);
                    family.add(HitCount::LoadedKeys, keys as u64);
                } else {
                    family.add(HitCount::LoadErrors, 1);
                }
            }
            _ => {}
        }
    }

    fn read(&self, family: &'static str, reads: CacheReads) {
        let family = self.of(family);
        family.add(HitCount::Hits, reads.hits);
        family.add(HitCount::Misses, reads.misses);
        family.add(HitCount::Negative, reads.negative);
        family.add(HitCount::Corrupt, reads.corrupt);
        family.add(HitCount::Newer, reads.newer);
    }

    /// What has been counted by now. Each number is exact; they are not read at one instant while other threads count.
    pub(crate) fn totals(&self) -> Totals {
        let families = self.families.iter().chain([&self.other]);
        families
            .filter_map(OnceLock::get)
            .map(|family| (family.name, family.counts.sums()))
            .collect()
    }
}
