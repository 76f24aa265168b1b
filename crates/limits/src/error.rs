//! Errors of this crate's own, as the workspace's error.

use cachekit_store::{Error, ErrorKind};

/// The call, or what a limit was made from, is wrong.
pub(crate) fn invalid(operation: &'static str, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, operation).with_detail(detail)
}

/// A script answered what it never answers.
pub(crate) fn unexpected(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, operation).with_detail("the script's reply has another form")
}
