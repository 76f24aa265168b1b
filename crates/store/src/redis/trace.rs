//! What a log should say of a connection. Without the feature `tracing` nothing is said.
//!
//! Calls are not traced here: they are too many, and the caller knows better what they are for.

use crate::Error;

/// A connection was made.
pub(super) fn connected(address: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(server.address = address, "connected");
    #[cfg(not(feature = "tracing"))]
    let _ = address;
}

/// A connection was given up or closed by the other side.
pub(super) fn lost(address: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(server.address = address, "connection lost");
    #[cfg(not(feature = "tracing"))]
    let _ = address;
}

/// An attempt to connect failed; the error names the address and the reason.
pub(super) fn dial_failed(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(error.r#type = ?error.kind(), %error, "cannot connect");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}
