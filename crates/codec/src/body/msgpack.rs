//! MessagePack with field names, so that types can evolve and other programs can read it.

use std::io;

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;
use rmp_serde::{Deserializer, Serializer};
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Serialize};

use super::guard::{GuardSeed, Limits};
use super::{SERIALIZE_FAILED, decode_failed, encode_failed};
use crate::bounded::BoundedWriter;
use crate::error::{CodecError, Fault};

/// The depth that `serde_json` allows; the crate's own default of 1024 can exhaust the stack of a
/// worker thread.
const MAX_DEPTH: usize = 128;

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut BoundedWriter,
) -> Result<(), CodecError> {
    value
        .serialize(&mut Serializer::new(out).with_struct_map())
        .map_err(|error| encode_failed().with_source(fault(encode_reason(&error))))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = Deserializer::from_read_ref(body);
    deserializer.set_max_depth(MAX_DEPTH);
    let limits = Limits::for_body(body);
    let value = GuardSeed::<T>::new(&limits)
        .deserialize(&mut deserializer)
        .map_err(|error| decode_failed().with_source(fault(decode_reason(&error))))?;
    // The deserializer does not tell how far it came, but only at the end does the next read find
    // nothing.
    match bool::deserialize(&mut deserializer) {
        Err(DecodeError::InvalidMarkerRead(error))
            if error.kind() == io::ErrorKind::UnexpectedEof =>
        {
            Ok(value)
        }
        _ => Err(decode_failed().with_source(fault("bytes are left over"))),
    }
}

fn decode_reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidMarkerRead(_) | DecodeError::InvalidDataRead(_) => "unexpected end",
        DecodeError::TypeMismatch(_) => "unexpected type",
        DecodeError::OutOfRange => "number out of range",
        DecodeError::LengthMismatch(_) => "unexpected length",
        DecodeError::Utf8Error(_) => "text is not UTF-8",
        DecodeError::DepthLimitExceeded => "nested too deep",
        DecodeError::Uncategorized(_) | DecodeError::Syntax(_) => "the type refuses the data",
    }
}

fn encode_reason(error: &EncodeError) -> &'static str {
    match error {
        EncodeError::DepthLimitExceeded => "nested too deep",
        _ => SERIALIZE_FAILED,
    }
}

fn fault(reason: &'static str) -> Fault {
    Fault {
        codec: "messagepack",
        reason,
    }
}
