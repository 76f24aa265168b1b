//! Replies of the server as this crate's types.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::{
    error::{server_error, unexpected_reply},
    request::Operation,
};
use crate::{KeyExpiry, Reply, Result};

/// The reply of one command of a pipeline, where a refusal is an `Err`.
pub(super) fn accepted(operation: Operation, value: Value) -> Result<Value> {
    match value {
        Value::ServerError(error) => Err(server_error(operation, &error)),
        value => Ok(value),
    }
}

/// A byte string or nothing.
pub(super) fn optional_bytes(operation: Operation, value: Value) -> Result<Option<Bytes>> {
    match accepted(operation, value)? {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) => Ok(Some(text.into())),
        _ => Err(unexpected_reply(operation)),
    }
}

/// A text for people, such as that of `INFO`.
pub(super) fn text(operation: Operation, value: Value) -> Result<String> {
    match accepted(operation, value)? {
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Ok(text),
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(unexpected_reply(operation)),
    }
}

/// An integer.
pub(super) fn integer(operation: Operation, value: Value) -> Result<i64> {
    match accepted(operation, value)? {
        Value::Int(number) => Ok(number),
        _ => Err(unexpected_reply(operation)),
    }
}

/// A number without sign that arrives as text.
pub(super) fn number_text(operation: Operation, value: Value) -> Result<u64> {
    optional_bytes(operation, value)?
        .and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok())
        .ok_or_else(|| unexpected_reply(operation))
}

/// An integer that arrives as text, because Lua's numbers are exact only up to 2^53.
pub(super) fn integer_text(operation: Operation, reply: &Reply) -> Result<i64> {
    match reply {
        Reply::Bytes(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unexpected_reply(operation)),
        Reply::Integer(number) => Ok(*number),
        _ => Err(unexpected_reply(operation)),
    }
}

/// A list of exactly `len` replies, or of any number.
pub(super) fn list(operation: Operation, value: Value, len: Option<usize>) -> Result<Vec<Value>> {
    match accepted(operation, value)? {
        Value::Array(values) | Value::Set(values) if len.is_none_or(|len| len == values.len()) => {
            Ok(values)
        }
        _ => Err(unexpected_reply(operation)),
    }
}

/// Whether a `SET` was carried out: `OK`, or nothing where a condition prevented it.
pub(super) fn stored(operation: Operation, value: Value) -> Result<bool> {
    match accepted(operation, value)? {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(unexpected_reply(operation)),
    }
}

/// The reply of `PTTL`: -2 for no key, -1 for no TTL, else milliseconds.
pub(super) fn key_expiry(operation: Operation, value: Value) -> Result<KeyExpiry> {
    match integer(operation, value)? {
        -2 => Ok(KeyExpiry::Missing),
        -1 => Ok(KeyExpiry::Never),
        millis => u64::try_from(millis)
            .map(|millis| KeyExpiry::In(Duration::from_millis(millis)))
            .map_err(|_| unexpected_reply(operation)),
    }
}

/// What a script returned.
pub(super) fn script_reply(operation: Operation, value: Value) -> Result<Reply> {
    Ok(match accepted(operation, value)? {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::Boolean(flag) => Reply::Integer(i64::from(flag)),
        Value::BulkString(bytes) => Reply::Bytes(bytes.into()),
        Value::Okay => Reply::Status("OK".to_owned()),
        Value::SimpleString(text) => Reply::Status(text),
        Value::Array(values) => Reply::Array(
            values
                .into_iter()
                .map(|value| script_reply(operation, value))
                .collect::<Result<_>>()?,
        ),
        _ => return Err(unexpected_reply(operation)),
    })
}

/// Whether a node's reply to `CLUSTER INFO` says that the cluster is down, as far as it sees.
pub(super) fn is_down(info: &Value) -> bool {
    let text = match info {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        _ => "",
    };
    text.lines().any(|line| line == "cluster_state:fail")
}
