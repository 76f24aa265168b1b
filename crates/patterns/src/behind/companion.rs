//! How an unpersisted write is kept beside its key: a header of fixed width, and the encoded value behind it.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | the version, `1` |
//! | 1 to 16 | the sequence |
//! | 17 to 29 | when the oldest write that it stands for was accepted, in milliseconds since the Unix epoch |
//! | 30 to 32 | attempts that have ended, or were left when their claim ran out |
//! | 33 | `P` for a value, `D` for a deletion |
//! | 34 to 41 | how many writes it stands for |
//! | 42 to 49 | the queue: eight digits of the SHA-1 digest of its name |
//!
//! All of it is text, so that a script reads and changes it in place, and people can read it. A dead letter is the same, with
//! the length of the reason (four digits) and the reason between the header and the value.

use bytes::Bytes;
use cachekit_codec::{Entry, ValueFormat};
use cachekit_keys::{Key, WriteQueue};
use cachekit_store::{Error, ErrorKind, Result, sha1hex};
use serde::de::DeserializeOwned;

use crate::error::decode_error;

/// How long a header is.
pub(crate) const HEAD: usize = 50;
/// How long the reason of a dead letter may be.
pub(super) const REASON: usize = 512;
/// How much is kept with a value at most: the header, and in a dead letter the reason and its length.
pub(super) const BESIDES: usize = HEAD + 4 + REASON;
/// As many writes as can be counted.
pub(crate) const MOST_COUNTED: u64 = 99_999_999;

/// A header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) first: u64,
    pub(crate) attempts: u32,
    pub(crate) is_put: bool,
    pub(crate) count: u32,
}

impl Head {
    /// # Errors
    /// `Corrupt` for what is no header, `Newer` for one of a newer version.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        match bytes.first() {
            Some(b'1') => Self::of(bytes).ok_or_else(|| unreadable(ErrorKind::Corrupt)),
            Some(b'2'..=b'9') => Err(unreadable(ErrorKind::Newer)),
            _ => Err(unreadable(ErrorKind::Corrupt)),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            sequence: digits(bytes.get(1..17)?)?,
            first: digits(bytes.get(17..30)?)?,
            attempts: u32::try_from(digits(bytes.get(30..33)?)?).ok()?,
            is_put: match bytes.get(33)? {
                b'P' => true,
                b'D' => false,
                _ => return None,
            },
            count: u32::try_from(digits(bytes.get(34..42)?)?).ok()?,
        })
    }

    /// The reason of a dead letter, and the value behind it.
    pub(crate) fn letter(bytes: &Bytes) -> Result<(String, Bytes)> {
        let parts = || {
            let length = usize::try_from(digits(bytes.get(HEAD..HEAD + 4)?)?).ok()?;
            let reason = bytes.get(HEAD + 4..HEAD + 4 + length)?;
            let value = bytes.slice(HEAD + 4 + length..);
            Some((String::from_utf8_lossy(reason).into_owned(), value))
        };
        parts().ok_or_else(|| unreadable(ErrorKind::Corrupt))
    }
}

/// The value of an unpersisted write, `None` for a deletion.
///
/// # Errors
/// Those of decoding: `Newer` for what a newer version of the program has written, `Corrupt` and others.
pub(crate) fn unpersisted<V: DeserializeOwned>(
    format: &ValueFormat,
    key: &Key,
    bytes: &[u8],
) -> Result<Option<V>> {
    match Head::parse(bytes)?.is_put {
        true => decode(format, key, bytes.get(HEAD..).unwrap_or_default()).map(Some),
        false => Ok(None),
    }
}

/// The value behind a header, however old it is.
pub(super) fn decode<V: DeserializeOwned>(
    format: &ValueFormat,
    key: &Key,
    bytes: &[u8],
) -> Result<V> {
    match format.decode_entry(bytes) {
        Ok(Entry::Value(decoded)) => Ok(decoded.value),
        Ok(Entry::Negative(_)) => Err(Error::new(ErrorKind::Corrupt, "decode")
            .with_detail("an unpersisted write without a value")
            .with_key(key)),
        Err(error) => Err(decode_error(key, error)),
    }
}

/// A sequence as it stands in a header.
pub(crate) fn sequence_text(sequence: u64) -> String {
    format!("{sequence:016}")
}

/// The eight digits that stand for a queue.
pub(crate) fn queue_tag(queue: &WriteQueue) -> String {
    let mut digest = sha1hex(queue.as_encoded().as_bytes());
    digest.truncate(8);
    digest
}

/// Digits as a number.
pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    let is_number = bytes.len() <= 16 && bytes.iter().all(u8::is_ascii_digit);
    let text = is_number.then(|| std::str::from_utf8(bytes).ok())??;
    text.parse().ok()
}

fn unreadable(kind: ErrorKind) -> Error {
    Error::new(kind, "write_behind").with_detail("the header of an unpersisted write")
}
