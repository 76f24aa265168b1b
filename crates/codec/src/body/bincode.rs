//! bincode 2 in its standard configuration, read under a [`guard`](super::guard).

use bincode::config::{self, Config};
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::{encode_into_std_write, seed_decode_from_slice};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guard::{GuardSeed, Limits};
use super::{SERIALIZE_FAILED, decode_failed, encode_failed};
use crate::bounded::BoundedWriter;
use crate::error::{CodecError, CodecErrorKind, Fault};

/// bincode charges an integer with its full width against the limit, whatever it takes in the body:
/// a `u128` of one byte costs 16. A limit of 16 times the body therefore never refuses an honest
/// one.
const CHARGE: usize = 16;
const MIB: usize = 1024 * 1024;

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut BoundedWriter,
) -> Result<(), CodecError> {
    match encode_into_std_write(value, out, config::standard()) {
        Ok(_) => Ok(()),
        Err(error) => Err(encode_failed().with_source(fault(encode_reason(&error)))),
    }
}

/// The limit is a const parameter, so there are tiers. It is the second fence: the guard lets
/// nothing be allocated by a declared length in the first place.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    let standard = config::standard();
    if body.len() <= MIB {
        read_with(body, standard.with_limit::<{ CHARGE * MIB }>())
    } else if body.len() <= 64 * MIB {
        read_with(body, standard.with_limit::<{ CHARGE * 64 * MIB }>())
    } else {
        read_with(body, standard.with_limit::<{ isize::MAX as usize }>())
    }
}

fn read_with<T: DeserializeOwned, C: Config>(body: &[u8], config: C) -> Result<T, CodecError> {
    let limits = Limits::for_body(body);
    match seed_decode_from_slice(GuardSeed::<T>::new(&limits), body, config) {
        Ok((value, consumed)) if consumed == body.len() => Ok(value),
        Ok(_) => Err(decode_failed().with_source(fault("bytes are left over"))),
        Err(error) => Err(read_failed(&error)),
    }
}

fn read_failed(error: &DecodeError) -> CodecError {
    use bincode::serde::DecodeError as SerdeError;
    let reason = match error {
        DecodeError::Serde(SerdeError::AnyNotSupported | SerdeError::IgnoredAnyNotSupported) => {
            return CodecError::new(
                CodecErrorKind::Configuration,
                "the type needs a self-describing codec, which bincode is not",
            );
        }
        DecodeError::UnexpectedEnd { .. } => "unexpected end",
        DecodeError::LimitExceeded => "limit exceeded",
        DecodeError::Utf8 { .. } => "text is not UTF-8",
        DecodeError::OtherString(_) => "the type refuses the data",
        _ => "the data does not fit the type",
    };
    decode_failed().with_source(fault(reason))
}

fn encode_reason(error: &EncodeError) -> &'static str {
    use bincode::serde::EncodeError as SerdeError;
    match error {
        EncodeError::Serde(SerdeError::SequenceMustHaveLength) => {
            "a sequence or map has no length (as with `flatten`)"
        }
        _ => SERIALIZE_FAILED,
    }
}

fn fault(reason: &'static str) -> Fault {
    Fault {
        codec: "bincode",
        reason,
    }
}
