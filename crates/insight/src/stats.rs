//! The fleet's numbers, as they are read.

use std::{
    collections::BTreeMap,
    ops::AddAssign,
    str,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::{HitCount, HitWindow};
use cachekit_store::{Reply, Result};

use crate::{
    scripts::{READ, unexpected},
    tally::Counts,
};

/// Which hours [`HitTracker::stats_of`](crate::HitTracker::stats_of) looks at. Counts are kept by the hour, in UTC and by the
/// server's clock, and an hour counts as a whole.
///
/// # Examples
/// ```
/// use cachekit_insight::HitRange;
/// assert_eq!(HitRange::default(), HitRange::last_hours(24));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitRange(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LastHours(u64),
    Today,
    All,
}

impl HitRange {
    /// The hour that it is and so many before it; 24 by default. No more than are kept.
    ///
    /// # Examples
    /// See [`HitRange`].
    #[must_use]
    pub const fn last_hours(hours: u64) -> Self {
        Self(Kind::LastHours(hours))
    }

    /// Since midnight, UTC.
    ///
    /// # Examples
    /// ```
    /// assert_ne!(cachekit_insight::HitRange::today(), cachekit_insight::HitRange::all());
    /// ```
    #[must_use]
    pub const fn today() -> Self {
        Self(Kind::Today)
    }

    /// All that is kept: 7 days unless [set otherwise](crate::HitOptions::with_keep).
    ///
    /// # Examples
    /// See [`today`](Self::today).
    #[must_use]
    pub const fn all() -> Self {
        Self(Kind::All)
    }

    /// The windows, oldest first.
    pub(crate) fn windows(self, now: HitWindow, keep: Duration) -> Vec<HitWindow> {
        let kept = keep.as_secs().div_ceil(HitWindow::SECONDS);
        let back = match self.0 {
            Kind::LastHours(hours) => hours.min(kept),
            Kind::Today => u64::from(now.hour()),
            Kind::All => kept,
        };
        // None lies before 1970.
        (0..=back)
            .rev()
            .filter_map(|n| now.before(n).ok())
            .collect()
    }
}

impl Default for HitRange {
    /// The last 24 hours.
    fn default() -> Self {
        Self::last_hours(24)
    }
}

/// What the caches of a fleet have done in a range of time: the answer of [`HitTracker::stats`](crate::HitTracker::stats).
///
/// # Examples
/// ```
/// # use std::sync::Arc;
/// # use cachekit_insight::{HitOptions, HitTracker};
/// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
/// # use cachekit_store::MemoryStore;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
/// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
/// hits.track_hit(&key);
/// hits.track_miss(&key);
///
/// let stats = hits.stats().await?;
/// assert_eq!((stats.total_hits, stats.total_misses, stats.total_requests), (1, 1, 2));
/// assert_eq!(stats.hit_rate, Some(0.5));
/// assert_eq!(stats.families["project"].hits, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Keys whose answer was in a cache.
    pub total_hits: u64,
    /// Keys whose answer was not.
    pub total_misses: u64,
    /// Hits per request, from 0 to 1; `None` where nothing was asked for.
    pub hit_rate: Option<f64>,
    /// Keys that were asked for.
    pub total_requests: u64,
    /// How long callers would have waited for what was found: the sum of the families'
    /// [`time_saved`](FamilyStats::time_saved).
    pub time_saved: Duration,
    /// The same by the name of the key family. Families beyond the 64 that a process counts by name are in `(other)`.
    pub families: BTreeMap<String, FamilyStats>,
    /// The beginning of the first hour that was looked at.
    pub from: SystemTime,
    /// The end of the last hour, which may not have come yet.
    pub until: SystemTime,
}

/// What the caches of a fleet have done with one family of keys.
///
/// # Examples
/// See [`CacheStats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FamilyStats {
    /// Keys whose answer was in a cache.
    pub hits: u64,
    /// Keys whose answer was not.
    pub misses: u64,
    /// Of the misses, those that were answered with a value past its fresh time.
    pub stale_hits: u64,
    /// Of the hits, those which said that there is no value.
    pub negative: u64,
    /// Of the misses, entries that were damaged.
    pub corrupt: u64,
    /// Of the misses, entries of a newer version or of a codec that is not built in.
    pub newer: u64,
    /// Calls of a loader.
    pub loads: u64,
    /// Of the loads, those that failed, took too long or panicked.
    pub load_errors: u64,
    /// Keys of the loads that succeeded: one load may be of many.
    pub loaded_keys: u64,
    /// How long the loads that succeeded took together, in whole microseconds.
    pub load_time: Duration,
}

impl FamilyStats {
    /// Keys that were asked for.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_insight::FamilyStats::default().requests(), 0);
    /// ```
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// Hits per request, from 0 to 1; `None` where nothing was asked for.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_insight::FamilyStats::default().hit_rate(), None);
    /// ```
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        rate(self.hits, self.requests())
    }

    /// How long loading a key takes on average; `None` where none was loaded.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_insight::FamilyStats::default().mean_load_time(), None);
    /// ```
    #[must_use]
    pub fn mean_load_time(&self) -> Option<Duration> {
        (self.loaded_keys > 0).then(|| over(self.load_time, 1, self.loaded_keys))
    }

    /// How long callers would have waited for what was found: the hits times the mean load time. Zero where nothing was
    /// loaded, because then nobody knows.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// assert_eq!(cachekit_insight::FamilyStats::default().time_saved(), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn time_saved(&self) -> Duration {
        match self.loaded_keys {
            0 => Duration::ZERO,
            keys => over(self.load_time, self.hits, keys),
        }
    }

    fn add(&mut self, count: HitCount, by: u64) {
        let sum = match count {
            HitCount::Hits => &mut self.hits,
            HitCount::Misses => &mut self.misses,
            HitCount::StaleHits => &mut self.stale_hits,
            HitCount::Negative => &mut self.negative,
            HitCount::Corrupt => &mut self.corrupt,
            HitCount::Newer => &mut self.newer,
            HitCount::Loads => &mut self.loads,
            HitCount::LoadErrors => &mut self.load_errors,
            HitCount::LoadedKeys => &mut self.loaded_keys,
            HitCount::LoadMicros => {
                let by = Duration::from_micros(by);
                self.load_time = self.load_time.saturating_add(by);
                return;
            }
            // A count that this version does not know.
            _ => return,
        };
        *sum = sum.saturating_add(by);
    }

    pub(crate) fn of(counts: &Counts) -> Self {
        let mut stats = Self::default();
        for (count, by) in HitCount::ALL.into_iter().zip(counts) {
            stats.add(count, *by);
        }
        stats
    }
}

impl AddAssign for FamilyStats {
    fn add_assign(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.misses = self.misses.saturating_add(other.misses);
        self.stale_hits = self.stale_hits.saturating_add(other.stale_hits);
        self.negative = self.negative.saturating_add(other.negative);
        self.corrupt = self.corrupt.saturating_add(other.corrupt);
        self.newer = self.newer.saturating_add(other.newer);
        self.loads = self.loads.saturating_add(other.loads);
        self.load_errors = self.load_errors.saturating_add(other.load_errors);
        self.loaded_keys = self.loaded_keys.saturating_add(other.loaded_keys);
        self.load_time = self.load_time.saturating_add(other.load_time);
    }
}

impl CacheStats {
    /// Everything of all families together.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_insight::{HitOptions, HitTracker};
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let (hits, _) = HitTracker::new(Arc::new(MemoryStore::new()), KeySchema::plain(), HitOptions::new());
    /// assert_eq!(hits.stats().await?.total().load_errors, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn total(&self) -> FamilyStats {
        let mut total = FamilyStats::default();
        for family in self.families.values() {
            total += *family;
        }
        total
    }

    /// Makes sense of the hashes of these windows, of which there is at least one.
    pub(crate) fn of(windows: &[HitWindow], replies: Vec<Reply>) -> Result<Self> {
        let mut families: BTreeMap<String, FamilyStats> = BTreeMap::new();
        for reply in replies {
            let Reply::Array(flat) = reply else {
                return Err(unexpected(&READ));
            };
            for pair in flat.chunks(2) {
                let [Reply::Bytes(field), Reply::Bytes(number)] = pair else {
                    return Err(unexpected(&READ));
                };
                // What no version of the kit has written is not counted.
                if let Some((family, count)) = HitCount::parse_field(field)
                    && let Some(by) = number_of(number)
                {
                    let family = families.entry(family.to_owned()).or_default();
                    family.add(count, by);
                }
            }
        }
        let moment = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut stats = Self {
            total_hits: 0,
            total_misses: 0,
            hit_rate: None,
            total_requests: 0,
            time_saved: Duration::ZERO,
            families,
            from: moment(windows.first().map_or(0, |window| window.start())),
            until: moment(
                windows
                    .last()
                    .map_or(0, |window| window.start() + HitWindow::SECONDS),
            ),
        };
        let total = stats.total();
        let saved = stats.families.values().map(FamilyStats::time_saved);
        stats.time_saved = saved.fold(Duration::ZERO, Duration::saturating_add);
        stats.total_hits = total.hits;
        stats.total_misses = total.misses;
        stats.total_requests = total.requests();
        stats.hit_rate = total.hit_rate();
        Ok(stats)
    }
}

fn number_of(text: &Bytes) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn rate(part: u64, whole: u64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate needs no more than 53 bits"
    )]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `time * times / parts`, in whole microseconds.
fn over(time: Duration, times: u64, parts: u64) -> Duration {
    let micros = time.as_micros().saturating_mul(u128::from(times)) / u128::from(parts);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
