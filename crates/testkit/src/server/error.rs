//! Why a server that was found or required is not there.
//!
//! The messages are for a person who reads a failed test; nothing branches on more than the variant.

use std::{error::Error, fmt, io};

use testcontainers::TestcontainersError;

use super::{Deployment, Kind};

/// A server did not start, did not answer or was required and is absent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The run requires this server and the machine has none.
    Required {
        /// What was asked for.
        deployment: Deployment,
        /// Why there is none.
        reason: String,
    },
    /// The process started and did not answer `PING` in time.
    NotReady {
        /// What was started.
        kind: Kind,
        /// The end of the server's log, where one is at hand.
        log: String,
    },
    /// The nodes run, and the cluster that they form is not as it should be.
    Cluster {
        /// What was started.
        kind: Kind,
        /// What is amiss.
        reason: String,
    },
    /// The Docker engine refused or failed.
    Docker(TestcontainersError),
    /// A process, a port or a file could not be had.
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ServerError {
    /// A closure for `map_err` that keeps what was being done.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required { deployment, reason } => {
                write!(f, "{deployment} is required and absent: {reason}")
            }
            Self::NotReady { kind, log } => {
                write!(f, "{kind} did not become ready; its log ends: {log}")
            }
            Self::Cluster { kind, reason } => write!(f, "the cluster of {kind}: {reason}"),
            Self::Docker(_) => f.write_str("the docker engine failed"),
            Self::Io { doing, .. } => write!(f, "failed while {doing}"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Docker(source) => Some(source),
            Self::Io { source, .. } => Some(source),
            Self::Required { .. } | Self::NotReady { .. } | Self::Cluster { .. } => None,
        }
    }
}

impl From<TestcontainersError> for ServerError {
    fn from(error: TestcontainersError) -> Self {
        Self::Docker(error)
    }
}
