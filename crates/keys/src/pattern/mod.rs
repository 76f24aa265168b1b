//! Patterns over keys and channels, with the glob of Redis.
//!
//! A pattern is bytes that a server takes; what is literal in it was escaped when it was built. [`KeySchema`] makes the
//! patterns of families; here are the type, its matcher, and the builder for everything else.
//!
//! [`KeySchema`]: crate::KeySchema

mod builder;
mod glob;
pub(crate) mod text;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use bytes::Bytes;

pub use builder::PatternBuilder;
pub(crate) use builder::push_literal;

use crate::{
    KeyError,
    error::{check_length, excerpt_bytes},
};
use glob::Token;

const WHAT: &str = "pattern";

/// A glob as Redis matches it: `*`, `?`, `[abc]`, `[^a]`, `[a-c]` and `\x`, byte by byte, upper and lower case apart.
///
/// `*` crosses `:`, as on the server. Equality is that of the bytes. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, ProjectId};
///
/// let pattern = KeySchema::plain().project_keys(&ProjectId::new("proj[1]")?);
/// assert_eq!(pattern.to_string(), r"project:proj\[1\]:*");
/// assert!(pattern.matches(b"project:proj[1]:file_tree"));
/// assert!(!pattern.matches(b"project:proj1:file_tree"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    bytes: Bytes,
    tokens: Arc<[Token]>,
}

impl Pattern {
    /// Takes a pattern as the server would, to find foreign keys. Nothing is escaped, and no namespace is added.
    ///
    /// Other programs may write names of more than the 1 024 bytes that a [`Key`](crate::Key) can have. Such a name matches
    /// ([`matches`](Self::matches)), but a scan for keys passes it over: it is neither listed nor deleted.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], [`KeyError::TooLong`] beyond 4 096 bytes, and [`KeyError::MatchesEverything`] for a pattern
    /// without a single literal byte (`*`, `?*`, `[^a]*`): say [`Pattern::everything`] if that is meant.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert!(Pattern::raw("legacy_*")?.matches(b"legacy_7"));
    /// assert!(Pattern::raw("**").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn raw(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        check_length(WHAT, bytes.len(), Self::MAX_BYTES)?;
        let pattern = Self::rendered(bytes);
        if pattern.tokens.iter().any(Token::is_literal) {
            Ok(pattern)
        } else {
            Err(KeyError::MatchesEverything {
                text: excerpt_bytes(&pattern.bytes),
            })
        }
    }

    /// Takes any glob, to listen to channels: unlike [`raw`](Self::raw) also one that matches everything, because to hear too
    /// much destroys nothing. Nothing is escaped, and no namespace is added.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], and [`KeyError::TooLong`] beyond 4 096 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert!(Pattern::glob("?*")?.matches(b"events:version_promoted"));
    /// assert!(Pattern::glob("").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn glob(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        check_length(WHAT, bytes.len(), Self::MAX_BYTES)?;
        Ok(Self::rendered(bytes))
    }

    /// The longest pattern, in bytes.
    const MAX_BYTES: usize = 4096;

    /// Every key on the server, those of other programs and the kit's own companions included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert!(Pattern::everything().is_everything());
    /// assert!(Pattern::everything().matches(b"anything"));
    /// ```
    #[must_use]
    pub fn everything() -> Self {
        Self::rendered(Bytes::from_static(b"*"))
    }

    /// Starts an empty pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// let pattern = Pattern::builder().literal("a*b:").any().build()?;
    /// assert_eq!(pattern.to_string(), r"a\*b:*");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn builder() -> PatternBuilder {
        PatternBuilder::new()
    }

    /// A pattern that is known to have literal parts.
    pub(crate) fn rendered(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let tokens = glob::compile(&bytes).into();
        Self { bytes, tokens }
    }

    /// The bytes that a server takes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert_eq!(Pattern::everything().as_bytes(), b"*");
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that a server takes, shared and not copied.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert_eq!(&Pattern::everything().to_bytes()[..], b"*");
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Whether a key or channel matches, exactly as Redis decides.
    ///
    /// That includes its corners: a class that is not closed ends with the pattern, a reversed range is turned round, a
    /// trailing backslash is itself, and nothing but the empty pattern matches the empty text. Ends of a range above ASCII
    /// are compared as signed bytes, as a server on x86-64 does. The time is at most proportional to the product of the
    /// lengths.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// let pattern = Pattern::raw("user:[c-a]?")?;
    /// assert!(pattern.matches(b"user:b1"));
    /// assert!(!pattern.matches(b"user:d1"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        glob::matches(&self.tokens, name)
    }

    /// Whether this is `*`, also if written `**`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Pattern;
    /// assert!(!Pattern::raw("a*")?.is_everything());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(&self.tokens[..], [Token::Any])
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.bytes))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern")
            .field(&String::from_utf8_lossy(&self.bytes))
            .finish()
    }
}
