//! The format of a cache's entries: which codec, when to compress, how large.
//!
//! The settings are here; writing and reading with them is in the two submodules.

mod decode;
mod encode;

use std::sync::Arc;

use crate::body;
use crate::codec::Codec;
use crate::compression::{Compression, Dictionary};
use crate::compressor::Engine;
use crate::error::CodecError;

/// How values are written and read. Cheap to clone; clones share the compressor's working memory.
///
/// What is written follows the settings; what is read is told by the entry itself. So any format
/// reads plain JSON text from other programs and entries of every codec that is built in, and
/// changing the settings of a cache never breaks what it holds. The exceptions are the size limit
/// and the dictionaries, which a reader must have.
///
/// Encoding and decoding are synchronous and take time in proportion to the size: from some 64 KiB
/// on, or at compression levels above 6, run them where blocking is allowed.
///
/// # Examples
/// ```
/// use cachekit_codec::{Meta, ValueFormat};
///
/// let format = ValueFormat::json();
/// let bytes = format.encode(&["a", "b"], &Meta::default())?;
/// assert_eq!(&bytes[..], br#"["a","b"]"#); // what any program reads
///
/// let decoded = format.decode::<Vec<String>>(&bytes)?;
/// assert_eq!(decoded.value, ["a", "b"]);
/// # Ok::<(), cachekit_codec::CodecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ValueFormat {
    codec: Codec,
    plain: bool,
    compression: Option<Compression>,
    decoding_dictionaries: Arc<[Dictionary]>,
    max_size: usize,
    engine: Arc<Engine>,
}

impl ValueFormat {
    /// The size limit unless another is set: 64 MiB.
    pub const DEFAULT_MAX_SIZE: usize = 64 * 1024 * 1024;

    /// JSON, compressed above 1 KiB where the cargo feature `zstd` is on. An entry without meta
    /// that is not compressed is the bare JSON text. The default.
    ///
    /// JSON has no NaN and no infinity. Both are written as `null`, without an error, and are lost:
    /// an `Option<f64>` reads `None`, and an `f64` is refused as
    /// [`Corrupt`](crate::CodecErrorKind::Corrupt). For values that may hold such numbers choose
    /// [`Codec::MessagePack`] or [`Codec::Bincode`], which keep them, or refuse them beforehand.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Meta, ValueFormat};
    /// let format = ValueFormat::json();
    /// let bytes = format.encode(&7, &Meta::default())?;
    /// assert_eq!(&bytes[..], b"7");
    ///
    /// let lost = format.encode(&f64::INFINITY, &Meta::default())?;
    /// assert_eq!(&lost[..], b"null");
    /// assert_eq!(format.decode::<Option<f64>>(&lost)?.value, None);
    /// assert!(format.decode::<f64>(&lost).is_err());
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn json() -> Self {
        Self {
            compression: cfg!(feature = "zstd").then(Compression::default),
            ..Self::uncompressed_json()
        }
    }

    /// Always the bare JSON text: never a header, never compressed, for values that other programs
    /// read whatever their size. The [`Meta`](crate::Meta) given to [`encode`](Self::encode) is
    /// **not stored**, and a negative entry, another codec or compression is an error of kind
    /// [`Configuration`](crate::CodecErrorKind::Configuration).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Meta, ValueFormat};
    /// let bytes = ValueFormat::plain_json().encode(&7, &Meta::default().with_created_at(1))?;
    /// assert_eq!(&bytes[..], b"7");
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn plain_json() -> Self {
        Self {
            plain: true,
            ..Self::uncompressed_json()
        }
    }

    fn uncompressed_json() -> Self {
        Self {
            codec: Codec::Json,
            plain: false,
            compression: None,
            decoding_dictionaries: Arc::new([]),
            max_size: Self::DEFAULT_MAX_SIZE,
            engine: Arc::default(),
        }
    }

    /// Sets the codec that values are written in. Entries are read in whichever they were written.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Codec, Meta, ValueFormat};
    /// let format = ValueFormat::json().with_codec(Codec::Bincode);
    /// if Codec::Bincode.is_built_in() {
    ///     let bytes = format.encode(&[1_u64, 2, 3], &Meta::default())?;
    ///     assert_eq!(ValueFormat::json().decode::<[u64; 3]>(&bytes)?.value, [1, 2, 3]);
    /// }
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets when and how values are compressed. Mind the warning about secrets at [`Compression`].
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Compression, ValueFormat};
    /// let format = ValueFormat::json().with_compression(Compression::default().with_threshold(4096));
    /// ```
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Writes every value uncompressed. Compressed entries are still read.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Meta, ValueFormat};
    /// let long = "a".repeat(5_000);
    /// let bytes = ValueFormat::json().without_compression().encode(&long, &Meta::default())?;
    /// assert_eq!(bytes.len(), 5_002);
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn without_compression(mut self) -> Self {
        self.compression = None;
        self
    }

    /// Adds a dictionary to read with; may be called several times. The one that values are
    /// compressed with ([`Compression::with_dictionary`]) is always read with and need not be
    /// added.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Dictionary, ValueFormat};
    /// fn reader(old: Dictionary, next: Dictionary) -> ValueFormat {
    ///     ValueFormat::json().with_decoding_dictionary(old).with_decoding_dictionary(next)
    /// }
    /// ```
    #[must_use]
    pub fn with_decoding_dictionary(mut self, dictionary: Dictionary) -> Self {
        let all = self
            .decoding_dictionaries
            .iter()
            .cloned()
            .chain([dictionary]);
        self.decoding_dictionaries = all.collect();
        self
    }

    /// Sets the largest entry, in bytes, both as stored (with its header) and before compression.
    /// Writing and reading more is an error of kind
    /// [`TooLarge`](crate::CodecErrorKind::TooLarge). Default
    /// [`DEFAULT_MAX_SIZE`](Self::DEFAULT_MAX_SIZE). What a decoded value takes in memory is in
    /// proportion to it, by a factor that its type sets.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{CodecErrorKind, Meta, ValueFormat};
    /// let format = ValueFormat::json().with_max_size(10);
    /// let error = format.encode("much too long", &Meta::default()).unwrap_err();
    /// assert_eq!(error.kind(), CodecErrorKind::TooLarge);
    /// ```
    #[must_use]
    pub fn with_max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// The codec that values are written in.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Codec, ValueFormat};
    /// assert_eq!(ValueFormat::json().codec(), Codec::Json);
    /// ```
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether this is [`plain_json`](Self::plain_json), which stores no [`Meta`](crate::Meta).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::ValueFormat;
    /// assert!(ValueFormat::plain_json().is_plain());
    /// ```
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The largest entry, in bytes.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::ValueFormat;
    /// assert_eq!(ValueFormat::json().max_size(), 64 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn max_size(&self) -> usize {
        self.max_size
    }

    /// Whether values can be written with these settings, for a builder to ask before the first
    /// value. Every [`encode`](Self::encode) checks the same.
    ///
    /// # Errors
    /// [`NotBuiltIn`](crate::CodecErrorKind::NotBuiltIn) for a codec or compression whose cargo
    /// feature is off, and [`Configuration`](crate::CodecErrorKind::Configuration) for settings
    /// that contradict one another or are out of range.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::{Codec, ValueFormat};
    /// assert!(ValueFormat::json().check().is_ok());
    /// assert!(ValueFormat::plain_json().with_codec(Codec::Bincode).check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), CodecError> {
        if self.plain && (self.codec != Codec::Json || self.compression.is_some()) {
            return Err(CodecError::configuration(
                "plain JSON has no other codec and no compression",
            ));
        }
        body::check(self.codec)?;
        self.compression.as_ref().map_or(Ok(()), Compression::check)
    }
}

/// [`ValueFormat::json`].
impl Default for ValueFormat {
    fn default() -> Self {
        Self::json()
    }
}
