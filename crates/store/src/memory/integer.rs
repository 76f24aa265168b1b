//! Integers as Redis keeps them under a key: decimal text, in one form only.

use bytes::Bytes;

/// Reads a counter's text. As on a server, nothing but the shortest form of an `i64` counts: no sign `+`, no
/// leading zeros, no white space.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let number = std::str::from_utf8(text).ok()?.parse::<i64>().ok()?;
    (format(number) == text).then_some(number)
}

/// Writes a counter's text.
pub(super) fn format(number: i64) -> Bytes {
    Bytes::from(number.to_string())
}
