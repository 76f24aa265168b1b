//! Bytes that print as the Rust expression that makes them.

use std::fmt;

use bytes::Bytes;

/// A value, field, member or argument. Its `Debug` is Rust code.
///
/// # Examples
/// ```
/// use cachekit_testkit::equivalence::Blob;
///
/// let blob: Blob = b"a\xff".into();
/// assert_eq!(format!("{blob:?}"), r#"b"a\xff".into()"#);
/// assert_eq!(format!("{:?}", Blob::repeat(b'x', 100)), "Blob::repeat(b'x', 100)");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(Bytes);

/// Longer ones of one byte are shown as a repetition.
const SHOWN_IN_FULL: usize = 40;

impl Blob {
    /// The same byte `count` times.
    #[must_use]
    pub fn repeat(byte: u8, count: usize) -> Self {
        Self(vec![byte; count].into())
    }

    /// The bytes, shared.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(first)
                if self.0.len() > SHOWN_IN_FULL && self.0.iter().all(|byte| byte == first) =>
            {
                let shown = first.escape_ascii();
                write!(f, "Blob::repeat(b'{shown}', {})", self.0.len())
            }
            _ => write!(f, "{:?}.into()", self.0),
        }
    }
}

impl<const N: usize> From<&[u8; N]> for Blob {
    fn from(bytes: &[u8; N]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Blob {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
