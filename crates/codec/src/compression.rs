//! When and how a body is compressed, and the dictionaries.
//!
//! These types exist under any set of features, so that configuration code compiles; the work is in
//! `zstd`.

use std::fmt;
use std::num::NonZeroU32;

use crate::compressor::{PreparedDictionary, PreparedEncoder};
use crate::error::CodecError;

/// Compression with zstd of values from a threshold on.
///
/// A value that compresses to more than nine tenths of its size is stored as it is.
///
/// **Secrets:** the length of a compressed entry tells how much its parts have in common. Where an
/// attacker controls one part of a value, sees the lengths of entries, and another part is secret,
/// do not compress ([`ValueFormat::without_compression`](crate::ValueFormat::without_compression)).
/// A dictionary trained on values holds pieces of them: keep it as safe as the values.
///
/// # Examples
/// ```
/// use cachekit_codec::{Compression, ValueFormat};
///
/// let compression = Compression::default().with_threshold(256).with_level(1);
/// assert_eq!((compression.threshold(), compression.level()), (256, 1));
/// let format = ValueFormat::json().with_compression(compression);
/// ```
#[derive(Debug, Clone)]
pub struct Compression {
    threshold: usize,
    level: i32,
    dictionary: Option<Dictionary>,
    encoder: PreparedEncoder,
}

impl Compression {
    /// The threshold of [`Compression::default()`]: 1 KiB.
    pub const DEFAULT_THRESHOLD: usize = 1024;
    /// The level of [`Compression::default()`]: 3, zstd's own default.
    pub const DEFAULT_LEVEL: i32 = 3;
    /// The lowest level: -7, the fastest of zstd's fast levels that still pays.
    pub const MIN_LEVEL: i32 = -7;
    /// The highest level: 22. Above 6 it is too slow for values that are written often.
    pub const MAX_LEVEL: i32 = 22;

    /// Sets the encoded size, in bytes, above which values are compressed. Default
    /// [`DEFAULT_THRESHOLD`](Self::DEFAULT_THRESHOLD). Below about 128 bytes nothing is gained
    /// without a dictionary.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Compression;
    /// assert_eq!(Compression::default().with_threshold(64).threshold(), 64);
    /// ```
    #[must_use]
    pub fn with_threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Sets the level, from [`MIN_LEVEL`](Self::MIN_LEVEL) to [`MAX_LEVEL`](Self::MAX_LEVEL).
    /// Default [`DEFAULT_LEVEL`](Self::DEFAULT_LEVEL). One out of range is an error of kind
    /// [`Configuration`](crate::CodecErrorKind::Configuration) when it is used or checked.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Compression, ValueFormat};
    /// let format = ValueFormat::json().with_compression(Compression::default().with_level(99));
    /// assert!(format.check().is_err());
    /// ```
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = level;
        self.encoder = PreparedEncoder::default();
        self
    }

    /// Compresses with a dictionary, which pays for small values that look alike. Readers need it
    /// too; a format that compresses with a dictionary also reads with it.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{CodecError, Compression, Dictionary};
    /// fn for_small_values(trained: &[u8]) -> Result<Compression, CodecError> {
    ///     let dictionary = Dictionary::new(trained)?;
    ///     Ok(Compression::default().with_threshold(64).with_dictionary(dictionary))
    /// }
    /// ```
    #[must_use]
    pub fn with_dictionary(mut self, dictionary: Dictionary) -> Self {
        self.dictionary = Some(dictionary);
        self.encoder = PreparedEncoder::default();
        self
    }

    /// The encoded size, in bytes, above which values are compressed.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Compression;
    /// assert_eq!(Compression::default().threshold(), 1024);
    /// ```
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The level.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Compression;
    /// assert_eq!(Compression::default().level(), 3);
    /// ```
    #[must_use]
    pub fn level(&self) -> i32 {
        self.level
    }

    /// The dictionary, if any.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Compression;
    /// assert!(Compression::default().dictionary().is_none());
    /// ```
    #[must_use]
    pub fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    /// # Errors
    /// `Configuration` for a level out of range; `NotBuiltIn` without the feature.
    pub(crate) fn check(&self) -> Result<(), CodecError> {
        if !cfg!(feature = "zstd") {
            return Err(crate::compressor::not_built_in());
        }
        if !(Self::MIN_LEVEL..=Self::MAX_LEVEL).contains(&self.level) {
            return Err(CodecError::configuration(
                "the compression level is out of range",
            ));
        }
        Ok(())
    }

    #[cfg(feature = "zstd")]
    pub(crate) fn encoder(&self) -> &PreparedEncoder {
        &self.encoder
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            threshold: Self::DEFAULT_THRESHOLD,
            level: Self::DEFAULT_LEVEL,
            dictionary: None,
            encoder: PreparedEncoder::default(),
        }
    }
}

/// A zstd dictionary, ready for use and cheap to clone.
///
/// It is found by the id inside it when an entry is read, so several can be in use while one
/// replaces another: give the new one to every reader
/// ([`ValueFormat::with_decoding_dictionary`](crate::ValueFormat::with_decoding_dictionary)) before
/// the first writer compresses with it, and keep the old one there until its last entry has
/// expired.
///
/// `Debug` shows the id alone, as a dictionary holds pieces of values.
///
/// # Examples
/// ```
/// use cachekit_codec::Dictionary;
///
/// assert!(Dictionary::new(b"not a dictionary").is_err());
/// ```
#[derive(Clone)]
pub struct Dictionary {
    prepared: PreparedDictionary,
}

impl Dictionary {
    /// Takes a dictionary as `zstd --train` or `zstd::dict::from_samples` makes it: with zstd's
    /// magic number and an id. 16 to 112 KiB trained on a hundred times as many samples is
    /// usual.
    ///
    /// # Errors
    /// [`Configuration`](crate::CodecErrorKind::Configuration) for bytes that are no such
    /// dictionary, and [`NotBuiltIn`](crate::CodecErrorKind::NotBuiltIn) without the cargo
    /// feature `zstd`.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Dictionary;
    /// fn id_of_file(path: &str) -> Result<u32, Box<dyn std::error::Error>> {
    ///     Ok(Dictionary::new(std::fs::read(path)?)?.id().get())
    /// }
    /// ```
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, CodecError> {
        Ok(Self {
            prepared: PreparedDictionary::new(bytes.as_ref())?,
        })
    }

    /// The id that compressed entries carry.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Dictionary;
    /// fn same(a: &Dictionary, b: &Dictionary) -> bool {
    ///     a.id() == b.id()
    /// }
    /// ```
    #[must_use]
    pub fn id(&self) -> NonZeroU32 {
        self.prepared.id()
    }

    #[cfg(feature = "zstd")]
    pub(crate) fn prepared(&self) -> &PreparedDictionary {
        &self.prepared
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
