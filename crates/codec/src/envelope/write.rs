//! Events to JSON text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Data, Envelope, too_large, unusable};
use crate::body;
use crate::bounded::BoundedWriter;
use crate::codec::Codec;
use crate::error::{CodecError, CodecErrorKind};

const TOO_LARGE: &str = "the event is larger than 1 MiB";

/// Any value as JSON text, within the limit.
pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, CodecError> {
    let text = json(value)?;
    let text = String::from_utf8(text).ok();
    text.and_then(|text| RawValue::from_string(text).ok())
        .ok_or_else(|| unusable("serialization made no JSON"))
}

pub(super) fn event(event: &Envelope) -> Result<Bytes, CodecError> {
    json(&Members(event)).map(Bytes::from)
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = BoundedWriter::new(Envelope::MAX_SIZE);
    match body::write(Codec::Json, value, &mut out) {
        Ok(()) => Ok(out.buffer),
        // Its text names the setting of another limit.
        Err(error) if error.kind() == CodecErrorKind::TooLarge => Err(too_large(TOO_LARGE)),
        Err(error) => Err(error),
    }
}

/// The event as the members of one object.
struct Members<'a>(&'a Envelope);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("specversion", "1.0")?;
        members.serialize_entry("id", &event.id)?;
        members.serialize_entry("source", &event.source)?;
        members.serialize_entry("type", &event.kind)?;
        let time = event.time.and_then(|time| Timestamp::try_from(time).ok());
        if let Some(time) = time {
            members.serialize_entry("time", &time.to_string())?;
        }
        let optional = [
            ("datacontenttype", &event.content_type),
            ("dataschema", &event.schema),
            ("subject", &event.subject),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                members.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &event.extensions {
            members.serialize_entry(name, value)?;
        }
        match &event.data {
            Data::None => {}
            Data::Json(raw) => members.serialize_entry("data", raw)?,
            Data::Binary(bytes) => {
                members.serialize_entry("data_base64", &STANDARD.encode(bytes))?;
            }
        }
        members.end()
    }
}
