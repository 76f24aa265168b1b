//! Replies and failures of the client library, translated into the workspace's error.
//!
//! The mapping is total: every reply that is not named falls to [`ErrorKind::Unexpected`], which is
//! never retried. The text of a server's error is kept only where it is known to hold no argument of
//! the command, because arguments are values.

use redis::{RedisError, ServerError};

use super::request::Operation;
use crate::{Error, ErrorKind};

/// What a server's error code means for the caller, and whether the command may have run all the same.
pub(super) fn kind_of_code(code: &str, text: &str) -> (ErrorKind, bool) {
    let kind = match code {
        "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "MOVED" | "ASK" | "BUSY"
        | "NOTBUSY" => ErrorKind::NotReady,
        "READONLY" => ErrorKind::ReadOnly,
        "NOAUTH" | "WRONGPASS" => ErrorKind::Unauthenticated,
        "NOPERM" => ErrorKind::PermissionDenied,
        "OOM" => ErrorKind::OutOfMemory,
        // The write ran on the primary before too few replicas confirmed it only for WAIT; these two refuse it up front.
        "MISCONF" | "NOREPLICAS" => ErrorKind::WritesRefused,
        "WRONGTYPE" => ErrorKind::WrongType,
        "CROSSSLOT" => ErrorKind::CrossSlot,
        "UNKILLABLE" => ErrorKind::NotReady,
        "EXECABORT" => ErrorKind::Unexpected,
        "ERR" => kind_of_text(text),
        _ => ErrorKind::Unexpected,
    };
    // An unexpected reply of a script or a transaction may follow a part that was carried out.
    (kind, kind == ErrorKind::Unexpected)
}

/// The meanings of the general code `ERR` that callers can act on.
fn kind_of_text(text: &str) -> ErrorKind {
    if text.contains("not an integer") {
        ErrorKind::WrongType
    } else if text.contains("would overflow") || text.contains("invalid expire") {
        ErrorKind::InvalidInput
    } else if text.contains("max number of clients") {
        ErrorKind::Overloaded
    } else if text.contains("string exceeds maximum") || text.contains("invalid bulk length") {
        ErrorKind::TooLarge
    } else if text.contains("DB index") {
        ErrorKind::Configuration
    } else if text.contains("unknown command") || text.contains("Unsupported") {
        ErrorKind::Unsupported
    } else if text.contains("without any password configured") {
        ErrorKind::Unauthenticated
    } else {
        ErrorKind::Unexpected
    }
}

/// A server's refusal of one command.
pub(super) fn server_error(operation: Operation, error: &ServerError) -> Error {
    from_code(operation, error.code(), error.details().unwrap_or_default())
}

fn from_code(operation: Operation, code: &str, text: &str) -> Error {
    // A script's error carries the code of the command inside it: `ERR WRONGTYPE Operation ...` on some servers.
    let (code, text) = match (code, text.split_once(' ')) {
        ("ERR", Some((inner, rest))) if is_code(inner) => (inner, rest),
        _ => (code, text),
    };
    let (kind, may_have_applied) = kind_of_code(code, text);
    Error::new(kind, operation.name)
        .with_detail(format!("the server answered {}", shown_code(code)))
        .with_may_have_applied(operation.writes && may_have_applied)
}

fn is_code(word: &str) -> bool {
    matches!(
        word,
        "WRONGTYPE"
            | "READONLY"
            | "OOM"
            | "NOPERM"
            | "MISCONF"
            | "NOREPLICAS"
            | "LOADING"
            | "CLUSTERDOWN"
            | "MASTERDOWN"
    )
}

/// A code is one upper-case word; anything else might be text that a script made from its arguments.
fn shown_code(code: &str) -> &str {
    let plain = code.len() <= 16 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if plain { code } else { "an error of its own" }
}

/// A call that failed after it was handed to a connection.
pub(super) fn call_error(operation: Operation, error: &RedisError, address: &str) -> Error {
    if let Some(code) = error.code() {
        return from_code(operation, code, error.detail().unwrap_or_default());
    }
    if error.is_timeout() {
        return Error::new(ErrorKind::Timeout, operation.name)
            .with_detail(format!("no answer from {address}"))
            .with_may_have_applied(operation.writes);
    }
    if error.is_io_error() || error.is_connection_dropped() {
        return Error::new(ErrorKind::Unavailable, operation.name)
            .with_detail(format!("the connection to {address} was lost"))
            .with_may_have_applied(operation.writes);
    }
    Error::new(ErrorKind::Unexpected, operation.name)
        .with_detail(format!(
            "the client library answered `{}`",
            error.category()
        ))
        .with_may_have_applied(operation.writes)
}

/// An attempt to connect that failed. Nothing was sent but the greeting, so nothing was applied.
pub(super) fn dial_error(error: &RedisError, address: &str) -> Error {
    let new = |kind| Error::new(kind, "connect");
    if let Some(code) = error.code() {
        let (kind, _) = kind_of_code(code, error.detail().unwrap_or_default());
        return new(kind).with_detail(format!("{address} answered {}", shown_code(code)));
    }
    match error.kind() {
        redis::ErrorKind::AuthenticationFailed => new(ErrorKind::Unauthenticated)
            .with_detail(format!("{address} refused the credentials")),
        redis::ErrorKind::InvalidClientConfig => {
            new(ErrorKind::Configuration).with_detail("the address or an option was not accepted")
        }
        redis::ErrorKind::RESP3NotSupported => {
            new(ErrorKind::Configuration).with_detail(format!("{address} is older than Redis 6"))
        }
        _ if error.is_timeout() => {
            new(ErrorKind::Timeout).with_detail(format!("{address} did not accept in time"))
        }
        _ if error.is_connection_refusal() => {
            new(ErrorKind::Unavailable).with_detail(format!("nothing listens at {address}"))
        }
        _ => new(ErrorKind::Unavailable).with_detail(format!("cannot connect to {address}")),
    }
}

/// A reply of a shape that the command does not have.
pub(super) fn unexpected_reply(operation: Operation) -> Error {
    Error::new(ErrorKind::Unexpected, operation.name)
        .with_detail("the reply has another shape than the command's")
        .with_may_have_applied(operation.writes)
}
