//! Extension attributes.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

/// The value of an extension attribute. Times, URIs and binary values are texts in JSON.
///
/// # Examples
/// See [`Envelope::with_extension`](crate::Envelope::with_extension).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl Attribute {
    /// The text, where it is one.
    ///
    /// # Examples
    /// ```
    /// use cachekit_codec::Attribute;
    ///
    /// assert_eq!(Attribute::from("eu").as_text(), Some("eu"));
    /// assert_eq!(Attribute::from(7).as_text(), None);
    /// ```
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) => None,
        }
    }

    /// What a JSON value is as an attribute; none for what cannot be one.
    pub(super) fn of(value: &RawValue) -> Option<Self> {
        let text = value.get();
        match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).ok().map(Self::Text),
            b't' | b'f' => serde_json::from_str(text).ok().map(Self::Boolean),
            b'-' | b'0'..=b'9' => serde_json::from_str(text).ok().map(Self::Integer),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_text().map_or(0, str::len)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}

impl fmt::Debug for Attribute {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Integer(_) => "Integer",
            Self::Boolean(_) => "Boolean",
        })
    }
}

/// Names that the specification has taken.
const TAKEN: [&str; 10] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

pub(super) fn is_extension_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty() && name.bytes().all(is_plain) && !TAKEN.contains(&name)
}
