//! The error of this crate.
//!
//! What a caller can do is in [`CodecErrorKind`]; what happened is in the text and the source.
//! Neither ever holds a part of the value: serde's own messages quote the data that did not fit
//! (`invalid type: string "…"`), so only their category and position are kept, here and in the
//! whole source chain.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What kind of failure a [`CodecError`] is, by what the caller can do about it.
///
/// # Examples
/// ```
/// use cachekit_codec::{CodecErrorKind, ValueFormat};
///
/// let error = ValueFormat::json().decode::<u32>(b"[truncat").unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::Corrupt);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecErrorKind {
    /// The value's own `Serialize` failed, or the codec cannot express the type. Storing it again
    /// will not help.
    Encode,
    /// The bytes are truncated, damaged, foreign, or of another type than the one asked for. A
    /// cache treats the entry as a miss and overwrites it.
    Corrupt,
    /// The value, or the size that an entry declares or expands to, is over
    /// [`ValueFormat::with_max_size`](crate::ValueFormat::with_max_size).
    TooLarge,
    /// The entry was written by a newer version of this crate. A cache treats it as a miss and
    /// leaves it in place, so that two deployments side by side do not fight over it.
    Newer,
    /// The codec or compression is known but its cargo feature is off in this program. As with
    /// [`Newer`](Self::Newer), an entry that needs it stays in place.
    NotBuiltIn,
    /// The entry was compressed with a dictionary that this reader was not given. A miss.
    UnknownDictionary,
    /// The entry is a negative one: it says that the value does not exist. Only
    /// [`ValueFormat::decode`](crate::ValueFormat::decode) answers with this kind;
    /// [`ValueFormat::decode_entry`](crate::ValueFormat::decode_entry) returns such entries as a
    /// value.
    Negative,
    /// The format or dictionary is set up in a way that cannot work. A mistake in the program.
    Configuration,
}

/// A failure to turn a value into bytes or bytes into a value.
///
/// Cheap to clone. Neither its text nor any error in its source chain holds a part of the value.
///
/// # Examples
/// ```
/// use cachekit_codec::{CodecErrorKind, ValueFormat};
///
/// let error = ValueFormat::json().decode::<u32>(br#""a secret""#).unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::Corrupt);
/// assert!(!format!("{error:?}").contains("secret"));
/// ```
#[derive(Debug, Clone)]
pub struct CodecError {
    kind: CodecErrorKind,
    what: &'static str,
    limit: Option<usize>,
    type_name: Option<&'static str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl CodecError {
    /// What the caller can do about it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_codec::{CodecErrorKind, peek_meta};
    ///
    /// assert_eq!(peek_meta(b"").unwrap_err().kind(), CodecErrorKind::Corrupt);
    /// ```
    #[must_use]
    pub fn kind(&self) -> CodecErrorKind {
        self.kind
    }

    /// `what` is a fixed text, so that no caller can slip data into it.
    pub(crate) fn new(kind: CodecErrorKind, what: &'static str) -> Self {
        Self {
            kind,
            what,
            limit: None,
            type_name: None,
            source: None,
        }
    }

    /// `what` is larger than the `limit` in bytes that the format sets.
    pub(crate) fn too_large(what: &'static str, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(CodecErrorKind::TooLarge, what)
        }
    }

    pub(crate) fn corrupt(what: &'static str) -> Self {
        Self::new(CodecErrorKind::Corrupt, what)
    }

    pub(crate) fn configuration(what: &'static str) -> Self {
        Self::new(CodecErrorKind::Configuration, what)
    }

    pub(crate) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_kind(mut self, kind: CodecErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Names the Rust type, which is what an operator needs to find the cache that the entry
    /// belongs to.
    pub(crate) fn for_type<T: ?Sized>(mut self) -> Self {
        self.type_name = Some(std::any::type_name::<T>());
        self
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(limit) = self.limit {
            write!(
                f,
                " is larger than the limit of {limit} bytes: raise it with `ValueFormat::with_max_size`"
            )?;
        }
        match self.type_name {
            Some(name) => write!(f, " (type {name})"),
            None => Ok(()),
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// Where and how a JSON text could not be read: all that can be told without quoting it.
#[derive(Debug, thiserror::Error)]
#[error("JSON {category} error at line {line} column {column}")]
pub(crate) struct JsonFault {
    category: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let category = match error.classify() {
            serde_json::error::Category::Io => "input",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "data",
            serde_json::error::Category::Eof => "end of input",
        };
        Self {
            category,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// The reason that a codec or the compressor gave where there is no position, as a fixed text.
#[derive(Debug, thiserror::Error)]
#[error("{codec}: {reason}")]
pub(crate) struct Fault {
    pub(crate) codec: &'static str,
    pub(crate) reason: &'static str,
}
