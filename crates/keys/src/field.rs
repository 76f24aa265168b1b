//! What may fill a field of a key: values whose text is one canonical segment of bounded length.
//!
//! The trait is sealed, because the guarantees of keys (no id leaves its segment, every key fits, parsing inverts
//! rendering) rest on its implementations. A type of your own holds one of these types and converts.

use std::borrow::Cow;

use crate::{
    BoundedSegment, CivilDate, CivilMonth, ContentHash, KeyError, Segment, error::excerpt,
};

/// Keeps [`KeyField`] closed to other crates.
pub trait Sealed {}

/// Keeps the methods of [`KeyField`] closed to other crates.
#[derive(Clone, Copy, Debug)]
pub struct Token;

/// A value that fills one field of a key.
///
/// Sealed: it is implemented for every id of this crate, [`Segment`], [`BoundedSegment`], [`ContentHash`], [`CivilDate`],
/// [`CivilMonth`] and `u64` (decimal).
///
/// # Examples
///
/// ```
/// use cachekit_keys::{CivilDate, KeyField, UserId};
///
/// assert_eq!(UserId::MAX_BYTES, 256);
/// assert_eq!(<CivilDate as KeyField>::MAX_BYTES, 10);
/// ```
pub trait KeyField: Sealed + Sized {
    /// The longest text of any value, in encoded bytes. The field of the shape must allow it.
    const MAX_BYTES: usize;

    #[doc(hidden)]
    fn encoded(&self, token: Token) -> Cow<'_, str>;

    #[doc(hidden)]
    fn parse(encoded: &str, token: Token) -> Result<Self, KeyError>;
}

impl Sealed for Segment {}

impl KeyField for Segment {
    const MAX_BYTES: usize = Self::MAX_BYTES;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Borrowed(self.as_encoded())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        Self::from_encoded(encoded)
    }
}

impl<const MAX: usize> Sealed for BoundedSegment<MAX> {}

impl<const MAX: usize> KeyField for BoundedSegment<MAX> {
    const MAX_BYTES: usize = MAX;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Borrowed(self.as_segment().as_encoded())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        Self::from_encoded(encoded)
    }
}

impl Sealed for ContentHash {}

impl KeyField for ContentHash {
    const MAX_BYTES: usize = Self::MAX_BYTES;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        encoded.parse()
    }
}

impl Sealed for CivilDate {}

impl KeyField for CivilDate {
    const MAX_BYTES: usize = 10;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        encoded.parse()
    }
}

impl Sealed for CivilMonth {}

impl KeyField for CivilMonth {
    const MAX_BYTES: usize = 7;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        encoded.parse()
    }
}

impl Sealed for u64 {}

impl KeyField for u64 {
    const MAX_BYTES: usize = 20;

    fn encoded(&self, _: Token) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn parse(encoded: &str, _: Token) -> Result<Self, KeyError> {
        // `007` and `+7` parse as numbers, but are not how 7 is written: two texts for one key would be two entries.
        encoded
            .parse::<Self>()
            .ok()
            .filter(|number| number.to_string() == encoded)
            .ok_or_else(|| KeyError::Malformed {
                what: "number",
                text: excerpt(encoded),
            })
    }
}
