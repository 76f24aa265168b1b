//! The body of an entry: one value in one codec, without header and compression.

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(any(feature = "bincode", feature = "msgpack"))]
mod guard;
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bounded::BoundedWriter;
use crate::codec::Codec;
use crate::error::{CodecError, CodecErrorKind};

/// Appends `value` to `out`.
///
/// # Errors
/// `TooLarge` at the writer's limit, `Encode` where the value or the codec refuses, `NotBuiltIn`.
pub(crate) fn write<T: Serialize + ?Sized>(
    codec: Codec,
    value: &T,
    out: &mut BoundedWriter,
) -> Result<(), CodecError> {
    let result = match codec {
        Codec::Json => json::write(value, out),
        #[cfg(feature = "bincode")]
        Codec::Bincode => bincode::write(value, out),
        #[cfg(feature = "msgpack")]
        Codec::MessagePack => msgpack::write(value, out),
        #[cfg(not(all(feature = "bincode", feature = "msgpack")))]
        absent => return Err(not_built_in(absent)),
    };
    match result {
        Err(_) if out.overflowed() => Err(CodecError::too_large("the encoded value", out.limit())),
        other => other,
    }
}

/// Reads the one value that `body` must consist of.
///
/// # Errors
/// `Corrupt` where it is anything else, `Configuration` for a type that the codec cannot read,
/// `NotBuiltIn`.
pub(crate) fn read<T: DeserializeOwned>(codec: Codec, body: &[u8]) -> Result<T, CodecError> {
    match codec {
        Codec::Json => json::read(body),
        #[cfg(feature = "bincode")]
        Codec::Bincode => bincode::read(body),
        #[cfg(feature = "msgpack")]
        Codec::MessagePack => msgpack::read(body),
        #[cfg(not(all(feature = "bincode", feature = "msgpack")))]
        absent => Err(not_built_in(absent)),
    }
}

/// # Errors
/// `NotBuiltIn` where the cargo feature of `codec` is off.
pub(crate) fn check(codec: Codec) -> Result<(), CodecError> {
    if codec.is_built_in() {
        Ok(())
    } else {
        Err(not_built_in(codec))
    }
}

fn not_built_in(codec: Codec) -> CodecError {
    let what = match codec {
        Codec::Json => "JSON is always built in",
        Codec::Bincode => "the codec needs the cargo feature bincode",
        Codec::MessagePack => "the codec needs the cargo feature msgpack",
    };
    CodecError::new(CodecErrorKind::NotBuiltIn, what)
}

/// What every codec says of a value whose own code, and not the codec, refused.
const SERIALIZE_FAILED: &str = "the type's `Serialize` implementation failed";

/// The error of a value that cannot be written. The codec's own text is dropped: it may quote the
/// value.
fn encode_failed() -> CodecError {
    CodecError::new(CodecErrorKind::Encode, "serialization failed")
}

/// The error of a body that cannot be read. The codec's own text is dropped: it may quote the
/// value.
fn decode_failed() -> CodecError {
    CodecError::corrupt("the entry is damaged or of another type")
}
