//! Which absences fail a run.

use std::env;

use super::kind::is_known;
use crate::failure::{Failure, Outcome};

/// What the environment demands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Nothing,
    /// Some real server, whichever.
    Any,
    These(Vec<String>),
}

impl Requirement {
    /// `CACHEKIT_REQUIRE_SERVERS`, else whether `CI` is set.
    /// An unknown name is an error, as in the testkit: a typing error must not relax the run.
    pub(crate) fn from_environment() -> Outcome<Self> {
        Ok(match env::var("CACHEKIT_REQUIRE_SERVERS") {
            Ok(value) => Self::parse(&value)?,
            Err(_) if env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false")) => {
                Self::Any
            }
            Err(_) => Self::Nothing,
        })
    }

    fn parse(value: &str) -> Outcome<Self> {
        let server = |name: &str| {
            let name = name.trim();
            if is_known(name) {
                return Ok(name.to_owned());
            }
            Err(Failure::new(format!(
                "CACHEKIT_REQUIRE_SERVERS names no known server: {name}"
            )))
        };
        Ok(match value {
            "" | "0" => Self::Nothing,
            "1" | "true" => Self::Any,
            list => Self::These(list.split(',').map(server).collect::<Outcome<_>>()?),
        })
    }

    /// What is missing, in words.
    pub(super) fn unsatisfied(&self, present: &[String]) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Any => present.is_empty().then(|| "any Redis or Valkey".to_owned()),
            Self::These(names) => {
                let missing: Vec<&str> = names
                    .iter()
                    .filter(|name| !present.contains(name))
                    .map(String::as_str)
                    .collect();
                (!missing.is_empty()).then(|| missing.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Requirement;

    fn parse(value: &str) -> Requirement {
        Requirement::parse(value).unwrap()
    }

    fn redis() -> [String; 2] {
        ["redis-7", "redis-7-cluster"].map(str::to_owned)
    }

    #[test]
    fn any_server_satisfies_an_unspecific_requirement_and_none_does_not() {
        assert_eq!(parse("1").unsatisfied(&redis()), None);
        assert!(parse("1").unsatisfied(&[]).is_some());
    }

    #[test]
    fn listed_servers_are_required_one_by_one() {
        let requirement = parse("redis-7, valkey-8,redis-7-cluster,redis-7-tls");
        assert_eq!(
            requirement.unsatisfied(&redis()),
            Some("valkey-8, redis-7-tls".to_owned())
        );
    }

    #[test]
    fn a_typing_error_is_noticed() {
        let failure = Requirement::parse("redis-7,redis8").unwrap_err();
        assert!(failure.to_string().ends_with(": redis8"), "{failure}");
    }

    #[test]
    fn zero_requires_nothing() {
        assert_eq!(parse("0").unsatisfied(&[]), None);
    }
}
