//! The servers of a test run: finds or prepares them, says in one line each where they come from, cleans up after.
//!
//! In order: a Docker engine that answers; else one that is started (as root on Linux, installed first where Debian's
//! `apt-get` is at hand); an image that the engine has, that is built from Debian's packages, or that the engine can
//! pull; else a program on the `PATH`; else nothing, which fails the run where servers are required.
//!
//! The servers themselves are started by the testkit's launchers; this package uses no crate of the workspace and
//! hands its findings over in environment variables.

mod debian;
mod engine;
mod holder;
mod image;
mod kind;
mod program;
mod requirement;

use std::{
    fmt,
    path::{Path, PathBuf},
    process,
};

use crate::failure::{Failure, Outcome};
use engine::Engine;
pub(crate) use holder::Holder;
use kind::Kind;
pub(crate) use requirement::Requirement;

/// Where one kind of server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Docker(String),
    Local(PathBuf),
    Absent(String),
}

impl Source {
    /// The form that the testkit reads.
    fn variable(&self) -> String {
        match self {
            Self::Docker(image) => format!("docker:{image}"),
            Self::Local(program) => format!("local:{}", program.display()),
            Self::Absent(reason) => format!("none:{reason}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker(image) => write!(f, "container of {image}"),
            Self::Local(program) => write!(f, "local {}", program.display()),
            Self::Absent(reason) => write!(f, "SKIPPED, {reason}"),
        }
    }
}

/// The findings, and the engine if this run started it. Dropping it ends that engine.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sources: Vec<(&'static Kind, Source)>,
    engine: Option<Engine>,
    run: String,
}

impl Prepared {
    /// Finds or makes what the run needs; `folder` keeps built images for later runs.
    pub(crate) fn make(folder: &Path) -> Outcome<Self> {
        debian::install(debian::PYTHON)?;
        let engine = engine::find_or_start(folder).unwrap_or_else(|failure| {
            println!("servers: no docker engine: {failure}");
            None
        });
        if engine.is_some() {
            image::build_missing(folder);
        }
        let sources = kind::KINDS
            .iter()
            .map(|kind| (kind, source(kind, engine.is_some())))
            .collect();
        Ok(Self {
            sources,
            engine,
            run: format!("xtask-{}", process::id()),
        })
    }

    /// One line for each kind.
    pub(crate) fn print(&self) {
        for (kind, source) in &self.sources {
            println!("server {}: {source}", kind.name);
        }
    }

    /// Fails where something required cannot be had.
    pub(crate) fn satisfy(&self, requirement: &Requirement) -> Outcome<()> {
        self.satisfy_with(requirement, |_| true)
    }

    /// Fails where something required was not started after all.
    pub(crate) fn satisfy_started(
        &self,
        requirement: &Requirement,
        holder: &Holder,
    ) -> Outcome<()> {
        self.satisfy_with(requirement, |name| holder.has(name))
    }

    fn satisfy_with(
        &self,
        requirement: &Requirement,
        present: impl Fn(&str) -> bool,
    ) -> Outcome<()> {
        let sources = self.sources.iter();
        let sources = sources.filter(|(_, source)| !matches!(source, Source::Absent(_)));
        let present: Vec<String> = sources
            .flat_map(|(kind, _)| kind.deployments())
            .filter(|name| present(name))
            .collect();
        match requirement.unsatisfied(&present) {
            Some(missing) => Err(Failure::new(format!(
                "the run requires a server that is absent: {missing}"
            ))),
            None => Ok(()),
        }
    }

    /// What the tests are told.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let sources = self.sources.iter();
        let sources = sources.map(|(kind, source)| (kind.source_variable(), source.variable()));
        sources
            .chain([("CACHEKIT_TEST_RUN".to_owned(), self.run.clone())])
            .collect()
    }
}

impl Drop for Prepared {
    /// Removes the containers of tests that were killed; the engine, if it is ours, ends after this.
    fn drop(&mut self) {
        if self.engine.is_some() {
            engine::remove_containers(&self.run);
        }
    }
}

fn source(kind: &Kind, engine: bool) -> Source {
    if engine && let Some(image) = image::at_hand(kind) {
        return Source::Docker(image);
    }
    let reason = if engine {
        "the docker engine has no image of it"
    } else {
        "no docker engine"
    };
    program::find(kind).map_or_else(
        || {
            Source::Absent(format!(
                "{reason} and no {} {} on the path",
                kind.program, kind.major
            ))
        },
        Source::Local,
    )
}
