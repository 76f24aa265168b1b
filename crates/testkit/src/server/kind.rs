//! The servers that tests ask for, by product and major version.
//!
//! Only names live here; whether one is at hand is [`Choice`](super::Choice)'s business.

use std::fmt;

/// A server product and the major version that a test wants.
///
/// # Examples
/// ```
/// use cachekit_testkit::server::Kind;
///
/// assert_eq!(Kind::Valkey8.to_string(), "valkey-8");
/// assert_eq!(Kind::from_name("redis-7"), Some(Kind::Redis7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Redis 7, the oldest that is supported.
    Redis7,
    /// Redis 8.
    Redis8,
    /// Valkey 8.
    Valkey8,
}

impl Kind {
    /// Every kind, oldest first.
    pub const ALL: [Self; 3] = [Self::Redis7, Self::Redis8, Self::Valkey8];

    /// The name used in environment variables' values and in messages: `redis-7`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis7 => "redis-7",
            Self::Redis8 => "redis-8",
            Self::Valkey8 => "valkey-8",
        }
    }

    /// The kind of this [`name`](Self::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The server's program, in images and on a `PATH` alike.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Redis7 | Self::Redis8 => "redis-server",
            Self::Valkey8 => "valkey-server",
        }
    }

    /// The major version.
    #[must_use]
    pub const fn major(self) -> u32 {
        match self {
            Self::Redis7 => 7,
            Self::Redis8 | Self::Valkey8 => 8,
        }
    }

    /// Images that hold this kind, the preferred one first: the public ones, then those that `cargo xtask test` builds.
    pub(super) const fn images(self) -> &'static [&'static str] {
        match self {
            Self::Redis7 => &["redis:7.0-alpine", "cachekit-test/redis:7.0"],
            Self::Redis8 => &[
                "redis:8-alpine",
                "cachekit-test/trixie:redis-8.0-valkey-8.1",
            ],
            Self::Valkey8 => &[
                "valkey/valkey:8-alpine",
                "cachekit-test/trixie:redis-8.0-valkey-8.1",
            ],
        }
    }

    /// The variable that says where this kind comes from.
    #[must_use]
    pub fn source_variable(self) -> String {
        let name = self.name().to_ascii_uppercase().replace('-', "_");
        format!("CACHEKIT_TEST_SOURCE_{name}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
