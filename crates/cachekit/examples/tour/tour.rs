//! The tour itself, from the open session to the second pass.
//!
//! This is the module to read for how the kit is used: a handle for each level, values of one's own types, and no key
//! that is put together by hand.

use crate::analysis::{self, Analysis, Language};
use crate::facts::{ColdRun, EarlierTree, Facts, PassFacts, Saved, SessionFacts, TreeFacts};
use crate::failure::{Failure, in_one_line};
use crate::findings;
use crate::pass::{Over, Pass, timed, timed_async};
use crate::progress::Progress;
use crate::report::Report;
use crate::server::Place;
use crate::session::{self, AtHand, Preferences, Snippet};
use crate::source;
use crate::tree::{self, FileTree};
use crate::written::{Write, Written};
use cachekit::patterns::WarmProgress;
use cachekit::{
    CacheKit, GlobalCache, Level, ProjectCache, ProjectId, ProjectKey, SessionCache, WarmOptions,
    each,
};
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;

/// A tour on its way.
#[derive(Debug)]
pub(crate) struct Tour {
    kit: CacheKit,
    report: Report,
    written: Written,
}

impl Tour {
    /// A tour that keeps everything in `kit` and tells `report`.
    pub(crate) fn new(kit: CacheKit, report: Report) -> Self {
        Self {
            kit,
            report,
            written: Written::default(),
        }
    }

    /// Goes over the tree at `root` twice and tells what it found.
    ///
    /// # Errors
    ///
    /// [`Failure::Stopped`] for a tree without text files and for a cache that fails.
    pub(crate) async fn run(
        mut self,
        root: &Path,
        id: &ProjectId,
        place: Place,
    ) -> Result<(), Failure> {
        let mut first = Pass::default();
        let tree = timed(&mut first.times.tree, || tree::walk(root));
        if tree.files.is_empty() {
            return Err(nothing_to_do(root, &tree));
        }
        self.report.begin(root, &place, &tree)?;
        let project = self.kit.project(id);
        let session = self.open_session(root, &tree).await?;
        let kept = timed_async(&mut first.times.tree, keep_tree(&project, &tree));
        let earlier = kept.await?;
        self.wrote_tree(&project, &tree)?;

        let (first, second) = self.both_passes(first, root, &tree, &project).await?;

        let cold_run = self.cold_run(id, &first).await?;
        let facts = Facts {
            path: root.display().to_string(),
            store: place,
            project: id.as_encoded().to_owned(),
            session,
            tree: TreeFacts::new(&tree, earlier),
            keys: self.written.into_kinds(),
            passes: [PassFacts::new(&first), PassFacts::new(&second)],
            saved: Saved::new(&first, &second, cold_run),
            server: self.kit.get_stats().await?.into(),
            findings: findings::sum_up(&second.analyses),
        };
        self.report.end(&facts)
    }

    /// Over the tree as it was walked, then over the tree as it is cached.
    async fn both_passes(
        &mut self,
        first: Pass,
        root: &Path,
        tree: &FileTree,
        cache: &ProjectCache,
    ) -> Result<(Pass, Pass), Failure> {
        let over = Over { root, tree, cache };
        let first = first.run("first pass ", over, self).await?;
        self.keep_at_hand(&first, root, cache.id()).await?;

        let mut second = Pass::default();
        // Gone only if the store had to evict it: then the walk's own result will do.
        let walked = tree.clone();
        let again = || async { Ok::<_, Infallible>(walked) };
        let cached = cache.get_or_load::<FileTree, _, _, _, _>("file_tree", again);
        let cached = timed_async(&mut second.times.tree, cached).await?;
        let over = Over {
            tree: &cached,
            ..over
        };
        let second = second.run("second pass", over, self).await?;
        Ok((first, second))
    }

    /// Makes sure that the second pass finds everything: what the store had to evict meanwhile is analysed again.
    async fn keep_at_hand(&self, first: &Pass, root: &Path, id: &ProjectId) -> Result<(), Failure> {
        let analyses = self.kit.cache::<ProjectKey, Analysis>().build()?;
        let mut files = HashMap::new();
        for (hash, path) in &first.seen {
            let key = ProjectKey::analysis(id.clone(), *hash);
            files.insert(key, (*hash, Language::of(path), root.join(path)));
        }
        let keys: Vec<ProjectKey> = files.keys().cloned().collect();
        let mut progress = Progress::new("warming    ", keys.len());
        let again = move |key| {
            let file = files.get(&key).cloned();
            async move {
                let (hash, language, path) =
                    file.ok_or_else(|| io::Error::other("not of this tree"))?;
                let bytes = source::read(&path)?;
                if analysis::identity(language, &bytes) != hash {
                    return Err(io::Error::other("it has changed"));
                }
                analysis::off_thread(language, bytes)
                    .await
                    .map_err(io::Error::other)
            }
        };
        let done = |done: &WarmProgress| {
            progress.reach(usize::try_from(done.done()).unwrap_or(usize::MAX))
        };
        // A file that cannot be read any more is the second pass's to tell of.
        let _ = analyses
            .warm_with(each(keys), &WarmOptions::new(), again, done)
            .await;
        Ok(())
    }

    /// Notes a write that was done, and shows the first of its kind.
    ///
    /// # Errors
    ///
    /// Those of standard output.
    pub(crate) fn wrote(&mut self, write: &Write<'_>) -> Result<(), Failure> {
        match self.written.note(write) {
            Some(kind) => self.report.key(kind),
            None => Ok(()),
        }
    }

    /// Opens a session, and reads back what it keeps.
    async fn open_session(
        &mut self,
        root: &Path,
        tree: &FileTree,
    ) -> Result<SessionFacts, Failure> {
        let id = session::new_id().map_err(|error| Failure::Stopped(in_one_line(&error)))?;
        let session = self.kit.session(&id);
        let keep = AtHand::first_of(tree, root, self.report.format(), self.report.colour());
        let file = &keep.current_file;

        let name = "code_snippet";
        let holds = format!("the beginning of {file}");
        self.keep(&session, CODE_SNIPPET, name, &keep.snippet, &holds)
            .await?;
        let name = "current_file";
        self.keep(&session, CURRENT_FILE, name, file, file).await?;
        let name = "user_preferences";
        let holds = "the form of the result";
        self.keep(&session, USER_PREFERENCES, name, &keep.preferences, holds)
            .await?;

        let snippet = session.get::<Snippet>("code_snippet").await?;
        let current = session.get::<String>("current_file").await?;
        let preferences = session.get::<Preferences>("user_preferences").await?;
        let read_back = [
            snippet.is_some_and(|snippet| snippet == keep.snippet),
            current.is_some_and(|current| current == keep.current_file),
            preferences.is_some_and(|preferences| preferences == keep.preferences),
        ];
        Ok(SessionFacts {
            id: id.as_encoded().to_owned(),
            read_back: read_back.map(u64::from).iter().sum(),
            written: 3,
            current_file: keep.current_file,
        })
    }

    async fn keep<V: Serialize>(
        &mut self,
        session: &SessionCache,
        kind: &'static str,
        name: &str,
        value: &V,
        holds: &str,
    ) -> Result<(), Failure> {
        session.set(name, value).await?;
        self.wrote(&Write {
            kind,
            level: Level::Session,
            ttl: session.ttl(),
            key: &session.key(name)?,
            holds,
        })
    }

    fn wrote_tree(&mut self, project: &ProjectCache, tree: &FileTree) -> Result<(), Failure> {
        let (files, dirs) = (tree.files.len(), tree.dirs.len());
        self.wrote(&Write {
            kind: "project:{project_id}:file_tree",
            level: Level::Project,
            ttl: project.ttl(),
            key: &project.key("file_tree")?,
            holds: &format!("{files} files in {dirs} directories"),
        })
    }

    /// After a cold pass its time is remembered; after a warm one the remembered time is read.
    async fn cold_run(&mut self, id: &ProjectId, first: &Pass) -> Result<Option<ColdRun>, Failure> {
        let global: GlobalCache = self.kit.global();
        let name = format!("tour:{}:cold_run", id.as_encoded());
        if first.counts.earlier_hits() > 0 {
            return Ok(global.get(&name).await?);
        }
        let run = ColdRun {
            files: first.counts.files,
            millis: crate::facts::millis(first.times.total()),
        };
        global.set(&name, &run).await?;
        self.wrote(&Write {
            kind: "tour:{project_id}:cold_run",
            level: Level::Global,
            ttl: global.ttl(),
            key: &global.key(&name)?,
            holds: "the time of the first pass, for later runs to compare",
        })?;
        Ok(None)
    }
}

const CODE_SNIPPET: &str = "session:{session_id}:code_snippet";
const CURRENT_FILE: &str = "session:{session_id}:current_file";
const USER_PREFERENCES: &str = "session:{session_id}:user_preferences";

/// Caches the tree, and says what was cached before.
async fn keep_tree(
    project: &ProjectCache,
    tree: &FileTree,
) -> Result<EarlierTree, cachekit::Error> {
    let earlier = match project.get::<FileTree>("file_tree").await? {
        None => EarlierTree::None,
        Some(earlier) if earlier == *tree => EarlierTree::Same,
        Some(_) => EarlierTree::Different,
    };
    project.set("file_tree", tree).await?;
    Ok(earlier)
}

fn nothing_to_do(root: &Path, tree: &FileTree) -> Failure {
    let root = root.display();
    match tree.unreadable.first() {
        Some(first) => {
            let reason = &first.reason;
            Failure::Stopped(format!("`{root}` holds no text file to read: {reason}"))
        }
        None => Failure::Stopped(format!("`{root}` holds no text files")),
    }
}
