//! The servers that a run shares: every kind in every form.

use std::fmt;

use super::Kind;

/// How a kind of server is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// One server.
    Single,
    /// Three masters without replicas.
    Cluster,
    /// One server that speaks TLS.
    Tls,
}

/// A kind of server in one of its forms. A [`Kind`] alone stands for a single server.
///
/// # Examples
/// ```
/// use cachekit_testkit::server::{Deployment, Form, Kind};
///
/// let cluster = Deployment::new(Kind::Valkey8, Form::Cluster);
/// assert_eq!(cluster.name(), "valkey-8-cluster");
/// assert_eq!(Deployment::from_name("redis-7"), Some(Kind::Redis7.into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deployment {
    kind: Kind,
    form: Form,
}

impl Deployment {
    /// Every kind in every form.
    pub const ALL: [Self; 9] = [
        Self::new(Kind::Redis7, Form::Single),
        Self::new(Kind::Redis7, Form::Cluster),
        Self::new(Kind::Redis7, Form::Tls),
        Self::new(Kind::Redis8, Form::Single),
        Self::new(Kind::Redis8, Form::Cluster),
        Self::new(Kind::Redis8, Form::Tls),
        Self::new(Kind::Valkey8, Form::Single),
        Self::new(Kind::Valkey8, Form::Cluster),
        Self::new(Kind::Valkey8, Form::Tls),
    ];

    /// This kind in this form.
    #[must_use]
    pub const fn new(kind: Kind, form: Form) -> Self {
        Self { kind, form }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// The form.
    #[must_use]
    pub const fn form(self) -> Form {
        self.form
    }

    /// The name used in environment variables' values and in messages: `redis-7`, `redis-7-cluster`, `redis-7-tls`.
    #[must_use]
    pub fn name(self) -> String {
        self.to_string()
    }

    /// The deployment of this [`name`](Self::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|deployment| deployment.name() == name)
    }

    /// The variable that holds the URL of the run's shared server.
    #[must_use]
    pub fn url_variable(self) -> String {
        self.variable("URL")
    }

    /// The variable that holds the URL where the run's shared server speaks without TLS.
    pub(super) fn raw_url_variable(self) -> String {
        self.variable("RAW_URL")
    }

    /// The variable that holds the folder with the certificates of the run's shared server.
    pub(super) fn certificates_variable(self) -> String {
        self.variable("CERTIFICATES")
    }

    fn variable(self, what: &str) -> String {
        let name = self.name().to_ascii_uppercase().replace('-', "_");
        format!("CACHEKIT_TEST_{what}_{name}")
    }
}

impl From<Kind> for Deployment {
    fn from(kind: Kind) -> Self {
        Self::new(kind, Form::Single)
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Single => "",
            Form::Cluster => "-cluster",
            Form::Tls => "-tls",
        };
        write!(f, "{}{form}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::{Deployment, Form, Kind};

    #[test]
    fn every_deployment_is_listed_once() {
        for kind in Kind::ALL {
            for form in [Form::Single, Form::Cluster, Form::Tls] {
                let deployment = Deployment::new(kind, form);
                let same = |other: &Deployment| *other == deployment;
                assert_eq!(
                    Deployment::ALL.iter().filter(|other| same(other)).count(),
                    1
                );
            }
        }
    }

    #[test]
    fn variables_carry_the_name() {
        let tls = Deployment::new(Kind::Redis7, Form::Tls);
        assert_eq!(tls.url_variable(), "CACHEKIT_TEST_URL_REDIS_7_TLS");
        let single = Deployment::from(Kind::Redis7);
        assert_eq!(single.url_variable(), "CACHEKIT_TEST_URL_REDIS_7");
    }
}
