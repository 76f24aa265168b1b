//! JSON text, exactly as `serde_json` writes it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{SERIALIZE_FAILED, decode_failed, encode_failed};
use crate::bounded::BoundedWriter;
use crate::error::{CodecError, Fault, JsonFault};

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut BoundedWriter,
) -> Result<(), CodecError> {
    serde_json::to_writer(out, value).map_err(|error| encode_failed().with_source(fault(&error)))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    // JSON is UTF-8, so that one check of the whole replaces one of every string in it.
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        // Tells where it goes wrong.
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map_err(|error| decode_failed().with_source(JsonFault::from(&error)))
}

/// What is written has no position, so that the category alone tells the reason.
fn fault(error: &serde_json::Error) -> Fault {
    let reason = match error.classify() {
        // What `serde_json` calls syntax is, in writing, a key that is no text, number or `bool`.
        Category::Syntax => "a map key cannot be written as text",
        Category::Io => "the output refused the text",
        Category::Data | Category::Eof => SERIALIZE_FAILED,
    };
    Fault {
        codec: "json",
        reason,
    }
}
