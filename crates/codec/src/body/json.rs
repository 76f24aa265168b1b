//! JSON text, exactly as `serde_json` writes it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{decode_failed, encode_failed};
use crate::bounded::BoundedWriter;
use crate::error::{CodecError, JsonFault};

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut BoundedWriter,
) -> Result<(), CodecError> {
    serde_json::to_writer(out, value)
        .map_err(|error| encode_failed().with_source(JsonFault::from(&error)))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body)
        .map_err(|error| decode_failed().with_source(JsonFault::from(&error)))
}
