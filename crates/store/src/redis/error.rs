//! Replies and failures of the client library, translated into the workspace's error.
//!
//! The mapping is total: every reply that is not named falls to [`ErrorKind::Unexpected`], which is
//! never retried. The text of a server's error is kept only where it is known to hold no argument of
//! the command, because arguments are values.

use redis::{RedisError, ServerError};

use super::request::Operation;
use crate::{Error, ErrorKind};

/// The codes that servers are known to answer. Others are not shown: a script can make a code of its arguments.
const KNOWN_CODES: &[&str] = &[
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "ERR",
    "EXECABORT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOPROTO",
    "NOREPLICAS",
    "NOSCRIPT",
    "NOTBUSY",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNKILLABLE",
    "WRONGPASS",
    "WRONGTYPE",
];

/// What a server's error code means for the caller, and whether the command may have run all the same.
pub(super) fn kind_of_code(code: &str, text: &str) -> (ErrorKind, bool) {
    let kind = match code {
        "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "NOTBUSY"
        | "UNKILLABLE" | "NOSCRIPT" => ErrorKind::NotReady,
        // The way to a cluster follows these; where they come this far, the store was told of one server only.
        "MOVED" | "ASK" => ErrorKind::Configuration,
        "READONLY" => ErrorKind::ReadOnly,
        "NOAUTH" | "WRONGPASS" => ErrorKind::Unauthenticated,
        "NOPERM" => ErrorKind::PermissionDenied,
        "OOM" => ErrorKind::OutOfMemory,
        "MISCONF" | "NOREPLICAS" => ErrorKind::WritesRefused,
        "WRONGTYPE" => ErrorKind::WrongType,
        "CROSSSLOT" => ErrorKind::CrossSlot,
        "ERR" => meaning_of(text).map_or(ErrorKind::Unexpected, |meaning| meaning.1),
        _ => ErrorKind::Unexpected,
    };
    // An unexpected reply of a script or a transaction may follow a part that was carried out.
    (kind, kind == ErrorKind::Unexpected)
}

/// What the texts of the general code `ERR` mean that callers can act on: a part of the text, the kind, and our words
/// for it, because the server's own may hold arguments.
const MEANINGS: &[(&str, ErrorKind, &str)] = &[
    (
        "not an integer",
        ErrorKind::WrongType,
        "the value is no integer",
    ),
    (
        "would overflow",
        ErrorKind::InvalidInput,
        "the sum would leave the range of 64 bits",
    ),
    (
        "not a valid float",
        ErrorKind::InvalidInput,
        "the score is not a number",
    ),
    (
        "min or max is not a float",
        ErrorKind::InvalidInput,
        "a bound of the scores is not a number",
    ),
    (
        "invalid expire",
        ErrorKind::InvalidInput,
        "the server does not take this time to live",
    ),
    (
        "max number of clients",
        ErrorKind::Overloaded,
        "the server has no room for another client",
    ),
    (
        "on a stale replica",
        ErrorKind::NotReady,
        "the server is a replica that has lost its primary",
    ),
    (
        "string exceeds maximum",
        ErrorKind::TooLarge,
        "the value is longer than the server allows",
    ),
    (
        "invalid bulk length",
        ErrorKind::TooLarge,
        "the request is longer than the server allows",
    ),
    (
        "DB index",
        ErrorKind::Configuration,
        "the server has no database of this number",
    ),
    (
        "cluster support disabled",
        ErrorKind::Configuration,
        "the server is not part of a cluster",
    ),
    (
        "unknown command",
        ErrorKind::Unsupported,
        "the server does not know the command",
    ),
    (
        "Unsupported",
        ErrorKind::Unsupported,
        "the server does not know an option of the command",
    ),
    (
        "without any password configured",
        ErrorKind::Unauthenticated,
        "the server has no password for this user",
    ),
];

fn meaning_of(text: &str) -> Option<&'static (&'static str, ErrorKind, &'static str)> {
    MEANINGS.iter().find(|(part, _, _)| text.contains(part))
}

/// What to say of a server's refusal: our words where the meaning is known, else its code.
fn shown(code: &str, text: &str) -> String {
    let meaning = (code == "ERR").then(|| meaning_of(text)).flatten();
    match meaning {
        Some((_, _, words)) => (*words).to_owned(),
        None if matches!(code, "MOVED" | "ASK") => {
            "the server is part of a cluster: say so with `Topology::Cluster`, or a URL that begins with `redis+cluster://`"
                .to_owned()
        }
        None if code == "WRONGTYPE" => "the key holds another type than a string".to_owned(),
        None if KNOWN_CODES.contains(&code) => format!("the server answered {code}"),
        None => "the server answered an error of its own".to_owned(),
    }
}

/// A server's refusal of one command.
pub(super) fn server_error(operation: Operation, error: &ServerError) -> Error {
    from_code(operation, error.code(), error.details().unwrap_or_default())
}

pub(super) fn from_code(operation: Operation, code: &str, text: &str) -> Error {
    // A script's error carries the code of the command inside it: `ERR WRONGTYPE Operation ...` on some servers.
    let (code, text) = match (code, text.split_once(' ')) {
        ("ERR", Some((inner, rest))) if is_code(inner) => (inner, rest),
        _ => (code, text),
    };
    let (kind, is_unknown) = kind_of_code(code, text);
    let may_have_applied = match operation.runs_script {
        true => !is_refusal(code, text),
        false => is_unknown,
    };
    Error::new(kind, operation.name)
        .with_detail(shown(code, text))
        .with_may_have_applied(operation.writes && may_have_applied)
}

/// How servers say that they refuse a call before any of it runs, in their own words: code, and beginning of the text.
/// Of Redis 6.2 to 8 and Valkey 8 and 9, which call themselves by their own name unless told otherwise.
///
/// `READONLY`, `MISCONF`, `NOREPLICAS` and `OOM` may come from within a script: but only for its first write, after which
/// a server lets all others pass.
const REFUSALS: &[(&str, &str)] = &[
    ("BUSY", "Redis is busy"),
    ("BUSY", "Valkey is busy"),
    ("CLUSTERDOWN", "The cluster is down"),
    ("CLUSTERDOWN", "Hash slot not served"),
    ("CROSSSLOT", "Keys in request don't hash to the same slot"),
    ("ERR", "Protocol error"),
    ("ERR", "max number of clients"),
    ("ERR", "unknown command"),
    ("LOADING", "Redis is loading"),
    ("LOADING", "Valkey is loading"),
    ("MASTERDOWN", "Link with MASTER is down"),
    ("MISCONF", "Errors writing to the AOF file"),
    ("MISCONF", "Redis is configured to save"),
    ("MISCONF", "Valkey is configured to save"),
    ("NOAUTH", "Authentication required"),
    ("NOPERM", "No permissions to access a key"),
    ("NOPERM", "User "),
    ("NOPERM", "this user has no permissions"),
    ("NOREPLICAS", "Not enough good replicas"),
    ("NOSCRIPT", "No matching script"),
    ("OOM", "command not allowed when used memory"),
    ("READONLY", "You can't write against a read only replica"),
    ("TRYAGAIN", "Multiple keys request"),
];

/// Whether an error is a server's own way to say that nothing of a call ran.
///
/// The code alone does not tell for a script. It may return errors that it makes up, and those of commands that failed after
/// others had written (`return redis.pcall(...)`): under any code, and without a hint of where they come from.
pub(super) fn is_refusal(code: &str, text: &str) -> bool {
    let begins = |(of, words): &(&str, &str)| *of == code && text.starts_with(words);
    match code {
        "MOVED" | "ASK" => text.split_once(' ').is_some_and(|(slot, address)| {
            slot.parse().is_ok_and(|slot: u16| slot < 16_384) && address.contains(':')
        }),
        _ => REFUSALS.iter().any(begins),
    }
}

/// The error of a script whose first command is the one that the server refused: nothing was written before it.
pub(super) fn refused_at_first(error: Error) -> Error {
    match error.kind() {
        ErrorKind::WrongType | ErrorKind::InvalidInput | ErrorKind::OutOfMemory => {
            error.with_may_have_applied(false)
        }
        _ => error,
    }
}

fn is_code(word: &str) -> bool {
    KNOWN_CODES.contains(&word)
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
    let (kind, what) = dial_failure(error);
    Error::new(kind, "connect").with_detail(format!("{address}: {what}"))
}

fn dial_failure(error: &RedisError) -> (ErrorKind, String) {
    if let Some(code) = error.code() {
        let text = error.detail().unwrap_or_default();
        return (kind_of_code(code, text).0, shown(code, text));
    }
    #[cfg(feature = "tls")]
    if let Some((kind, what)) = super::tls::tls_failure(error) {
        return (kind, what.to_owned());
    }
    let (kind, what) = match error.kind() {
        redis::ErrorKind::AuthenticationFailed => (
            ErrorKind::Unauthenticated,
            "the server refused the user name or the password",
        ),
        redis::ErrorKind::InvalidClientConfig => (
            ErrorKind::Configuration,
            "the address or an option was not accepted",
        ),
        redis::ErrorKind::RESP3NotSupported => {
            (ErrorKind::Configuration, "the server is older than Redis 6")
        }
        redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType => (
            ErrorKind::Configuration,
            "what answers there does not speak the Redis protocol",
        ),
        _ if error.is_timeout() => (ErrorKind::Timeout, "no answer in time"),
        _ if error.is_connection_refusal() => (ErrorKind::Unavailable, "nothing listens there"),
        _ if is_unknown_host(error) => (ErrorKind::Unavailable, "the name cannot be resolved"),
        _ if error.is_connection_dropped() => (
            ErrorKind::Unavailable,
            "the connection was closed during the greeting, which is what a port of TLS does to plain clients",
        ),
        _ => (ErrorKind::Unavailable, "cannot connect"),
    };
    (kind, what.to_owned())
}

/// The resolver's failures have no kind of their own; their text holds the host at most.
fn is_unknown_host(error: &RedisError) -> bool {
    error.is_io_error() && error.to_string().contains("lookup address")
}

/// A reply of a shape that the command does not have.
pub(super) fn unexpected_reply(operation: Operation) -> Error {
    Error::new(ErrorKind::Unexpected, operation.name)
        .with_detail("the reply has another shape than the command's")
        .with_may_have_applied(operation.writes)
}
