//! The kinds of servers that tests ask for. The names are those of the testkit's `Kind`.

/// Debian's release with Redis 7.0.
pub(super) const BOOKWORM: &Recipe = &Recipe {
    suite: "bookworm",
    packages: "redis-server",
    image: "cachekit-test/redis:7.0",
};
/// Debian's release with Redis 8.0 and Valkey 8.1.
pub(super) const TRIXIE: &Recipe = &Recipe {
    suite: "trixie",
    packages: "redis-server,valkey-server",
    image: "cachekit-test/trixie:redis-8.0-valkey-8.1",
};

/// How an image is built from Debian's packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(super) suite: &'static str,
    pub(super) packages: &'static str,
    pub(super) image: &'static str,
}

/// A product and its major version.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(super) program: &'static str,
    pub(super) major: u32,
    /// The ordinary image, where a registry is at hand.
    pub(super) public_image: &'static str,
    /// Ours, where none is.
    pub(super) recipe: &'static Recipe,
}

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "redis-7",
        program: "redis-server",
        major: 7,
        public_image: "redis:7.0-alpine",
        recipe: BOOKWORM,
    },
    Kind {
        name: "redis-8",
        program: "redis-server",
        major: 8,
        public_image: "redis:8-alpine",
        recipe: TRIXIE,
    },
    Kind {
        name: "valkey-8",
        program: "valkey-server",
        major: 8,
        public_image: "valkey/valkey:8-alpine",
        recipe: TRIXIE,
    },
];

/// How each kind is run, by the end of its name: alone, as a cluster, with TLS. The names are those of the testkit's
/// `Deployment`.
pub(super) const FORMS: [&str; 3] = ["", "-cluster", "-tls"];

/// Whether this is the name of a kind in some form.
pub(super) fn is_known(name: &str) -> bool {
    KINDS
        .iter()
        .flat_map(Kind::deployments)
        .any(|known| known == name)
}

impl Kind {
    /// The names of the kind in its forms.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = String> {
        FORMS.iter().map(|form| format!("{}{form}", self.name))
    }

    pub(super) fn source_variable(&self) -> String {
        format!(
            "CACHEKIT_TEST_SOURCE_{}",
            self.name.to_ascii_uppercase().replace('-', "_")
        )
    }
}
