//! Where each kind of server comes from in this process, and which kinds the run requires.
//!
//! It finds; it starts nothing, builds no image and installs nothing. That is the work of `cargo xtask test`, whose
//! findings are taken from the environment as they are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use testcontainers::{bollard::Docker, core::client::docker_client_instance};
use tokio::{sync::OnceCell, time::timeout};

use super::{Deployment, Kind, ServerError, log::skipped};

/// An engine that does not answer by then counts as none.
const ENGINE_LIMIT: Duration = Duration::from_secs(2);

/// Where one kind of server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A container of this image, as `name:tag`.
    Docker(String),
    /// A program of this machine.
    Local(PathBuf),
    /// Nowhere, and why.
    Absent(String),
}

impl Source {
    /// Reads the form that `cargo xtask test` writes: `docker:IMAGE`, `local:PROGRAM`, `none:REASON`.
    ///
    /// # Examples
    /// ```
    /// use cachekit_testkit::server::Source;
    ///
    /// assert_eq!(Source::parse("docker:redis:8-alpine"), Some(Source::Docker("redis:8-alpine".to_owned())));
    /// assert_eq!(Source::parse("podman:redis"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (way, what) = text.split_once(':')?;
        match way {
            "docker" => Some(Self::Docker(what.to_owned())),
            "local" => Some(Self::Local(PathBuf::from(what))),
            "none" => Some(Self::Absent(what.to_owned())),
            _ => None,
        }
    }
}

/// The findings of this process: a [`Source`] for every [`Kind`].
///
/// # Examples
/// ```
/// use cachekit_testkit::server::{Choice, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// println!("{:?}", Choice::of_process().await.source(Kind::Redis7));
/// # }
/// ```
#[derive(Debug)]
pub struct Choice {
    sources: Vec<(Kind, Source)>,
    required: Required,
}

impl Choice {
    /// The findings of this process, made at the first call.
    ///
    /// # Panics
    /// If `CACHEKIT_REQUIRE_SERVERS` names a server that is not known.
    ///
    /// # Cancel safety
    /// A dropped first call leaves the work to the next.
    pub async fn of_process() -> &'static Self {
        static CHOICE: OnceCell<Choice> = OnceCell::const_new();
        CHOICE.get_or_init(Self::detect).await
    }

    /// Where `kind` comes from.
    #[must_use]
    pub fn source(&self, kind: Kind) -> &Source {
        self.sources
            .iter()
            .find_map(|(known, source)| (*known == kind).then_some(source))
            .expect("the choice covers every kind")
    }

    /// Where a test's server is to come from. An absent one is an error where the run requires it, else nothing, and one
    /// line that says so.
    pub(super) fn present(&self, deployment: Deployment) -> Result<Option<&Source>, ServerError> {
        match self.source(deployment.kind()) {
            Source::Absent(reason) => self.without(deployment, reason).map(|()| None),
            source => Ok(Some(source)),
        }
    }

    /// The same for a server that turns out to be unable to run in this form.
    pub(super) fn without(&self, deployment: Deployment, reason: &str) -> Result<(), ServerError> {
        let none_at_all = self
            .sources
            .iter()
            .all(|(_, source)| matches!(source, Source::Absent(_)));
        if self.required.fails_without(deployment, none_at_all) {
            return Err(ServerError::Required {
                deployment,
                reason: reason.to_owned(),
            });
        }
        skipped(&deployment.name(), reason);
        Ok(())
    }

    async fn detect() -> Self {
        let engine = engine().await;
        let mut sources = Vec::new();
        for kind in Kind::ALL {
            sources.push((kind, find(kind, engine.as_ref()).await));
        }
        Self {
            sources,
            required: Required::from_environment(),
        }
    }
}

/// Which absences are failures.
#[derive(Debug, PartialEq, Eq)]
enum Required {
    Nothing,
    /// Some real server, whichever.
    Any,
    These(Vec<Deployment>),
}

impl Required {
    fn from_environment() -> Self {
        match env::var("CACHEKIT_REQUIRE_SERVERS") {
            Ok(value) => Self::parse(&value),
            Err(_) if env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false")) => {
                Self::Any
            }
            Err(_) => Self::Nothing,
        }
    }

    /// # Panics
    /// For an unknown name, so that a typing error does not relax the run.
    fn parse(value: &str) -> Self {
        let deployment = |name: &str| {
            Deployment::from_name(name.trim())
                .unwrap_or_else(|| panic!("CACHEKIT_REQUIRE_SERVERS names no known server: {name}"))
        };
        match value {
            "" | "0" => Self::Nothing,
            "1" | "true" => Self::Any,
            list => Self::These(list.split(',').map(deployment).collect()),
        }
    }

    fn fails_without(&self, deployment: Deployment, none_at_all: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Any => none_at_all,
            Self::These(list) => list.contains(&deployment),
        }
    }
}

/// An engine is asked only where some kind was not decided from outside: the question costs a round trip per process.
async fn engine() -> Option<Docker> {
    if Kind::ALL.into_iter().all(|kind| told(kind).is_some()) {
        return None;
    }
    let docker = docker_client_instance().await.ok()?;
    timeout(ENGINE_LIMIT, docker.ping()).await.ok()?.ok()?;
    Some(docker)
}

fn told(kind: Kind) -> Option<Source> {
    Source::parse(&env::var(kind.source_variable()).ok()?)
}

async fn find(kind: Kind, engine: Option<&Docker>) -> Source {
    if let Some(source) = told(kind) {
        return source;
    }
    if let Some(engine) = engine {
        for image in kind.images() {
            if engine.inspect_image(image).await.is_ok() {
                return Source::Docker((*image).to_owned());
            }
        }
    }
    find_program(kind).map_or_else(
        || {
            let program = kind.program();
            let major = kind.major();
            Source::Absent(format!(
                "no docker engine with an image of it, and no {program} {major} on the path"
            ))
        },
        Source::Local,
    )
}

fn find_program(kind: Kind) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|folder| folder.join(kind.program()));
    candidates.find(|program| program.is_file() && major_of(program) == Some(kind.major()))
}

/// The major version that a program states (`Redis server v=7.0.15 sha=...`).
fn major_of(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

fn parse_major(version: &str) -> Option<u32> {
    version.split_once("v=")?.1.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Deployment, Kind, Required, parse_major};
    use crate::server::Form;

    #[test]
    fn the_major_version_is_read_from_what_the_program_says() {
        assert_eq!(
            parse_major("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0"),
            Some(7)
        );
        assert_eq!(parse_major("Valkey server v=8.1.1 sha=0"), Some(8));
        assert_eq!(parse_major("command not found"), None);
    }

    #[test]
    fn any_server_satisfies_an_unspecific_requirement() {
        let required = Required::parse("1");
        assert!(!required.fails_without(Kind::Redis8.into(), false));
        assert!(required.fails_without(Kind::Redis8.into(), true));
    }

    #[test]
    fn a_listed_server_is_required_even_where_others_are_present() {
        let required = Required::parse("redis-7, valkey-8,valkey-8-cluster");
        let cluster = |kind| Deployment::new(kind, Form::Cluster);
        assert!(required.fails_without(Kind::Valkey8.into(), false));
        assert!(required.fails_without(cluster(Kind::Valkey8), false));
        assert!(!required.fails_without(cluster(Kind::Redis7), false));
        assert!(!required.fails_without(Kind::Redis8.into(), true));
    }

    #[test]
    fn an_empty_or_zero_requirement_requires_nothing() {
        assert_eq!(Required::parse(""), Required::Nothing);
        assert_eq!(Required::parse("0"), Required::Nothing);
    }
    #[test]
    #[should_panic(expected = "names no known server: redis8")]
    fn a_typing_error_is_noticed() {
        Required::parse("redis-7,redis8");
    }
}
