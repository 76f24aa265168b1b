//! How far it is.

use std::collections::BTreeSet;

use cachekit_store::Error;

use super::WarmOptions;

/// How far warming is. Each item counts once.
///
/// # Examples
/// See [`Cache::warm_with`](crate::Cache::warm_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Items that are in the cache now and were not before, or were no longer fresh.
    pub stored: u64,
    /// Items that were there already.
    pub skipped: u64,
    /// Items that could not be loaded or stored.
    pub failed: u64,
    /// Up to which item of the stream all are done, for [`WarmOptions::starting_at`]: a later run that starts here leaves none
    /// out. Failed items are done too.
    pub position: u64,
}

impl WarmProgress {
    /// Items that are done.
    ///
    /// # Examples
    /// See [`Cache::warm_with`](crate::Cache::warm_with).
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.stored + self.skipped + self.failed
    }
}

/// How warming ended.
///
/// # Examples
/// See [`Cache::warm`](crate::Cache::warm).
#[derive(Clone, Debug, Default)]
#[must_use = "whether all went well is only said here"]
#[non_exhaustive]
pub struct WarmReport {
    /// How far it came.
    pub progress: WarmProgress,
    /// Whether it came to the end of the stream, and did not [stop](WarmOptions::stopping_after) for failures.
    pub completed: bool,
    /// The first failure.
    pub first_error: Option<Error>,
}

/// What became of one item.
pub(super) enum Outcome {
    Stored,
    Skipped,
    Failed(Error),
}

/// One run, and who hears of it.
pub(super) struct Run<P> {
    progress: WarmProgress,
    first_error: Option<Error>,
    most_failures: Option<u64>,
    next: u64,
    /// Done behind an item that is not.
    ahead: BTreeSet<u64>,
    tell: P,
}

impl<P: FnMut(&WarmProgress)> Run<P> {
    pub(super) fn new(options: &WarmOptions, tell: P) -> Self {
        let progress = WarmProgress {
            position: options.start,
            ..WarmProgress::default()
        };
        Self {
            progress,
            first_error: None,
            most_failures: options.most_failures,
            next: options.start,
            ahead: BTreeSet::new(),
            tell,
        }
    }

    /// The place of the first of so many items that are taken from the stream.
    pub(super) fn take(&mut self, items: usize) -> u64 {
        let first = self.next;
        self.next += items as u64;
        first
    }

    pub(super) fn note(&mut self, place: u64, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.progress.stored += 1,
            Outcome::Skipped => self.progress.skipped += 1,
            Outcome::Failed(error) => {
                self.progress.failed += 1;
                self.first_error.get_or_insert(error);
            }
        }
        self.ahead.insert(place);
        while self.ahead.remove(&self.progress.position) {
            self.progress.position += 1;
        }
    }

    pub(super) fn tell(&mut self) {
        (self.tell)(&self.progress);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.most_failures
            .is_some_and(|most| self.progress.failed >= most)
    }

    pub(super) fn end(self, at_the_end: bool) -> WarmReport {
        WarmReport {
            progress: self.progress,
            completed: at_the_end,
            first_error: self.first_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Run};
    use crate::WarmOptions;

    #[test]
    fn the_position_passes_no_item_that_is_not_done() {
        let mut run = Run::new(&WarmOptions::new().starting_at(7), |_| {});
        let places: Vec<u64> = (0..4).map(|_| run.take(1)).collect();
        assert_eq!(places, [7, 8, 9, 10]);
        for (place, position) in [(9, 7), (7, 8), (10, 8), (8, 11)] {
            run.note(place, Outcome::Stored);
            assert_eq!(run.progress.position, position);
        }
        assert_eq!(run.progress.done(), 4);
    }
}
