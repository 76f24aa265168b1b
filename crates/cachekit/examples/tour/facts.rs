//! Everything that a tour found out: what the text shows in parts, and `--json` prints as a whole.

use crate::findings::Findings;
use crate::pass::{Counts, Pass, Times};
use crate::server::Place;
use crate::tree::{FileTree, Skipped, Unreadable};
use crate::written::KeyKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The result of a tour.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    /// The directory that was walked.
    pub(crate) path: String,
    /// Where the cache is.
    pub(crate) store: Place,
    /// The project's id in the cache.
    pub(crate) project: String,
    /// The session.
    pub(crate) session: SessionFacts,
    /// The tree.
    pub(crate) tree: TreeFacts,
    /// The kinds of keys that were written.
    pub(crate) keys: Vec<KeyKind>,
    /// Both passes, in order.
    pub(crate) passes: [PassFacts; 2],
    /// What the cache was good for.
    pub(crate) saved: Saved,
    /// What the store says about itself at the end.
    pub(crate) server: ServerFacts,
    /// What the analyses say.
    pub(crate) findings: Findings,
}

/// The store in its own words.
#[derive(Debug, Serialize)]
pub(crate) struct ServerFacts {
    /// `memory`, `redis` or `valkey`.
    pub(crate) product: String,
    /// Its version.
    pub(crate) version: String,
    /// Keys in the database, also those of others.
    pub(crate) keys: u64,
    /// Bytes in use.
    pub(crate) used_memory: u64,
}

/// The session's part.
#[derive(Debug, Serialize)]
pub(crate) struct SessionFacts {
    /// Its id.
    pub(crate) id: String,
    /// The file that it has open.
    pub(crate) current_file: String,
    /// Values that were written.
    pub(crate) written: u64,
    /// Values that came back as they were written.
    pub(crate) read_back: u64,
}

/// The tree's part.
#[derive(Debug, Serialize)]
pub(crate) struct TreeFacts {
    /// Text files.
    pub(crate) files: u64,
    /// Directories.
    pub(crate) dirs: u64,
    /// The sum of the sizes of the files.
    pub(crate) bytes: u64,
    /// What was left out on purpose.
    pub(crate) skipped: Skipped,
    /// What could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// The tree that an earlier run had left in the cache.
    pub(crate) earlier: EarlierTree,
}

/// How the tree in the cache compares with the one on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EarlierTree {
    /// There was none.
    None,
    /// It was the same.
    Same,
    /// Files have changed since.
    Different,
}

/// One pass.
#[derive(Debug, Serialize)]
pub(crate) struct PassFacts {
    /// The lookups.
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// Files that could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// All of the time, in milliseconds.
    pub(crate) millis: f64,
    /// Getting the list of files: by a walk in the first pass, from the cache in the second.
    pub(crate) tree_millis: f64,
    /// Reading files.
    pub(crate) read_millis: f64,
    /// Analysing.
    pub(crate) analyse_millis: f64,
    /// Hashing, and the calls to the cache.
    pub(crate) cache_millis: f64,
}

/// A run that found nothing in the cache. It is kept there for a day, so that a warm run can compare.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColdRun {
    /// Its files.
    pub(crate) files: u64,
    /// The time of its first pass, in milliseconds.
    pub(crate) millis: f64,
}

/// What the cache was good for, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Saved {
    /// The first pass less the second, in milliseconds; below zero where the second took longer.
    pub(crate) millis: f64,
    /// Whether the first pass found results of an earlier run, so that the second had little to save.
    pub(crate) first_pass_was_warm: bool,
    /// The cold run that is remembered, where the first pass was warm.
    pub(crate) cold_run: Option<ColdRun>,
    /// The cold run less this run's first pass, in milliseconds.
    pub(crate) millis_since_cold_run: Option<f64>,
    /// Files of which the second pass said the same as the first.
    pub(crate) same_results: u64,
}

impl TreeFacts {
    /// Of a tree that was walked.
    pub(crate) fn new(tree: &FileTree, earlier: EarlierTree) -> Self {
        Self {
            files: count(tree.files.len()),
            dirs: count(tree.dirs.len()),
            bytes: tree.bytes(),
            skipped: tree.skipped,
            unreadable: tree.unreadable.clone(),
            earlier,
        }
    }
}

impl PassFacts {
    /// Of a pass that is over.
    pub(crate) fn new(pass: &Pass) -> Self {
        let Times {
            tree,
            read,
            analyse,
            cache,
        } = pass.times;
        Self {
            counts: pass.counts,
            unreadable: pass.unreadable.clone(),
            millis: millis(pass.times.total()),
            tree_millis: millis(tree),
            read_millis: millis(read),
            analyse_millis: millis(analyse),
            cache_millis: millis(cache),
        }
    }
}

impl From<cachekit::ServerFacts> for ServerFacts {
    fn from(facts: cachekit::ServerFacts) -> Self {
        Self {
            product: facts.product,
            version: facts.version,
            keys: facts.keys,
            used_memory: facts.used_memory,
        }
    }
}

impl Saved {
    /// Compares the passes with one another, and the first with the cold run where it was warm itself.
    pub(crate) fn new(first: &Pass, second: &Pass, cold_run: Option<ColdRun>) -> Self {
        let (cold, warm) = (millis(first.times.total()), millis(second.times.total()));
        let pairs = first.analyses.iter().zip(&second.analyses);
        Self {
            millis: rounded(cold - warm),
            first_pass_was_warm: first.counts.earlier_hits() > 0,
            cold_run,
            millis_since_cold_run: cold_run.map(|run| rounded(run.millis - cold)),
            same_results: count(pairs.filter(|(a, b)| a == b).count()),
        }
    }
}

/// A duration in milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

fn rounded(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}

/// A length as it is reported.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{ColdRun, Saved};
    use crate::pass::Pass;
    use std::time::Duration;

    fn pass(millis: u64, hits: u64, duplicate_hits: u64) -> Pass {
        let mut pass = Pass::default();
        pass.times.analyse = Duration::from_millis(millis);
        pass.counts.hits = hits;
        pass.counts.duplicate_hits = duplicate_hits;
        pass
    }

    #[test]
    fn what_was_saved_is_first_less_second_and_may_be_negative() {
        assert_eq!(Saved::new(&pass(9, 0, 0), &pass(4, 5, 0), None).millis, 5.0);
        assert_eq!(
            Saved::new(&pass(4, 0, 0), &pass(9, 5, 0), None).millis,
            -5.0
        );
    }

    #[test]
    fn duplicates_in_a_tree_do_not_make_a_pass_warm() {
        let cold = Saved::new(&pass(9, 2, 2), &pass(4, 5, 2), None);
        assert!(!cold.first_pass_was_warm);
        let run = ColdRun {
            files: 5,
            millis: 20.5,
        };
        let warm = Saved::new(&pass(9, 3, 2), &pass(4, 5, 2), Some(run));
        assert!(warm.first_pass_was_warm);
        assert_eq!(warm.millis_since_cold_run, Some(11.5));
    }
}
