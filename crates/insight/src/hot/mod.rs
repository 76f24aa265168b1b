//! The keys that are asked for most, found in a sample of the reads and within bounded memory.

mod sampling;
mod summary;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::{Key, KeyFamily, KeySchema};
use cachekit_store::{Event, Observer};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::{sampling::Sampling, summary::Summary};

/// How many families are followed.
const FAMILIES: usize = 64;
/// Weights grow with time; before they lose precision they are scaled back, after so many half-lives.
const RESCALE: f64 = 64.0;

/// Names the keys of each family that are asked for most in this process. Cheap to clone; clones watch together.
///
/// It is an [`Observer`] for the builders of caches. One read in sixteen, chosen by a hash of its number, goes into a summary of
/// its family, whose weights fade with a half-life of a minute. What is drawn while another thread is at the summary is let
/// go, so that nobody waits; all other reads cost one atomic addition.
///
/// # Algorithm
/// Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT
/// 2005) with the weights of forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009). Of the sampled
/// reads, a key with more than one in `capacity` is never missing, and a rate is never too low, and too high by at most
/// what [`HotKey::error`] says. What sampling adds is noise: a key that was drawn n times lately is off by a factor of about
/// `1 ± 1/√n`.
///
/// # Bounds
/// 512 keys in each of 64 families; further families are not followed. The keys are all that is kept of a read.
///
/// # Examples
/// ```
/// use cachekit_insight::HotKeys;
/// use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
/// use cachekit_store::{CacheReads, Event, Observer};
///
/// let hot = HotKeys::builder().sample(1).build();
/// let (schema, tree) = (KeySchema::plain(), ProjectKey::file_tree(ProjectId::new("proj456")?));
/// hot.observe(&Event::cache_read("project", &[schema.key(&tree)], CacheReads::hits(1)));
///
/// let hottest = hot.hottest("project", 10);
/// assert_eq!(schema.parse::<ProjectKey>(&hottest[0].key)?, tree);
/// assert_eq!(hot.hottest_of::<ProjectKey>(&schema, 10), [tree]);
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone)]
pub struct HotKeys {
    inner: Arc<Inner>,
}

struct Inner {
    sampling: Sampling,
    half_life: Duration,
    lowest_rate: f64,
    capacity: usize,
    /// When watching began.
    start: Instant,
    seen: Mutex<Seen>,
}

struct Seen {
    /// When a read has the weight 1.
    landmark: Instant,
    families: Vec<(&'static str, Summary)>,
}

/// A key that is asked for often.
///
/// # Examples
/// See [`HotKeys`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HotKey {
    /// The key as it is in the store. [`KeySchema::parse`] makes a key of its family of it.
    pub key: Key,
    /// Reads per second in this process, lately: an estimate.
    pub rate: f64,
    /// How much of the rate may belong to keys that were asked for before it took their place.
    pub error: f64,
}

/// Options of [`HotKeys`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_insight::HotKeys;
///
/// let hot = HotKeys::builder()
///     .capacity(128)
///     .sample(4)
///     .half_life(Duration::from_secs(10))
///     .lowest_rate(0.1)
///     .seed(7)
///     .build();
/// assert!(hot.hottest("project", 10).is_empty());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct HotKeysBuilder {
    capacity: usize,
    sample: u32,
    half_life: Duration,
    lowest_rate: f64,
    seed: Option<u64>,
}

impl HotKeysBuilder {
    /// How many keys of each family are followed; 512 by default, at least 1. Follow several times as many as you ask for.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys.max(1);
        self
    }

    /// One read in so many is looked at; 16 by default, at least 1, which is every one.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn sample(mut self, one_in: u32) -> Self {
        self.sample = one_in.max(1);
        self
    }

    /// After how long a read counts half; a minute by default, at least a second.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = half_life.max(Duration::from_secs(1));
        self
    }

    /// Below how many reads per second a key is no longer named; 0.001 by default, at least 0. A key that was read once is let go
    /// after some half-lives, and with it whatever is done for hot keys.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn lowest_rate(mut self, per_second: f64) -> Self {
        self.lowest_rate = per_second.max(0.0);
        self
    }

    /// Makes the choice of reads the same in each run, as far as one thread reads; by default it is drawn anew.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Begins to watch.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    #[must_use]
    pub fn build(self) -> HotKeys {
        let now = Instant::now();
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        HotKeys {
            inner: Arc::new(Inner {
                sampling: Sampling::new(self.sample, seed),
                half_life: self.half_life,
                lowest_rate: self.lowest_rate,
                capacity: self.capacity,
                start: now,
                seen: Mutex::new(Seen {
                    landmark: now,
                    families: Vec::new(),
                }),
            }),
        }
    }
}

impl HotKeys {
    /// Watches with every default.
    ///
    /// # Examples
    /// ```
    /// assert!(cachekit_insight::HotKeys::new().hottest("session", 10).is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with every default.
    ///
    /// # Examples
    /// See [`HotKeysBuilder`].
    pub fn builder() -> HotKeysBuilder {
        HotKeysBuilder {
            capacity: 512,
            sample: 16,
            half_life: Duration::from_secs(60),
            lowest_rate: 0.001,
            seed: None,
        }
    }

    /// The keys of a family that were asked for most lately, the hottest first, at most `n`. The family goes by its
    /// [name](KeyFamily::name), such as `project`, or by the name that a cache reports itself under.
    ///
    /// # Examples
    /// See [`HotKeys`].
    #[must_use]
    pub fn hottest(&self, family: &str, n: usize) -> Vec<HotKey> {
        let inner = &*self.inner;
        let seen = inner.seen.lock();
        let known = seen.families.iter().find(|(name, _)| *name == family);
        let Some((_, summary)) = known else {
            return Vec::new();
        };
        let scale = inner.rate_of_one(seen.landmark);
        let hottest = summary.heaviest(n).into_iter();
        hottest
            .map(|(key, weight, error)| HotKey {
                key,
                rate: weight * scale,
                error: error * scale,
            })
            .take_while(|hot| hot.rate >= inner.lowest_rate)
            .collect()
    }

    /// The same as keys of the family's type. Keys of another type or namespace under the same name are left out.
    ///
    /// # Examples
    /// See [`HotKeys`].
    #[must_use]
    pub fn hottest_of<K: KeyFamily>(&self, schema: &KeySchema, n: usize) -> Vec<K> {
        self.hottest_named(K::name(), schema, n)
    }

    /// The same for what is reported under a name of its own, as by a cache that shares its family with others: what a worker
    /// that keeps the cache's hot keys warm asks for.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_insight::HotKeys;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// let trees: Vec<ProjectKey> = HotKeys::new().hottest_named("trees", &KeySchema::plain(), 10);
    /// assert!(trees.is_empty());
    /// ```
    #[must_use]
    pub fn hottest_named<K: KeyFamily>(&self, name: &str, schema: &KeySchema, n: usize) -> Vec<K> {
        let hottest = self.hottest(name, n).into_iter();
        hottest
            .filter_map(|hot| schema.parse(&hot.key).ok())
            .collect()
    }
}

impl Inner {
    /// How many reads per second a weight of 1 stands for now.
    ///
    /// Reads at a steady rate r for T seconds weigh together `r / sample * H / ln 2 * (1 - 2^(-T/H))` now.
    fn rate_of_one(&self, landmark: Instant) -> f64 {
        let half_life = self.half_life.as_secs_f64();
        // A rate needs some time to be one.
        let watched = self.start.elapsed().max(Duration::from_secs(1));
        let share = 1.0 - (-watched.as_secs_f64() / half_life).exp2();
        let faded = (-landmark.elapsed().as_secs_f64() / half_life).exp2();
        faded * f64::from(self.sampling.one_in()) * std::f64::consts::LN_2 / (half_life * share)
    }

    fn add(&self, family: &'static str, key: &Key) {
        // What cannot be counted at once is let go, like most reads.
        let Some(mut seen) = self.seen.try_lock() else {
            return;
        };
        let weight = seen.weight(self.half_life);
        if let Some(summary) = seen.summary(family, self.capacity) {
            summary.add(key, weight);
        }
    }
}

impl Seen {
    /// What a read weighs now.
    fn weight(&mut self, half_life: Duration) -> f64 {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.landmark);
        let half_lives = since.as_secs_f64() / half_life.as_secs_f64();
        if half_lives < RESCALE {
            return half_lives.exp2();
        }
        self.landmark = now;
        for (_, summary) in &mut self.families {
            summary.scale((-half_lives).exp2());
        }
        1.0
    }

    fn summary(&mut self, family: &'static str, capacity: usize) -> Option<&mut Summary> {
        let place = self.families.iter().position(|(name, _)| *name == family);
        let place = match place {
            Some(place) => place,
            None if self.families.len() == FAMILIES => return None,
            None => {
                self.families.push((family, Summary::new(capacity)));
                self.families.len() - 1
            }
        };
        Some(&mut self.families[place].1)
    }
}

impl Observer for HotKeys {
    fn observe(&self, event: &Event<'_>) {
        if let Event::CacheRead { family, keys, .. } = *event {
            let mut draws = self.inner.sampling.draws(keys.len());
            for key in keys {
                if draws.next_is_drawn() {
                    self.inner.add(family, key);
                }
            }
        }
    }
}

impl Default for HotKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HotKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HotKeys")
            .field("capacity", &self.inner.capacity)
            .field("half_life", &self.inner.half_life)
            .finish_non_exhaustive()
    }
}
