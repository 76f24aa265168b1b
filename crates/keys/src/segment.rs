//! One validated, encoded segment of a key: the type inside every id.
//!
//! It knows nothing of families; that an id is a user's or a project's is said by the types of the module `ids`.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    KeyError,
    conversions::text_conversions,
    encode,
    error::{check_length, excerpt},
};

/// A validated piece of text that fills exactly one segment of a key.
///
/// Raw text is percent-encoded where it holds `:`, `{`, `}`, `%`, Unicode white space or control characters (`%XX` of the
/// UTF-8 bytes, upper-case); everything else stays as it is. A segment has 1 to 256 encoded bytes. Two texts that differ in
/// any byte are two segments: there is no Unicode normalisation and no case folding.
///
/// `Display` and [`FromStr`](std::str::FromStr) use the *decoded* text, so that `segment.to_string().parse()` gives the segment back; `Debug`
/// shows the encoded form, which is safe in a terminal. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use cachekit_keys::Segment;
///
/// let segment = Segment::new("eu west:1")?;
/// assert_eq!(segment.as_encoded(), "eu%20west%3A1");
/// assert_eq!(segment.decoded(), "eu west:1");
/// assert_eq!(Segment::from_encoded("eu%20west%3A1")?, segment);
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment(Arc<str>);

impl Segment {
    /// The longest segment, in encoded bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(cachekit_keys::Segment::MAX_BYTES, 256);
    /// ```
    pub const MAX_BYTES: usize = 256;

    /// Encodes raw text.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], or [`KeyError::TooLong`] beyond 256 encoded bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Segment;
    /// assert_eq!(Segment::new("user:1:*")?.as_encoded(), "user%3A1%3A*");
    /// assert!(Segment::new("").is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn new(raw: impl AsRef<str>) -> Result<Self, KeyError> {
        Self::named("segment", raw.as_ref(), Self::MAX_BYTES)
    }

    /// Takes text that is encoded already, as it stands in a key.
    ///
    /// # Errors
    ///
    /// As for [`Segment::new`], and [`KeyError::NotCanonical`] for text that `new` would not have produced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Segment;
    /// assert_eq!(Segment::from_encoded("a%20b")?.decoded(), "a b");
    /// assert!(Segment::from_encoded("a b").is_err()); // a blank is always encoded
    /// assert!(Segment::from_encoded("%61").is_err()); // a letter never is
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn from_encoded(encoded: &str) -> Result<Self, KeyError> {
        Self::named_encoded("segment", encoded, Self::MAX_BYTES)
    }

    /// The text as it stands in keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::Segment;
    /// assert_eq!(Segment::new("100%")?.as_encoded(), "100%25");
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
    /// # use cachekit_keys::Segment;
    /// assert_eq!(Segment::new("100%")?.decoded(), "100%");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn decoded(&self) -> Cow<'_, str> {
        // A segment was checked when it was made; the second arm is never taken.
        encode::decode(&self.0).unwrap_or(Cow::Borrowed(&self.0))
    }

    /// A segment of the kit's own, known to be canonical.
    pub(crate) fn literal(word: &'static str) -> Self {
        debug_assert!(encode::is_segment(word));
        Self(Arc::from(word))
    }

    pub(crate) fn named(what: &'static str, raw: &str, max: usize) -> Result<Self, KeyError> {
        // Encoding never shortens: a raw text beyond the limit is refused before it is copied.
        check_length(what, raw.len(), max)?;
        let encoded = encode::segment(raw);
        check_length(what, encoded.len(), max)?;
        Ok(Self(Arc::from(encoded)))
    }

    pub(crate) fn named_encoded(
        what: &'static str,
        encoded: &str,
        max: usize,
    ) -> Result<Self, KeyError> {
        check_length(what, encoded.len(), max)?;
        if encode::is_segment(encoded) {
            Ok(Self(Arc::from(encoded)))
        } else {
            Err(KeyError::NotCanonical {
                what,
                text: excerpt(encoded),
            })
        }
    }
}

text_conversions!(Segment);

/// A [`Segment`] of at most `MAX` encoded bytes, for families with many ids.
///
/// A key has at most 1 024 bytes, so a family with more than three ids of full length does not fit; give some of them a
/// shorter limit here and with [`Part::IdUpTo`](crate::Part::IdUpTo) in the shape.
///
/// # Examples
///
/// ```
/// use cachekit_keys::BoundedSegment;
///
/// let region = BoundedSegment::<16>::new("eu-west-1")?;
/// assert_eq!(region.as_segment().as_encoded(), "eu-west-1");
/// assert!(BoundedSegment::<4>::new("eu-west-1").is_err());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundedSegment<const MAX: usize>(Segment);

impl<const MAX: usize> BoundedSegment<MAX> {
    /// Encodes raw text.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], or [`KeyError::TooLong`] beyond `MAX` encoded bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::BoundedSegment;
    /// assert!(BoundedSegment::<3>::new("abc").is_ok());
    /// assert!(BoundedSegment::<3>::new("a b").is_err()); // five bytes, encoded
    /// ```
    pub fn new(raw: impl AsRef<str>) -> Result<Self, KeyError> {
        Segment::named("segment", raw.as_ref(), MAX).map(Self)
    }

    /// Takes text that is encoded already, as it stands in a key.
    ///
    /// # Errors
    ///
    /// As for [`BoundedSegment::new`], and [`KeyError::NotCanonical`] for text that `new` would not have produced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::BoundedSegment;
    /// assert!(BoundedSegment::<5>::from_encoded("a%20b").is_ok());
    /// ```
    pub fn from_encoded(encoded: &str) -> Result<Self, KeyError> {
        Segment::named_encoded("segment", encoded, MAX).map(Self)
    }

    /// The segment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::BoundedSegment;
    /// assert_eq!(BoundedSegment::<8>::new("a b")?.as_segment().decoded(), "a b");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_segment(&self) -> &Segment {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for BoundedSegment<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
