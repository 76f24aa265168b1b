//! The rendered key: bytes that a server takes, whoever made them.
//!
//! A key does not know its family; the schema parses it. What every key has is a slot, and companions in that slot.

mod companion;
mod slot;

use std::{fmt, str};

use bytes::Bytes;

pub use companion::CompanionKind;

use crate::{KeyError, error::check_length};

/// A rendered key, as it goes over the wire.
///
/// [`KeySchema::key`](crate::KeySchema::key) makes keys of known families; [`Key::from_raw`] takes a foreign one. Ordering
/// and equality are those of the bytes. `Debug` and `Display` show the bytes as text, lossily. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use cachekit_keys::Key;
///
/// let key = Key::from_raw("cart:{user:7}:items")?;
/// assert_eq!(key.hash_tag(), Some(&b"user:7"[..]));
/// assert_eq!(key.to_string(), "cart:{user:7}:items");
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// The longest key, in bytes. Companions of keys are exempt.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Key::MAX_BYTES, 1024);
    /// ```
    pub const MAX_BYTES: usize = 1024;

    /// Room for the longest companion: the kind, the tag and the key that it accompanies.
    const MAX_RESERVED_BYTES: usize = 2 * Self::MAX_BYTES + 64;

    /// Takes a key of another program, or one that a server returned.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], or [`KeyError::TooLong`] beyond 1 024 bytes (2 112 for keys under `ck:`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(Key::from_raw("theirs")?.as_bytes(), b"theirs");
    /// assert!(Key::from_raw("").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn from_raw(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let key = Self(bytes.into());
        let max = if key.is_reserved() {
            Self::MAX_RESERVED_BYTES
        } else {
            Self::MAX_BYTES
        };
        check_length("key", key.0.len(), max)?;
        Ok(key)
    }

    /// A key whose parts were checked.
    pub(crate) fn from_rendered(text: impl Into<Bytes>) -> Self {
        Self(text.into())
    }

    /// The bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(Key::from_raw("a")?.as_bytes(), b"a");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as text, if it is UTF-8. Every key of a family is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(Key::from_raw("a")?.as_str(), Some("a"));
    /// assert_eq!(Key::from_raw(vec![0xff])?.as_str(), None);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// The bytes, shared and not copied.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(&Key::from_raw("a")?.to_bytes()[..], b"a");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(&Key::from_raw("a")?.into_bytes()[..], b"a");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The effective hash tag by the rule of Redis Cluster: what stands between the first `{` and the first `}` behind it,
    /// unless that is nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(Key::from_raw("a:{b}:c")?.hash_tag(), Some(&b"b"[..]));
    /// assert_eq!(Key::from_raw("a:{}:{b}")?.hash_tag(), None); // the first pair counts, and is empty
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn hash_tag(&self) -> Option<&[u8]> {
        slot::hash_tag(&self.0)
    }

    /// The slot of Redis Cluster, below 16 384.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Key;
    /// assert_eq!(Key::from_raw("123456789")?.slot(), 12739);
    /// assert_eq!(Key::from_raw("a{x}")?.slot(), Key::from_raw("{x}b")?.slot());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> u16 {
        slot::slot(&self.0)
    }

    /// Whether the key is one of the kit's own: it starts with `ck:`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{CompanionKind, Key};
    /// let key = Key::from_raw("a")?;
    /// assert!(!key.is_reserved());
    /// assert!(key.companion(CompanionKind::Lease)?.is_reserved());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(b"ck:")
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key")
            .field(&String::from_utf8_lossy(&self.0))
            .finish()
    }
}
