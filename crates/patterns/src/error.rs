//! The codec's errors as the workspace's error.
//!
//! The two crates do not know each other, so that this is where one kind becomes another. What matters is the reaction:
//! an entry that some other deployment can read must not be overwritten, a damaged one must.

use std::error::Error as StdError;

use cachekit_codec::{CodecError, CodecErrorKind};
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind};

/// The format of a cache cannot work.
pub(crate) fn format_error(source: CodecError) -> Error {
    let kind = match source.kind() {
        CodecErrorKind::NotBuiltIn => ErrorKind::Unsupported,
        _ => ErrorKind::Configuration,
    };
    Error::new(kind, "build").with_detail(format!(
        "the value format cannot be used: {}",
        reason(&source)
    ))
}

/// A value could not be turned into bytes.
pub(crate) fn encode_error(key: &Key, source: CodecError) -> Error {
    let kind = match source.kind() {
        CodecErrorKind::TooLarge => ErrorKind::TooLarge,
        CodecErrorKind::NotBuiltIn => ErrorKind::Unsupported,
        CodecErrorKind::Configuration => ErrorKind::Configuration,
        _ => ErrorKind::Encode,
    };
    Error::new(kind, "encode")
        .with_key(key)
        .with_detail(reason(&source))
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
    Error::new(kind, "decode")
        .with_key(key)
        .with_detail(reason(&source))
}

/// All that the codec says, in one line, which never holds a part of the value.
///
/// It becomes the detail and not the source, so that the text alone tells the reason and a reporter that walks the sources
/// does not tell it twice.
fn reason(error: &CodecError) -> String {
    let mut text = error.to_string();
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    //! What a person reads when a value does not fit.

    use std::{collections::HashMap, error::Error as _};

    use cachekit_codec::{Meta, ValueFormat};
    use cachekit_keys::Key;
    use cachekit_store::ErrorKind;

    use super::{decode_error, encode_error};

    fn key() -> Key {
        Key::from_raw("a:1").unwrap()
    }

    #[test]
    fn the_text_tells_why_a_value_cannot_be_stored() {
        let value = HashMap::from([((1_u8, 2_u8), 3_u8)]);
        let refused = ValueFormat::json().encode(&value, &Meta::default());
        let error = encode_error(&key(), refused.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Encode);
        let text = error.to_string();
        assert!(text.starts_with("encode: value cannot be encoded: serialization failed"));
        assert!(text.ends_with(": json: a map key cannot be written as text (key \"a:1\")"));
        assert!(error.source().is_none());
    }

    #[test]
    fn the_text_tells_where_stored_bytes_are_wrong() {
        let error = decode_error(&key(), ValueFormat::json().decode::<u32>(b"x").unwrap_err());
        assert_eq!(
            error.to_string(),
            "decode: stored bytes are corrupt: the entry is damaged or of another type (type u32): \
             JSON syntax error at line 1 column 1 (key \"a:1\")"
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn the_text_names_the_limit_and_how_to_raise_it() {
        let format = ValueFormat::json().with_max_size(3);
        let error = decode_error(&key(), format.decode::<u32>(b"1234").unwrap_err());
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let text = error.to_string();
        assert!(text.contains("limit of 3 bytes"), "{text}");
        assert!(text.contains("with_max_size"), "{text}");
    }
}
