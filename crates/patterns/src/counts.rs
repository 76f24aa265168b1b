//! Hits and misses, counted without locks.
//!
//! These are the numbers of one handle in one process, for its own logs and tests. Sums over a fleet are made elsewhere.

use std::{
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cachekit_store::CacheReads;

use crate::Lookup;

/// How often a cache knew the answer.
///
/// Each key asked for is one request, also in a batch, and a hit or a miss. A call that failed counts as nothing. The
/// numbers only grow; each is exact, but they are not read at one instant while other tasks count.
///
/// # Examples
/// ```
/// use cachekit_patterns::{CacheCounters, CacheCounts};
///
/// let counts: CacheCounts = CacheCounters::new().snapshot();
/// assert_eq!((counts.hits, counts.misses, counts.hit_rate()), (0, 0, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Keys whose answer was in the cache.
    pub hits: u64,
    /// Keys whose answer was not, for whatever reason.
    pub misses: u64,
    /// Of the hits, those which said that the value does not exist.
    pub negative: u64,
    /// Of the misses, entries that were damaged, of another type, or over the size limit. The next write replaces them.
    pub corrupt: u64,
    /// Of the misses, entries of a newer version, or of a codec or dictionary that this program lacks. Loading leaves
    /// them alone.
    pub newer: u64,
    /// Of the misses, those that were answered with a stale value.
    pub stale_hits: u64,
    /// Loads that were run by this process.
    pub loads: u64,
    /// Of the loads, those that failed, took too long or panicked.
    pub load_errors: u64,
}

impl CacheCounts {
    /// Keys that were asked for.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::CacheCounters;
    /// assert_eq!(CacheCounters::new().snapshot().requests(), 0);
    /// ```
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits + self.misses
    }

    /// Hits per request, from 0 to 1; `None` before the first request.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::CacheCounters;
    /// assert_eq!(CacheCounters::new().snapshot().hit_rate(), None);
    /// ```
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let requests = self.requests();
        (requests > 0).then(|| self.hits as f64 / requests as f64)
    }

    /// What an observer is told of a read.
    pub(crate) fn reads(&self) -> CacheReads {
        let mut reads = CacheReads::default();
        reads.hits = self.hits;
        reads.misses = self.misses;
        reads.negative = self.negative;
        reads.corrupt = self.corrupt;
        reads.newer = self.newer;
        reads
    }

    /// What one key's answer counts as.
    pub(crate) fn of<V>(lookup: &Lookup<V>) -> Self {
        let mut counts = Self::default();
        match lookup {
            Lookup::Found(_) => counts.hits = 1,
            Lookup::Negative => (counts.hits, counts.negative) = (1, 1),
            Lookup::Absent | Lookup::Stale(_) => counts.misses = 1,
            Lookup::Unreadable(_) if lookup.is_newer() => (counts.misses, counts.newer) = (1, 1),
            Lookup::Unreadable(_) => (counts.misses, counts.corrupt) = (1, 1),
        }
        counts
    }
}

impl AddAssign for CacheCounts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.negative += other.negative;
        self.corrupt += other.corrupt;
        self.newer += other.newer;
        self.stale_hits += other.stale_hits;
        self.loads += other.loads;
        self.load_errors += other.load_errors;
    }
}

/// Where requests are counted: shared by the clones of a handle, and by handles that are told to.
///
/// Counting takes no lock. A [part](Self::part) counts on its own and into its whole, so that one number covers all the
/// caches of a service and each still has its own. Cheap to clone; clones count together.
///
/// # Examples
/// ```
/// use cachekit_patterns::CacheCounters;
///
/// let all = CacheCounters::new();
/// let trees = all.part(); // for `CacheBuilder::counters`
/// assert_eq!(trees.snapshot(), all.snapshot());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CacheCounters {
    cells: Arc<Cells>,
}

#[derive(Debug, Default)]
struct Cells {
    hits: AtomicU64,
    misses: AtomicU64,
    negative: AtomicU64,
    corrupt: AtomicU64,
    newer: AtomicU64,
    stale_hits: AtomicU64,
    loads: AtomicU64,
    load_errors: AtomicU64,
    whole: Option<CacheCounters>,
}

impl CacheCounters {
    /// Counters at zero.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::CacheCounters;
    /// assert_eq!(CacheCounters::new().snapshot().requests(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters at zero whose counts also go into these.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::CacheCounters;
    /// let part = CacheCounters::new().part();
    /// assert_eq!(part.snapshot().requests(), 0);
    /// ```
    #[must_use]
    pub fn part(&self) -> Self {
        Self {
            cells: Arc::new(Cells {
                whole: Some(self.clone()),
                ..Cells::default()
            }),
        }
    }

    /// The numbers by now.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::CacheCounters;
    /// assert_eq!(CacheCounters::new().snapshot().hits, 0);
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> CacheCounts {
        let cells = &*self.cells;
        CacheCounts {
            hits: cells.hits.load(Ordering::Relaxed),
            misses: cells.misses.load(Ordering::Relaxed),
            negative: cells.negative.load(Ordering::Relaxed),
            corrupt: cells.corrupt.load(Ordering::Relaxed),
            newer: cells.newer.load(Ordering::Relaxed),
            stale_hits: cells.stale_hits.load(Ordering::Relaxed),
            loads: cells.loads.load(Ordering::Relaxed),
            load_errors: cells.load_errors.load(Ordering::Relaxed),
        }
    }

    /// Counts a call's requests here and in every whole that this is a part of.
    pub(crate) fn add(&self, counts: CacheCounts) {
        let mut next = Some(self);
        while let Some(counters) = next {
            let cells = &*counters.cells;
            raise(&cells.hits, counts.hits);
            raise(&cells.misses, counts.misses);
            raise(&cells.negative, counts.negative);
            raise(&cells.corrupt, counts.corrupt);
            raise(&cells.newer, counts.newer);
            raise(&cells.stale_hits, counts.stale_hits);
            raise(&cells.loads, counts.loads);
            raise(&cells.load_errors, counts.load_errors);
            next = cells.whole.as_ref();
        }
    }
}

/// Most counts of a call are zero, and an atomic addition is what costs.
fn raise(cell: &AtomicU64, by: u64) {
    if by > 0 {
        cell.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{CacheCounters, CacheCounts};
    use crate::Lookup;
    use cachekit_store::{Error, ErrorKind};

    #[test]
    fn a_part_counts_into_its_whole_and_not_into_its_siblings() {
        let whole = CacheCounters::new();
        let (left, right) = (whole.part(), whole.part());
        left.add(CacheCounts {
            hits: 2,
            ..CacheCounts::default()
        });
        right.add(CacheCounts {
            misses: 2,
            corrupt: 1,
            ..CacheCounts::default()
        });

        assert_eq!(
            left.snapshot(),
            CacheCounts {
                hits: 2,
                ..CacheCounts::default()
            }
        );
        assert_eq!(
            right.snapshot(),
            CacheCounts {
                misses: 2,
                corrupt: 1,
                ..CacheCounts::default()
            }
        );
        assert_eq!(
            whole.snapshot(),
            CacheCounts {
                hits: 2,
                misses: 2,
                corrupt: 1,
                ..CacheCounts::default()
            }
        );
        assert_eq!(whole.snapshot().hit_rate(), Some(0.5));
    }

    #[test]
    fn every_lookup_is_one_request() {
        let unreadable = |kind| Lookup::Unreadable(Error::new(kind, "decode"));
        let lookups = [
            (
                Lookup::Found(()),
                CacheCounts {
                    hits: 1,
                    ..CacheCounts::default()
                },
            ),
            (
                Lookup::Negative,
                CacheCounts {
                    hits: 1,
                    negative: 1,
                    ..CacheCounts::default()
                },
            ),
            (
                Lookup::Absent,
                CacheCounts {
                    misses: 1,
                    ..CacheCounts::default()
                },
            ),
            (
                unreadable(ErrorKind::Newer),
                CacheCounts {
                    misses: 1,
                    newer: 1,
                    ..CacheCounts::default()
                },
            ),
            (
                unreadable(ErrorKind::Corrupt),
                CacheCounts {
                    misses: 1,
                    corrupt: 1,
                    ..CacheCounts::default()
                },
            ),
        ];
        for (lookup, expected) in lookups {
            assert_eq!(CacheCounts::of(&lookup), expected, "{lookup:?}");
            assert_eq!(expected.requests(), 1);
            assert_eq!(lookup.is_hit(), expected.hits == 1);
        }
    }
}
