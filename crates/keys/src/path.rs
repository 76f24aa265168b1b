//! The trailing part of a session's or project's key: one or more segments, whose `:` stay.

use std::{borrow::Cow, sync::Arc};

use crate::{
    ContentHash, KeyError, Segment,
    conversions::text_conversions,
    encode,
    error::{check_length, excerpt},
};

const WHAT: &str = "key path";

/// What stands behind the owner in a key: segments joined by `:`, as `file_tree` or `analysis:a1b2`.
///
/// Each segment is encoded as in [`Segment`], except that `:` is the separator, and has 1 to 256 encoded bytes; the whole
/// path has at most 512. `Display` shows the decoded text. Cloning is cheap.
///
/// An id that comes from outside and is to be *one* segment belongs into a family's field; in a path its `:` would make two.
///
/// # Examples
///
/// ```
/// use cachekit_keys::KeyPath;
///
/// let path = KeyPath::new("analysis:main module")?;
/// assert_eq!(path.as_encoded(), "analysis:main%20module");
/// assert_eq!(path.segments().collect::<Vec<_>>(), ["analysis", "main%20module"]);
/// assert!(KeyPath::new("analysis:").is_err());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Arc<str>);

impl KeyPath {
    /// The longest path, in encoded bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::KeyPath::MAX_BYTES, 512);
    /// ```
    pub const MAX_BYTES: usize = 512;

    /// Encodes raw text, whose `:` separate segments.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] for an empty text or segment, [`KeyError::TooLong`] beyond 512 encoded bytes in all or 256 in a
    /// segment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeyPath;
    /// assert_eq!(KeyPath::new("a:{b}")?.as_encoded(), "a:%7Bb%7D");
    /// assert!(KeyPath::new("a::b").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn new(raw: impl AsRef<str>) -> Result<Self, KeyError> {
        Self::encode(raw.as_ref()).map(|encoded| Self(Arc::from(encoded)))
    }

    /// Takes text that is encoded already, as it stands in a key.
    ///
    /// # Errors
    ///
    /// As for [`KeyPath::new`], and [`KeyError::NotCanonical`] for text that `new` would not have produced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeyPath;
    /// assert!(KeyPath::from_encoded("a:%7Bb%7D").is_ok());
    /// assert!(KeyPath::from_encoded("a:{b}").is_err());
    /// ```
    pub fn from_encoded(encoded: &str) -> Result<Self, KeyError> {
        if !encode::is_path(encoded) {
            return Err(KeyError::NotCanonical {
                what: WHAT,
                text: excerpt(encoded),
            });
        }
        check_segments(encoded)?;
        Ok(Self(Arc::from(encoded)))
    }

    /// The text as it stands in keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeyPath;
    /// assert_eq!(KeyPath::new("a b:c")?.as_encoded(), "a%20b:c");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_encoded(&self) -> &str {
        &self.0
    }

    /// The raw text that was given.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeyPath;
    /// assert_eq!(KeyPath::new("a b:c")?.decoded(), "a b:c");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn decoded(&self) -> Cow<'_, str> {
        encode::decode(&self.0).unwrap_or(Cow::Borrowed(&self.0))
    }

    /// The encoded segments, of which there is at least one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeyPath;
    /// assert_eq!(KeyPath::new("a:b:c")?.segments().count(), 3);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }

    /// A path of the kit's own, known to be canonical.
    pub(crate) fn literal(path: &'static str) -> Self {
        debug_assert!(encode::is_path(path));
        Self(Arc::from(path))
    }

    /// `analysis:{hash}`.
    pub(crate) fn analysis(hash: &ContentHash) -> Self {
        Self(Arc::from(format!("{ANALYSIS}:{hash}")))
    }

    /// The encoded text of a path, checked.
    pub(crate) fn encode(raw: &str) -> Result<Cow<'_, str>, KeyError> {
        check_length(WHAT, raw.len(), Self::MAX_BYTES)?;
        let encoded = encode::path(raw);
        check_segments(&encoded)?;
        Ok(encoded)
    }
}

/// The first segment of the paths of analyses.
pub(crate) const ANALYSIS: &str = "analysis";

text_conversions!(KeyPath);

fn check_segments(encoded: &str) -> Result<(), KeyError> {
    check_length(WHAT, encoded.len(), KeyPath::MAX_BYTES)?;
    encoded.split(':').try_for_each(|segment| {
        check_length("segment of a key path", segment.len(), Segment::MAX_BYTES)
    })
}
