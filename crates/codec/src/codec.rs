//! The codecs by name.
//!
//! Every codec can always be named, so that configuration code compiles under any set of features;
//! using one whose feature is off is an error of kind
//! [`NotBuiltIn`](crate::CodecErrorKind::NotBuiltIn).

use std::fmt;

/// How a value becomes bytes.
///
/// | | size and speed | fields added or removed | fields reordered | readers |
/// |---|---|---|---|---|
/// | [`Json`](Self::Json) | largest | fine with `#[serde(default)]` | fine | every program |
/// | [`MessagePack`](Self::MessagePack) | middle | fine with `#[serde(default)]` | fine | every program with a library |
/// | [`Bincode`](Self::Bincode) | smallest | **misread or refused** | **misread silently** | Rust |
///
/// bincode writes neither names nor types, of fields and of an enum's variants alike. Treat any
/// change of a type that it stores as a new key (a version in the
/// key). `#[serde(skip_serializing_if)]` **corrupts bincode silently**, and `flatten`, `untagged`
/// and `tag` cannot be read from it. A type with `flatten` is refused when it is written; encoding
/// one with `untagged` or `tag` **succeeds**, and each read of what was written is an error of kind
/// [`Configuration`](crate::CodecErrorKind::Configuration), as it is for `serde_json::Value` and any
/// other type that asks the bytes what they hold. Choose another codec for such types.
///
/// # Examples
/// ```
/// use cachekit_codec::{Codec, ValueFormat};
///
/// assert_eq!(Codec::default(), Codec::Json);
/// let format = ValueFormat::json().with_codec(Codec::MessagePack);
/// assert_eq!(format.codec(), Codec::MessagePack);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON text, which other programs and `redis-cli` read. Always built in. Nesting up to 127
    /// levels is read. JSON has no NaN and no infinity: **both are written as `null`**, without an
    /// error, and `null` cannot be read as a float; see
    /// [`ValueFormat::json`](crate::ValueFormat::json).
    #[default]
    Json,
    /// bincode 2, standard configuration (little-endian, variable-length integers). Cargo feature
    /// `bincode`, on by default. Nesting up to 256 levels is read, and of elements that take no
    /// bytes (`Vec<()>`) at most 65 536 more than the body has bytes. Types that need a
    /// self-describing codec (see above) can be written and never read.
    Bincode,
    /// MessagePack with field names. Cargo feature `msgpack`. Nesting up to 127 levels is read.
    MessagePack,
}

impl Codec {
    /// Whether this program was built with the codec.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Codec;
    /// assert!(Codec::Json.is_built_in());
    /// ```
    #[must_use]
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Json => true,
            Self::Bincode => cfg!(feature = "bincode"),
            Self::MessagePack => cfg!(feature = "msgpack"),
        }
    }
}

/// The lower-case name: `json`, `bincode`, `messagepack`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Bincode => "bincode",
            Self::MessagePack => "messagepack",
        })
    }
}
