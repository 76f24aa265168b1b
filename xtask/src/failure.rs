//! Why a chore failed: one line for the person at the terminal. Nothing branches on it.

use std::{fmt, io};

/// The end of a chore.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// What is printed before the exit with a non-zero status.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A closure for `map_err` that keeps what was being done.
    pub(crate) fn io(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
