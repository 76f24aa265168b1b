//! Which absences fail a run.

use std::env;

/// What the environment demands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Nothing,
    /// Some real server, whichever.
    Any,
    Kinds(Vec<String>),
}

impl Requirement {
    /// `CACHEKIT_REQUIRE_SERVERS`, else whether `CI` is set.
    pub(crate) fn from_environment() -> Self {
        match env::var("CACHEKIT_REQUIRE_SERVERS") {
            Ok(value) => Self::parse(&value),
            Err(_) if env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false")) => {
                Self::Any
            }
            Err(_) => Self::Nothing,
        }
    }

    fn parse(value: &str) -> Self {
        match value {
            "" | "0" => Self::Nothing,
            "1" | "true" => Self::Any,
            list => Self::Kinds(list.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }

    /// What is missing, in words. An unknown name counts as missing, so that a typing error does not relax the run.
    pub(super) fn unsatisfied(&self, present: &[&str]) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Any => present.is_empty().then(|| "any Redis or Valkey".to_owned()),
            Self::Kinds(kinds) => {
                let missing: Vec<&str> = kinds
                    .iter()
                    .map(String::as_str)
                    .filter(|kind| !present.contains(kind))
                    .collect();
                (!missing.is_empty()).then(|| missing.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Requirement;

    #[test]
    fn any_server_satisfies_an_unspecific_requirement_and_none_does_not() {
        assert_eq!(Requirement::parse("1").unsatisfied(&["redis-7"]), None);
        assert!(Requirement::parse("1").unsatisfied(&[]).is_some());
    }

    #[test]
    fn listed_kinds_are_required_one_by_one_and_a_typing_error_is_noticed() {
        let requirement = Requirement::parse("redis-7, valkey-8,redis8");
        assert_eq!(
            requirement.unsatisfied(&["redis-7"]),
            Some("valkey-8, redis8".to_owned())
        );
    }

    #[test]
    fn zero_requires_nothing() {
        assert_eq!(Requirement::parse("0").unsatisfied(&[]), None);
    }
}
