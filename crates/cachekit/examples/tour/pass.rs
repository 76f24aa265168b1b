//! One pass over the tree: each file is read, looked up by its content, and analysed if nobody has done so before.

use crate::analysis::{self, Analysis, Language};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::source;
use crate::tour::Tour;
use crate::tree::{FileTree, Unreadable};
use crate::written::Write;
use cachekit::{Cached, ContentHash, Level, LoadOptions, Origin, ProjectCache};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a pass found and what it took.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// The lookups.
    pub(crate) counts: Counts,
    /// The time, by what it went to.
    pub(crate) times: Times,
    /// Files that could not be read any more.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Each file's path and analysis, in the order of the tree.
    pub(crate) analyses: Vec<(String, Analysis)>,
    /// The contents looked up so far, each with the first file that has it.
    pub(crate) seen: HashMap<ContentHash, String>,
}

/// Lookups of analyses. Hits and misses add up to the files that could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Files of the tree.
    pub(crate) files: u64,
    /// Files whose analysis was in the cache.
    pub(crate) hits: u64,
    /// Files that had to be analysed.
    pub(crate) misses: u64,
    /// Hits on what an earlier file of the same pass has the same content as.
    pub(crate) duplicate_hits: u64,
}

impl Counts {
    /// Hits on what was in the cache before this pass began.
    pub(crate) fn earlier_hits(&self) -> u64 {
        self.hits - self.duplicate_hits
    }
}

/// Where the time of a pass went. Drawing on the terminal is not in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// Getting the list of files: by a walk, or from the cache.
    pub(crate) tree: Duration,
    /// Reading files.
    pub(crate) read: Duration,
    /// Analysing.
    pub(crate) analyse: Duration,
    /// Hashing contents, and the calls to the cache.
    pub(crate) cache: Duration,
}

impl Times {
    /// All of it.
    pub(crate) fn total(&self) -> Duration {
        self.tree + self.read + self.analyse + self.cache
    }
}

/// Runs `work` and adds what it took to `spent`.
pub(crate) fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *spent += start.elapsed();
    result
}

/// Awaits `work` and adds what it took to `spent`.
pub(crate) async fn timed_async<T>(spent: &mut Duration, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let result = work.await;
    *spent += start.elapsed();
    result
}

/// What a pass goes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over<'a> {
    /// The directory that paths are relative to.
    pub(crate) root: &'a Path,
    /// The files.
    pub(crate) tree: &'a FileTree,
    /// The project's part of the cache.
    pub(crate) cache: &'a ProjectCache,
}

impl Pass {
    /// Goes over all files. `self` brings the time that the list of files took.
    ///
    /// # Errors
    ///
    /// [`Failure::Stopped`] when the cache fails. A file that cannot be read is noted and left out.
    pub(crate) async fn run(
        mut self,
        label: &'static str,
        over: Over<'_>,
        tour: &mut Tour,
    ) -> Result<Self, Failure> {
        let mut progress = Progress::new(label, over.tree.files.len());
        for file in &over.tree.files {
            self.counts.files += 1;
            let path = over.root.join(&file.path);
            match timed(&mut self.times.read, || source::read(&path)) {
                Ok(bytes) => {
                    let analysis = self
                        .look_up(&file.path, bytes, over, tour, &mut progress)
                        .await?;
                    self.analyses.push((file.path.clone(), analysis));
                }
                Err(error) => self.unreadable.push(Unreadable::new(&file.path, &error)),
            }
            progress.advance();
        }
        Ok(self)
    }

    /// The file's analysis: from the cache, or made and put there.
    async fn look_up(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        over: Over<'_>,
        tour: &mut Tour,
        progress: &mut Progress,
    ) -> Result<Analysis, Failure> {
        let language = Language::of(path);
        let hash = timed(&mut self.times.cache, || {
            analysis::identity(language, &bytes)
        });
        let is_first = !self.seen.contains_key(&hash);
        self.seen.entry(hash).or_insert_with(|| path.to_owned());

        // Of all tours on this project, also those in other processes, one makes the analysis.
        let spent = Arc::new(Mutex::new(Duration::ZERO));
        let measured = Arc::clone(&spent);
        let analyse = move |_| async move {
            let start = Instant::now();
            let made = analysis::off_thread(language, bytes).await;
            *measured.lock().unwrap_or_else(PoisonError::into_inner) = start.elapsed();
            made
        };
        let options = LoadOptions::new();
        let answer = over.cache.get_or_analyze_at(&hash, &options, analyse);
        let start = Instant::now();
        let cached: Cached<Analysis> = answer.await?;
        let spent = *spent.lock().unwrap_or_else(PoisonError::into_inner);
        self.times.analyse += spent;
        self.times.cache += start.elapsed().saturating_sub(spent);
        let found = cached
            .value
            .ok_or_else(|| Failure::Stopped(format!("`{path}` has no analysis")))?;

        if cached.origin == Origin::Fresh {
            self.counts.hits += 1;
            self.counts.duplicate_hits += u64::from(!is_first);
            return Ok(found);
        }
        self.counts.misses += 1;
        if self.counts.misses == 1 {
            // The first key of its kind is about to be shown.
            progress.hide();
        }
        wrote_analysis(path, hash, over.cache, tour)?;
        Ok(found)
    }
}

fn wrote_analysis(
    path: &str,
    hash: ContentHash,
    cache: &ProjectCache,
    tour: &mut Tour,
) -> Result<(), Failure> {
    let key = cache.key(&format!("analysis:{hash}"))?;
    tour.wrote(&Write {
        kind: "project:{project_id}:analysis:{code_hash}",
        level: Level::Project,
        ttl: cache.ttl(),
        key: &key,
        holds: &format!("the analysis of {path}, and one for each other content"),
    })
}
