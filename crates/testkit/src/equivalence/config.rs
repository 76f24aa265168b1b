//! How much a run compares, and from which seed.

use std::{env, fmt, num::NonZeroUsize, sync::Arc};

use super::Report;

type Progress = Arc<dyn Fn(&Report) + Send + Sync>;

/// The size and the seed of a run.
///
/// # Examples
/// ```
/// use cachekit_testkit::equivalence::Config;
///
/// let config = Config::new(1, 30_000).with_list_length(100);
/// assert_eq!((config.seed, config.list_length), (1, 100));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The first list's seed; each further list's is the next number. So a list that shows a difference is the first of a
    /// run from its own seed.
    pub seed: u64,
    /// How many operations are carried out on both sides at least; whole lists are.
    pub operations: usize,
    /// How many operations a list has; 200 by default.
    pub list_length: usize,
    /// How many lists are played at the same time; 16 by default.
    pub concurrency: NonZeroUsize,
    /// Whether the keys of a script's call may lie in two slots; not by default.
    pub cross_slot: bool,
    pub(super) progress: Option<Progress>,
}

impl Config {
    /// `operations` operations from `seed`.
    #[must_use]
    pub fn new(seed: u64, operations: usize) -> Self {
        Self {
            seed,
            operations,
            list_length: 200,
            concurrency: NonZeroUsize::new(16).expect("16 is not zero"),
            cross_slot: false,
            progress: None,
        }
    }

    /// From the environment: `CACHEKIT_EQUIVALENCE_SEED`, by default one that differs from run to run, and
    /// `CACHEKIT_EQUIVALENCE_OPS`, by default `operations`.
    ///
    /// # Panics
    /// Where one of the variables holds no number.
    #[must_use]
    pub fn from_environment(operations: usize) -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            let number = text.trim().replace('_', "").parse::<u64>();
            Some(number.unwrap_or_else(|_| panic!("{name} holds no number: {text}")))
        };
        let seed =
            number("CACHEKIT_EQUIVALENCE_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..)));
        let operations = number("CACHEKIT_EQUIVALENCE_OPS").map_or(operations, |operations| {
            usize::try_from(operations).unwrap_or(usize::MAX)
        });
        Self::new(seed, operations)
    }

    /// The same with lists of another length.
    #[must_use]
    pub fn with_list_length(mut self, list_length: usize) -> Self {
        self.list_length = list_length.max(1);
        self
    }

    /// The same with keys of two slots in some calls of scripts: for a cluster and a memory store in cluster mode.
    #[must_use]
    pub fn with_cross_slot(mut self) -> Self {
        self.cross_slot = true;
        self
    }

    /// The same with a look at the report so far after each list.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    pub(super) fn lists(&self) -> usize {
        self.operations.div_ceil(self.list_length).max(1)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("seed", &self.seed)
            .field("operations", &self.operations)
            .field("list_length", &self.list_length)
            .field("concurrency", &self.concurrency)
            .field("cross_slot", &self.cross_slot)
            .finish_non_exhaustive()
    }
}
