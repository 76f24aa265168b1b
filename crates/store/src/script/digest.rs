//! The digest that scripts know bytes again by.

use sha1::{Digest, Sha1};

/// What `redis.sha1hex` answers inside a script: the SHA-1 digest (FIPS 180-4) in lower-case hex, which is how a caller
/// tells a script what bytes it has seen without sending them.
///
/// # Examples
/// ```
/// assert_eq!(cachekit_store::sha1hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
/// ```
#[must_use]
pub fn sha1hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = Sha1::digest(bytes)
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 0xF]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}
