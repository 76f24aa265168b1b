//! What reading an entry gives.

use crate::error::CodecError;
use crate::header::{self, Header};
use crate::meta::Meta;

/// A value read from an entry, and what the entry says about it.
///
/// # Examples
/// ```
/// use cachekit_codec::{Decoded, ValueFormat};
///
/// let Decoded { value, meta } = ValueFormat::json().decode::<bool>(b"true")?;
/// assert!(value && meta.is_empty());
/// # Ok::<(), cachekit_codec::CodecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// The facts from the header; empty for plain JSON text.
    pub meta: Meta,
}

/// An entry: a value, or the knowledge that there is none.
///
/// # Examples
/// ```
/// use cachekit_codec::{Entry, ValueFormat};
///
/// match ValueFormat::json().decode_entry::<u32>(b"7")? {
///     Entry::Value(decoded) => assert_eq!(decoded.value, 7),
///     Entry::Negative(meta) => println!("known to be absent since {:?}", meta.created_at),
/// }
/// # Ok::<(), cachekit_codec::CodecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<T> {
    /// The entry holds a value.
    Value(Decoded<T>),
    /// The value does not exist. The meta has [`negative`](Meta::negative) set.
    Negative(Meta),
}

/// Reads an entry's header alone, without looking at the body. Plain JSON text has an empty meta
/// (and is not checked to be JSON).
///
/// # Errors
/// [`Corrupt`](crate::CodecErrorKind::Corrupt) for no bytes or a damaged header,
/// [`Newer`](crate::CodecErrorKind::Newer) for one of a newer version.
///
/// # Examples
/// ```
/// use cachekit_codec::{Meta, ValueFormat, peek_meta};
///
/// let bytes = ValueFormat::json().encode("value", &Meta::default().with_created_at(7))?;
/// assert_eq!(peek_meta(&bytes)?.created_at, Some(7));
/// # Ok::<(), cachekit_codec::CodecError>(())
/// ```
pub fn peek_meta(bytes: &[u8]) -> Result<Meta, CodecError> {
    match bytes.first() {
        None => Err(CodecError::corrupt("the entry is empty")),
        Some(&header::MAGIC) => Ok(Header::parse(bytes)?.0.meta),
        Some(_) => Ok(Meta::default()),
    }
}
