//! The runner: lists from a seed, several at a time, up to the first difference.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    Comparison, Config, Difference, Mismatch, Operation,
    generate::{self, Abilities},
    shrink,
};

/// What a run compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The first list's seed.
    pub seed: u64,
    /// How many lists were played, each with a comparison of what it left.
    pub lists: usize,
    /// How many operations were carried out on both sides.
    pub operations: usize,
    /// How long it took.
    pub elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            lists,
            operations,
            elapsed,
        } = self;
        let seconds = elapsed.as_secs_f64();
        let rate = *operations as f64 / seconds.max(0.001);
        write!(
            f,
            "{operations} operations in {lists} lists from seed {seed}: no difference, {seconds:.1} s, {rate:.0}/s"
        )
    }
}

/// Why a run did not come to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failed {
    /// The sides differ.
    Differ(Box<Difference>),
    /// The server could not be asked, or so slowly that nothing can be said.
    Trouble(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differ(difference) => difference.fmt(f),
            Self::Trouble(reason) => write!(f, "nothing could be compared: {reason}"),
        }
    }
}

impl std::error::Error for Failed {}

/// Plays random lists on both sides until enough operations were compared, or a list shows a difference, which is shrunk.
///
/// # Errors
/// [`Failed::Differ`] with the first difference; [`Failed::Trouble`] where the server could not be asked.
///
/// # Panics
/// Outside of a tokio runtime, and under paused time: a server's clock runs.
///
/// # Cancel safety
/// A dropped run leaves the keys of the lists behind that it was playing.
pub async fn run(config: &Config, comparison: &Comparison) -> Result<Report, Failed> {
    let start = Instant::now();
    let shared = Arc::new(Shared {
        config: config.clone(),
        comparison: comparison.clone(),
        abilities: comparison.abilities(),
        next: AtomicUsize::new(0),
        played: AtomicUsize::new(0),
        start,
    });
    let mut tasks = JoinSet::new();
    for _ in 0..config.concurrency.get() {
        tasks.spawn(Arc::clone(&shared).work());
    }
    while let Some(ended) = tasks.join_next().await {
        let found = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        if let Some((number, mismatch)) = found? {
            // The others end at their next list, and clean up before.
            shared.next.store(usize::MAX / 2, Ordering::Relaxed);
            while tasks.join_next().await.is_some() {}
            return Err(shared.shrunk(number, mismatch).await);
        }
    }
    Ok(shared.report())
}

struct Shared {
    config: Config,
    comparison: Comparison,
    abilities: Abilities,
    next: AtomicUsize,
    played: AtomicUsize,
    start: Instant,
}

impl Shared {
    /// Plays lists until there are no more; answers the number of one that shows a difference, and what it shows.
    async fn work(self: Arc<Self>) -> Result<Option<(usize, Mismatch)>, Failed> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.config.lists() {
                return Ok(None);
            }
            let operations = self.list(number);
            if let Some(mismatch) = self.comparison.replay(&operations).await? {
                return Ok(Some((number, mismatch)));
            }
            self.played.fetch_add(1, Ordering::Relaxed);
            if let Some(progress) = &self.config.progress {
                progress(&self.report());
            }
        }
    }

    fn seed(&self, number: usize) -> u64 {
        self.config.seed.wrapping_add(number as u64)
    }

    fn list(&self, number: usize) -> Vec<Operation> {
        generate::list(
            &self.config,
            &self.comparison,
            self.abilities,
            self.seed(number),
        )
    }

    async fn shrunk(&self, number: usize, mismatch: Mismatch) -> Failed {
        let operations = self.list(number);
        match shrink::difference(&self.comparison, self.seed(number), operations, mismatch).await {
            Ok(difference) => Failed::Differ(Box::new(difference)),
            Err(failed) => failed,
        }
    }

    fn report(&self) -> Report {
        let lists = self.played.load(Ordering::Relaxed);
        Report {
            seed: self.config.seed,
            lists,
            operations: lists * self.config.list_length,
            elapsed: self.start.elapsed(),
        }
    }
}
