//! JSON text to events, from whoever wrote it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Attribute, Data, Envelope, attribute, too_large};
use crate::error::{CodecError, CodecErrorKind, JsonFault};

/// Some writers leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn event(text: &[u8]) -> Result<Envelope, CodecError> {
    if text.len() > Envelope::MAX_SIZE {
        return Err(too_large("the event is larger than 1 MiB"));
    }
    let text =
        std::str::from_utf8(text).map_err(|_| CodecError::corrupt("the event is not UTF-8"))?;
    let members: Members = serde_json::from_str(text).map_err(|error| {
        CodecError::corrupt("the event cannot be read").with_source(JsonFault::from(&error))
    })?;
    members.judge()
}

/// The members of the object, before anybody asks what they are worth.
#[derive(Default)]
struct Members {
    version: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    time: Option<String>,
    subject: Option<String>,
    content_type: Option<String>,
    schema: Option<String>,
    base64: Option<String>,
    data: Option<Box<RawValue>>,
    extensions: BTreeMap<String, Attribute>,
}

impl Members {
    fn judge(self) -> Result<Envelope, CodecError> {
        match self.version.as_deref() {
            Some("1.0") => {}
            Some(older) if older.is_empty() || older.starts_with("0.") => {
                return Err(CodecError::corrupt("the event is of a version before 1.0"));
            }
            Some(_) => {
                let what = "the event is of another version than 1.0";
                return Err(CodecError::new(CodecErrorKind::Newer, what));
            }
            None => return Err(CodecError::corrupt("the event has no specversion")),
        }
        self.check_sizes()?;
        let required = |value: Option<String>, what| {
            let value = value.filter(|value| !value.is_empty());
            value.ok_or_else(|| CodecError::corrupt(what))
        };
        let content = |value: Option<String>| value.filter(|value| !value.is_empty());
        let data = match (self.data.filter(|data| data.get() != "null"), self.base64) {
            (Some(_), Some(_)) => {
                return Err(CodecError::corrupt("the event has data of two forms"));
            }
            (Some(data), None) => Data::Json(data),
            (None, Some(text)) => Data::Binary(bytes(&text)?),
            (None, None) => Data::None,
        };
        Ok(Envelope {
            id: required(self.id, "the event has no id")?,
            source: required(self.source, "the event has no source")?,
            kind: required(self.kind, "the event has no type")?,
            time: self.time.as_deref().map(time).transpose()?,
            subject: content(self.subject),
            content_type: content(self.content_type),
            schema: content(self.schema),
            extensions: self.extensions,
            data,
        })
    }

    fn check_sizes(&self) -> Result<(), CodecError> {
        let texts = [
            &self.id,
            &self.source,
            &self.kind,
            &self.time,
            &self.subject,
            &self.content_type,
            &self.schema,
        ];
        let lengths = texts.into_iter().flatten().map(String::len);
        let extensions = self.extensions.iter();
        let extensions = extensions.map(|(name, value)| name.len().max(value.len()));
        if lengths
            .chain(extensions)
            .any(|length| length > Envelope::MAX_ATTRIBUTE)
        {
            return Err(too_large("an attribute of the event is larger than 4 KiB"));
        }
        if self.extensions.len() > Envelope::MAX_EXTENSIONS {
            return Err(too_large("the event has more than 64 extensions"));
        }
        Ok(())
    }
}

fn bytes(text: &str) -> Result<Bytes, CodecError> {
    let decoded = BASE64.decode(text).map(Bytes::from);
    decoded.map_err(|_| CodecError::corrupt("the event's data is not base 64"))
}

fn time(text: &str) -> Result<SystemTime, CodecError> {
    let parsed: Option<Timestamp> = text.parse().ok();
    parsed
        .map(SystemTime::from)
        .ok_or_else(|| CodecError::corrupt("the event's time is not as in RFC 3339"))
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        let mut known: u16 = 0;
        while let Some(name) = map.next_key::<String>()? {
            let (place, slot) = match name.as_str() {
                "specversion" => (0, &mut members.version),
                "id" => (1, &mut members.id),
                "source" => (2, &mut members.source),
                "type" => (3, &mut members.kind),
                "time" => (4, &mut members.time),
                "subject" => (5, &mut members.subject),
                "datacontenttype" => (6, &mut members.content_type),
                "dataschema" => (7, &mut members.schema),
                "data_base64" => (8, &mut members.base64),
                "data" => {
                    once(&mut known, 9)?;
                    members.data = Some(map.next_value()?);
                    continue;
                }
                _ => {
                    extension(&mut members, name, &mut map)?;
                    continue;
                }
            };
            once(&mut known, place)?;
            *slot = map.next_value()?;
        }
        Ok(members)
    }
}

/// Two receivers must not take different ones of two members for the event's.
fn once<E: Error>(known: &mut u16, place: u16) -> Result<(), E> {
    let bit = 1 << place;
    if *known & bit != 0 {
        return Err(E::custom("an attribute twice"));
    }
    *known |= bit;
    Ok(())
}

/// Keeps what can be an extension attribute, and passes over the rest.
fn extension<'de, A: MapAccess<'de>>(
    members: &mut Members,
    name: String,
    map: &mut A,
) -> Result<(), A::Error> {
    // One above the limit is kept, so that it is noticed.
    let is_full = members.extensions.len() > Envelope::MAX_EXTENSIONS;
    if is_full || !attribute::is_extension_name(&name) {
        return map.next_value::<IgnoredAny>().map(drop);
    }
    let value: Box<RawValue> = map.next_value()?;
    let Some(value) = Attribute::of(&value) else {
        return Ok(());
    };
    match members.extensions.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("an attribute twice")),
    }
}
