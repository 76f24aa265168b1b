//! Why a tour ended early, and with which exit code.
//!
//! One line for a person, no backtrace: everything that can go wrong here is something its user can put right.

use std::fmt;
use std::io;

/// A reason to stop.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The tour was asked for wrongly: exit code 2.
    Usage(String),
    /// The tour could not be finished: exit code 1.
    Stopped(String),
    /// Whoever read standard output has seen enough (`tour | head`): not an error.
    ReaderGone,
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Stopped(_) => 1,
            Self::ReaderGone => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) | Self::Stopped(line) => f.write_str(line),
            Self::ReaderGone => f.write_str("standard output was closed"),
        }
    }
}

impl From<io::Error> for Failure {
    /// For writing to standard output only; reading files has outcomes of its own.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Stopped(format!("cannot write the result: {error}"))
        }
    }
}

impl From<cachekit::Error> for Failure {
    fn from(error: cachekit::Error) -> Self {
        Self::Stopped(format!("the cache failed: {}", in_one_line(&error)))
    }
}

/// The words of an error and of everything under it, in one line.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}
