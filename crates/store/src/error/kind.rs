//! What went wrong, named by what the caller can do about it.

use std::fmt;

/// What a caller can do about an [`Error`](crate::Error).
///
/// The kinds follow the reaction they call for, not the module that failed, so that a `match` on
/// them is a decision and not a guess. New kinds may be added: keep a `_` arm.
///
/// # Examples
/// ```
/// use cachekit_store::ErrorKind;
///
/// fn advice(kind: ErrorKind) -> &'static str {
///     match kind {
///         ErrorKind::Corrupt | ErrorKind::Newer => "load the value anew",
///         kind if kind.is_retryable() => "try again later",
///         _ => "tell a person",
///     }
/// }
/// assert_eq!(advice(ErrorKind::Timeout), "try again later");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call itself is wrong (key, TTL, pattern, option): change the call.
    InvalidInput,
    /// A value or a request is larger than the configured or the server's limit: send less, or raise the limit.
    TooLarge,
    /// The key holds another Redis type, or text that is not the integer the call needs: use another key, or delete it.
    WrongType,
    /// The stored bytes are not what the codec wrote: treat as a miss and overwrite.
    Corrupt,
    /// The stored bytes were written by a newer version or a codec that is not built in: treat as a miss and leave alone.
    Newer,
    /// A value cannot be turned into bytes: change the type or the codec.
    Encode,
    /// The store, server or build lacks this operation: check [`Capabilities`](crate::Capabilities) first.
    Unsupported,
    /// The address or an option of the store is wrong: fix the configuration.
    Configuration,
    /// The server wants other credentials: fix user name or password.
    Unauthenticated,
    /// The user lacks permission for the command, key or channel: fix the access list.
    PermissionDenied,
    /// The server cannot be reached or closed the connection: retry with back-off.
    Unavailable,
    /// No answer came before the deadline: retry with back-off, if a repetition does no harm.
    Timeout,
    /// The server is there but cannot answer at present (loading, busy script, cluster down, slot moving): retry with back-off.
    NotReady,
    /// The server is a read-only replica: reconnect to the primary, then retry.
    ReadOnly,
    /// The server refuses writes until an operator acts (a failing snapshot, too few replicas).
    WritesRefused,
    /// The server has no memory for writes: shed load, or change its eviction policy.
    OutOfMemory,
    /// Too many requests are in flight, or a circuit is open: shed load, retry later.
    Overloaded,
    /// The keys of one atomic call lie in several slots of the cluster: use keys of one owner, or split the call.
    CrossSlot,
    /// The store has been shut down: do not retry.
    Closed,
    /// There is nothing by that name, and that is known: what was asked for does not exist.
    NotFound,
    /// What loads the value failed, took too long or panicked: see the error's source, which is the loader's own.
    LoadFailed,
    /// What writes the value to its database failed, took too long or panicked: see the error's source, which is its own. Only the
    /// database knows whether it has the value; the cache holds nothing of it.
    WriteFailed,
    /// The server or this library did something that the code does not expect: report it.
    Unexpected,
}

impl ErrorKind {
    /// Whether the same call may succeed later without any change by the caller.
    ///
    /// Whether repeating is also *safe* is another question:
    /// see [`Error::may_have_applied`](crate::Error::may_have_applied).
    ///
    /// # Examples
    /// See [`ErrorKind`].
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Timeout
                | Self::NotReady
                | Self::ReadOnly
                | Self::OutOfMemory
                | Self::Overloaded
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::TooLarge => "too large",
            Self::WrongType => "wrong type under the key",
            Self::Corrupt => "stored bytes are corrupt",
            Self::Newer => "stored bytes are of a newer version or a codec that is not built in",
            Self::Encode => "value cannot be encoded",
            Self::Unsupported => "not supported",
            Self::Configuration => "wrong configuration",
            Self::Unauthenticated => "authentication failed",
            Self::PermissionDenied => "permission denied",
            Self::Unavailable => "server unavailable",
            Self::Timeout => "deadline exceeded",
            Self::NotReady => "server not ready",
            Self::ReadOnly => "server is a read-only replica",
            Self::WritesRefused => "server refuses writes",
            Self::OutOfMemory => "server is out of memory",
            Self::Overloaded => "overloaded",
            Self::CrossSlot => "keys of one call lie in several slots",
            Self::Closed => "store is closed",
            Self::NotFound => "not found",
            Self::LoadFailed => "the value could not be loaded",
            Self::WriteFailed => "the value could not be written to its database",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
