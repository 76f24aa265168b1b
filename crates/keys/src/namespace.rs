//! The prefix of a deployment or tenant.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{KeyError, Segment, error::excerpt, words};

/// A first segment that keeps deployments or tenants on one server apart: `staging:session:abc:x`.
///
/// At most 64 encoded bytes, and neither `ck` nor the first word of a built-in family or channel. Choose a word that starts
/// no other key on the server.
///
/// A namespace keeps its own deployment inside, and others out only if they have one too: the first word of a
/// [`GlobalKey`](crate::GlobalKey) is free, so a schema without a namespace can read, write and delete `staging:...` as a
/// global key. Give *every* deployment that shares a server a namespace. This is a guard against mistakes and none against
/// malice, for which the server has users with key patterns.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, Namespace, SessionId, SessionKey};
///
/// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
/// let key = schema.key(&SessionKey::current_file(SessionId::new("abc")?));
/// assert_eq!(key.as_str(), Some("staging:session:abc:current_file"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Segment);

impl Namespace {
    /// The longest namespace, in encoded bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Namespace::MAX_BYTES, 64);
    /// ```
    pub const MAX_BYTES: usize = 64;

    /// Encodes raw text.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], [`KeyError::TooLong`] beyond 64 encoded bytes, [`KeyError::Reserved`] for a word of the kit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Namespace;
    /// assert_eq!(Namespace::new("tenant:7")?.as_encoded(), "tenant%3A7");
    /// assert!(Namespace::new("session").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn new(raw: impl AsRef<str>) -> Result<Self, KeyError> {
        let segment = Segment::named("namespace", raw.as_ref(), Self::MAX_BYTES)?;
        let word = segment.as_encoded();
        if words::is_taken(word) || words::CHANNELS.contains(&word) {
            return Err(KeyError::Reserved {
                what: "namespace",
                word: excerpt(word),
            });
        }
        Ok(Self(segment))
    }

    /// The text as it stands in keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Namespace;
    /// assert_eq!(Namespace::new("eu west")?.as_encoded(), "eu%20west");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_encoded(&self) -> &str {
        self.0.as_encoded()
    }

    /// The raw text that was given.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Namespace;
    /// assert_eq!(Namespace::new("eu west")?.decoded(), "eu west");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn decoded(&self) -> Cow<'_, str> {
        self.0.decoded()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Namespace {
    type Err = KeyError;

    fn from_str(raw: &str) -> Result<Self, KeyError> {
        Self::new(raw)
    }
}

impl TryFrom<&str> for Namespace {
    type Error = KeyError;

    fn try_from(raw: &str) -> Result<Self, KeyError> {
        Self::new(raw)
    }
}
