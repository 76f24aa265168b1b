//! The three levels of the cache, and how long entries live there by default.

use std::fmt;

use crate::Ttl;

/// A level of the cache. A family of keys belongs to one.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeyFamily, Level, ProjectKey, Ttl};
///
/// assert_eq!(ProjectKey::LEVEL, Level::Project);
/// assert_eq!(Level::Project.default_ttl(), Ttl::seconds(3600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// L1: what one session is working on. 5 minutes.
    Session,
    /// L2: what was found out about a project. 1 hour.
    Project,
    /// L3: what all share, and rarely changes. 24 hours.
    Global,
}

impl Level {
    /// Every level, the most short-lived first.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Level::ALL.len(), 3);
    /// ```
    pub const ALL: [Self; 3] = [Self::Session, Self::Project, Self::Global];

    /// The lifetime of an entry that is given none: 300 s, 3 600 s or 86 400 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Level, Ttl};
    /// assert_eq!(Level::Session.default_ttl(), Ttl::seconds(300));
    /// ```
    #[must_use]
    pub const fn default_ttl(self) -> Ttl {
        match self {
            Self::Session => Ttl::seconds(300),
            Self::Project => Ttl::seconds(3600),
            Self::Global => Ttl::seconds(86_400),
        }
    }

    /// The level's name: `session`, `project` or `global`.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Level::Global.as_str(), "global");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Project => "project",
            Self::Global => "global",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The default lifetimes of a deployment, one a level.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Level, LevelTtls, Ttl};
///
/// let ttls = LevelTtls::default().with_session(Ttl::seconds(60));
/// assert_eq!(ttls.of(Level::Session), Ttl::seconds(60));
/// assert_eq!(ttls.of(Level::Global), Level::Global.default_ttl());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct LevelTtls {
    session: Ttl,
    project: Ttl,
    global: Ttl,
}

impl Default for LevelTtls {
    /// Each level's [`default_ttl`](Level::default_ttl).
    fn default() -> Self {
        Self {
            session: Level::Session.default_ttl(),
            project: Level::Project.default_ttl(),
            global: Level::Global.default_ttl(),
        }
    }
}

impl LevelTtls {
    /// Sets the lifetime of the session level.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Level, LevelTtls, Ttl};
    /// let ttls = LevelTtls::default().with_session(Ttl::seconds(60));
    /// assert_eq!(ttls.of(Level::Session), Ttl::seconds(60));
    /// ```
    pub const fn with_session(mut self, ttl: Ttl) -> Self {
        self.session = ttl;
        self
    }

    /// Sets the lifetime of the project level.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Level, LevelTtls, Ttl};
    /// let ttls = LevelTtls::default().with_project(Ttl::seconds(60));
    /// assert_eq!(ttls.of(Level::Project), Ttl::seconds(60));
    /// ```
    pub const fn with_project(mut self, ttl: Ttl) -> Self {
        self.project = ttl;
        self
    }

    /// Sets the lifetime of the global level.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Level, LevelTtls, Ttl};
    /// let ttls = LevelTtls::default().with_global(Ttl::seconds(60));
    /// assert_eq!(ttls.of(Level::Global), Ttl::seconds(60));
    /// ```
    pub const fn with_global(mut self, ttl: Ttl) -> Self {
        self.global = ttl;
        self
    }

    /// The lifetime of a level.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Level, LevelTtls, Ttl};
    /// assert_eq!(LevelTtls::default().of(Level::Project), Ttl::seconds(3600));
    /// ```
    #[must_use]
    pub const fn of(self, level: Level) -> Ttl {
        match level {
            Level::Session => self.session,
            Level::Project => self.project,
            Level::Global => self.global,
        }
    }
}
