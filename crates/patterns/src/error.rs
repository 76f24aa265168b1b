//! The codec's errors as the workspace's error.
//!
//! The two crates do not know each other, so that this is where one kind becomes another. What matters is the reaction:
//! an entry that some other deployment can read must not be overwritten, a damaged one must.

use cachekit_codec::{CodecError, CodecErrorKind};
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind};

/// The format of a cache cannot work.
pub(crate) fn format_error(source: CodecError) -> Error {
    let kind = match source.kind() {
        CodecErrorKind::NotBuiltIn => ErrorKind::Unsupported,
        _ => ErrorKind::Configuration,
    };
    Error::new(kind, "build")
        .with_detail("the value format cannot be used")
        .with_source(source)
}

/// A value could not be turned into bytes.
pub(crate) fn encode_error(key: &Key, source: CodecError) -> Error {
    let kind = match source.kind() {
        CodecErrorKind::TooLarge => ErrorKind::TooLarge,
        CodecErrorKind::NotBuiltIn => ErrorKind::Unsupported,
        CodecErrorKind::Configuration => ErrorKind::Configuration,
        _ => ErrorKind::Encode,
    };
    Error::new(kind, "encode").with_key(key).with_source(source)
}

/// Stored bytes could not be turned into a value.
pub(crate) fn decode_error(key: &Key, source: CodecError) -> Error {
    let kind = match source.kind() {
        // Other deployments have the codec or the dictionary, as they wrote the entry.
        CodecErrorKind::Newer | CodecErrorKind::NotBuiltIn | CodecErrorKind::UnknownDictionary => {
            ErrorKind::Newer
        }
        CodecErrorKind::TooLarge => ErrorKind::TooLarge,
        // The value's type is at fault, and every entry would fail alike.
        CodecErrorKind::Configuration => ErrorKind::Configuration,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, "decode").with_key(key).with_source(source)
}
