//! Companions: the kit's own keys beside a key, always in its slot.
//!
//! A companion is named by the whole key that it accompanies, namespace included, so two keys never share one. It lives
//! under `ck:`, where no pattern of a family looks. The wake-up channel of a key is named in the same way.

use bytes::{BufMut, Bytes, BytesMut};

use super::Key;
use crate::{KeyError, error::excerpt_bytes};

/// What a companion holds.
///
/// # Examples
///
/// ```
/// use cachekit_keys::CompanionKind;
///
/// assert_eq!(CompanionKind::Unpersisted.as_str(), "dirty");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompanionKind {
    /// `lease`: who loads the value at the moment.
    Lease,
    /// `index`: which keys belong to an owner.
    Index,
    /// `tag`: which keys carry a tag.
    Tag,
    /// `cleared`: that what carries a tag, or matches a pattern, was cleared a while ago.
    Cleared,
    /// `dirty`: a write that is not persisted yet.
    Unpersisted,
    /// `dead`: a write that could not be persisted.
    DeadLetter,
}

impl CompanionKind {
    /// Every kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::CompanionKind;
    ///
    /// assert!(CompanionKind::ALL.contains(&CompanionKind::Lease));
    /// ```
    pub const ALL: &'static [Self] = &[
        Self::Lease,
        Self::Index,
        Self::Tag,
        Self::Cleared,
        Self::Unpersisted,
        Self::DeadLetter,
    ];

    /// The word that stands in the companion's key.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::CompanionKind::Lease.as_str(), "lease");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Index => "index",
            Self::Tag => "tag",
            Self::Cleared => "cleared",
            Self::Unpersisted => "dirty",
            Self::DeadLetter => "dead",
        }
    }
}

impl Key {
    /// The companion of this key: `ck:kind:{T}:K`, where T is the key's effective hash tag, or `ck:kind:{K}` where it has
    /// none. It always has the key's slot, and no limit on its length applies.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoHashTag`] for a foreign key with a brace but no effective tag: no other key can be put in its slot by
    /// name. [`KeyError::CompanionOfCompanion`] for a key under `ck:`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::{CompanionKind, Key};
    ///
    /// let plain = Key::from_raw("project:p:x")?.companion(CompanionKind::Lease)?;
    /// assert_eq!(plain.as_str(), Some("ck:lease:{project:p:x}"));
    /// let sharded = Key::from_raw("project:{p}:x")?.companion(CompanionKind::Lease)?;
    /// assert_eq!(sharded.as_str(), Some("ck:lease:{p}:project:{p}:x"));
    /// assert!(Key::from_raw("odd}key")?.companion(CompanionKind::Lease).is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn companion(&self, kind: CompanionKind) -> Result<Self, KeyError> {
        if self.is_reserved() {
            return Err(KeyError::CompanionOfCompanion {
                text: excerpt_bytes(&self.0),
            });
        }
        let tag = self.hash_tag();
        if tag.is_none() && self.0.iter().any(|byte| matches!(byte, b'{' | b'}')) {
            return Err(KeyError::NoHashTag {
                text: excerpt_bytes(&self.0),
            });
        }
        Ok(self.beside(kind))
    }

    /// The companion of a key that is known to have one.
    pub(crate) fn beside(&self, kind: CompanionKind) -> Self {
        let tag = self.hash_tag();
        let kind = kind.as_str();
        let mut out = BytesMut::with_capacity(kind.len() + 2 * self.0.len() + 8);
        out.put_slice(b"ck:");
        out.put_slice(kind.as_bytes());
        out.put_slice(b":{");
        out.put_slice(tag.unwrap_or(&self.0));
        out.put_slice(b"}");
        if tag.is_some() {
            out.put_slice(b":");
            out.put_slice(&self.0);
        }
        Self::from_rendered(out.freeze())
    }

    /// The channel on which waiters for this key are woken: `ck:wake:{T}:K`, where T is the key's effective hash tag, or
    /// `ck:wake:{K}` where it has none; `ck:wake:{}:K` for a foreign key with a brace but no effective tag.
    ///
    /// Every key has one, companions too, and no two keys share one. It lies under `ck:`, where no [`Channel`] of a user can.
    /// A server user that waits and wakes needs the channel permission `&ck:wake:*`.
    ///
    /// [`Channel`]: crate::Channel
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::Key;
    ///
    /// assert_eq!(Key::from_raw("lock:report")?.wake_channel(), "ck:wake:{lock:report}");
    /// assert_eq!(Key::from_raw("project:{p}:x")?.wake_channel(), "ck:wake:{p}:project:{p}:x");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn wake_channel(&self) -> Bytes {
        let has_brace = || self.0.iter().any(|byte| matches!(byte, b'{' | b'}'));
        let (tag, is_whole) = match self.hash_tag() {
            Some(tag) => (tag, false),
            // No tag has a name for it, and an empty one belongs to no other key.
            None if has_brace() => (&b""[..], false),
            None => (&self.0[..], true),
        };
        let mut out = BytesMut::with_capacity(2 * self.0.len() + 16);
        out.put_slice(b"ck:wake:{");
        out.put_slice(tag);
        out.put_slice(b"}");
        if !is_whole {
            out.put_slice(b":");
            out.put_slice(&self.0);
        }
        out.freeze()
    }

    /// Undoes [`Key::companion`]: the kind, and the key that this one accompanies. `None` for any other key.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::{CompanionKind, Key};
    ///
    /// let key = Key::from_raw("project:{p}:x")?;
    /// let lease = key.companion(CompanionKind::Lease)?;
    /// assert_eq!(lease.accompanied(), Some((CompanionKind::Lease, key.clone())));
    /// assert_eq!(key.accompanied(), None);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn accompanied(&self) -> Option<(CompanionKind, Self)> {
        let rest = self.0.strip_prefix(b"ck:")?;
        let colon = rest.iter().position(|&byte| byte == b':')?;
        let kind = CompanionKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str().as_bytes() == &rest[..colon])?;
        let tag = self.hash_tag()?;
        let behind = self.0.len() - rest.len() + colon + b":{}".len() + tag.len();
        let owner = match self.0.get(behind..)? {
            [] => self.0.slice_ref(tag),
            [b':', owner @ ..] => self.0.slice_ref(owner),
            _ => return None,
        };
        let key = Self::from_raw(owner).ok()?;
        // Anyone can write a key that only looks like a companion.
        (key.companion(kind).as_ref() == Ok(self)).then_some((kind, key))
    }
}
