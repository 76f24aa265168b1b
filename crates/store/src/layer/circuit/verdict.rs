//! What the end of a call says about the server.

use crate::ErrorKind;

/// What the end of a call says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers, be it with a refusal.
    Answered,
    /// It does not answer, or cannot serve anyone.
    Failed,
    /// Nothing: the call ended before it could have answered.
    Silent,
}

impl Verdict {
    pub(super) fn of<T>(answer: &crate::Result<T>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(error) => Self::of_kind(error.kind()),
        }
    }

    pub(super) const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::NotReady => Self::Failed,
            ErrorKind::WrongType
            | ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnly
            | ErrorKind::WritesRefused
            | ErrorKind::OutOfMemory => Self::Answered,
            // Found in this process, often before anything was sent, or of unknown origin.
            ErrorKind::InvalidInput
            | ErrorKind::TooLarge
            | ErrorKind::Corrupt
            | ErrorKind::Newer
            | ErrorKind::Encode
            | ErrorKind::Unsupported
            | ErrorKind::Configuration
            | ErrorKind::Overloaded
            | ErrorKind::CrossSlot
            | ErrorKind::Closed
            | ErrorKind::NotFound
            | ErrorKind::LoadFailed
            | ErrorKind::WriteFailed
            | ErrorKind::Unexpected => Self::Silent,
        }
    }
}
