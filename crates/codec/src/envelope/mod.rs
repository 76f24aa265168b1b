//! The envelope of events: `CloudEvents` 1.0 in the JSON format, in structured mode.
//!
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.

mod attribute;
mod read;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use attribute::Attribute;

use crate::error::{CodecError, CodecErrorKind, JsonFault};

/// An event with the facts that a receiver needs before it looks at the data: what happened, to what, where and when.
///
/// It is a `CloudEvent` of version 1.0 in one JSON object, which the SDKs of Python, Node and others write and read. Reading
/// takes members in any order, `null` for what is not set, data in `data` or `data_base64`, and keeps extension
/// attributes; what is no attribute by the specification (an object, a list, a fraction) is passed over. The data is kept
/// as text until it is asked for as a type, so that a receiver can look at the [type](Self::kind) first.
///
/// What is read is taken for hostile: at most [`MAX_SIZE`](Self::MAX_SIZE) bytes, [`MAX_ATTRIBUTE`](Self::MAX_ATTRIBUTE)
/// bytes of an attribute and [`MAX_EXTENSIONS`](Self::MAX_EXTENSIONS) extensions.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
/// use cachekit_codec::Envelope;
///
/// let sent = Envelope::new("7", "/analyser", "version.promoted")?
///     .with_time(SystemTime::UNIX_EPOCH + Duration::from_millis(1_733_133_600_500))
///     .with_subject("v123")
///     .with_data(&("v123", "admin"))?;
/// let text = sent.to_json()?;
/// assert_eq!(
///     text,
///     r#"{"specversion":"1.0","id":"7","source":"/analyser","type":"version.promoted","time":"2024-12-02T10:00:00.5Z","datacontenttype":"application/json","subject":"v123","data":["v123","admin"]}"#
/// );
///
/// let received = Envelope::from_json(&text)?;
/// assert_eq!(received.kind(), "version.promoted");
/// assert_eq!(received.data::<(String, String)>()?.1, "admin");
/// assert_eq!(received, sent);
/// # Ok::<(), cachekit_codec::CodecError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Envelope {
    id: String,
    source: String,
    kind: String,
    time: Option<SystemTime>,
    subject: Option<String>,
    content_type: Option<String>,
    schema: Option<String>,
    extensions: BTreeMap<String, Attribute>,
    data: Data,
}

/// What the event is about.
#[derive(Clone)]
enum Data {
    None,
    Json(Box<RawValue>),
    Binary(Bytes),
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Json(this), Self::Json(other)) => this.get() == other.get(),
            (Self::Binary(this), Self::Binary(other)) => this == other,
            _ => false,
        }
    }
}

impl Envelope {
    /// Most bytes of an event that are written or read: 1 MiB.
    pub const MAX_SIZE: usize = 1 << 20;
    /// Most bytes of one attribute.
    pub const MAX_ATTRIBUTE: usize = 4_096;
    /// Most extension attributes.
    pub const MAX_EXTENSIONS: usize = 64;
    /// The media type of the JSON text.
    pub const MEDIA_TYPE: &str = "application/cloudevents+json";

    /// An event without data.
    ///
    /// `id` is unique within the source; whoever sends the same event again sends the same id. `source` is a URI reference that
    /// names the sender, such as `/analyser/3`. `kind`, the specification's `type`, says what happened.
    ///
    /// # Errors
    /// [`Encode`](CodecErrorKind::Encode) for one that is empty, longer than [`MAX_ATTRIBUTE`](Self::MAX_ATTRIBUTE), or holds
    /// a control character, and for a source that holds a space.
    ///
    /// # Examples
    /// See [`Envelope`].
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        kind: impl Into<String>,
    ) -> Result<Self, CodecError> {
        let (id, source, kind) = (id.into(), source.into(), kind.into());
        for text in [&id, &source, &kind] {
            let is_usable = !text.is_empty() && !text.contains(char::is_control);
            if !is_usable || text.len() > Self::MAX_ATTRIBUTE {
                return Err(unusable(
                    "the id, source and type of an event are short texts",
                ));
            }
        }
        if source.contains(' ') {
            return Err(unusable("the source of an event is a URI reference"));
        }
        Ok(Self {
            id,
            source,
            kind,
            time: None,
            subject: None,
            content_type: None,
            schema: None,
            extensions: BTreeMap::new(),
            data: Data::None,
        })
    }

    /// Sets when it happened. What lies outside the years -9999 to 9999 is not written.
    ///
    /// # Examples
    /// See [`Envelope`].
    #[must_use]
    pub const fn with_time(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets what within the source it is about; an empty text is none.
    ///
    /// # Examples
    /// See [`Envelope`].
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into()).filter(|subject| !subject.is_empty());
        self
    }

    /// Sets the URI of the schema that the data follows; an empty text is none.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Envelope;
    /// let event = Envelope::new("7", "/a", "b")?.with_schema("https://example.com/v1.json");
    /// assert_eq!(event.schema(), Some("https://example.com/v1.json"));
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into()).filter(|schema| !schema.is_empty());
        self
    }

    /// Adds an extension attribute, such as `traceparent`.
    ///
    /// # Errors
    /// [`Encode`](CodecErrorKind::Encode) for a name that is not made of 1 to 20 lower-case letters and digits, or that is
    /// an attribute of the specification, and for more than [`MAX_EXTENSIONS`](Self::MAX_EXTENSIONS).
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Envelope;
    /// use cachekit_codec::Attribute;
    ///
    /// let event = Envelope::new("7", "/a", "b")?.with_extension("shard", 3)?;
    /// assert_eq!(event.extension("shard"), Some(&Attribute::Integer(3)));
    /// assert!(event.with_extension("Not A Name", 3).is_err());
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn with_extension(
        mut self,
        name: &str,
        value: impl Into<Attribute>,
    ) -> Result<Self, CodecError> {
        if !attribute::is_extension_name(name) || name.len() > 20 {
            return Err(unusable(
                "an extension is named by up to 20 lower-case letters and digits",
            ));
        }
        self.extensions.insert(name.to_owned(), value.into());
        if self.extensions.len() > Self::MAX_EXTENSIONS {
            return Err(unusable("an event has at most 64 extensions"));
        }
        Ok(self)
    }

    /// Sets the data, as JSON.
    ///
    /// # Errors
    /// [`Encode`](CodecErrorKind::Encode) where the value's `Serialize` fails, [`TooLarge`](CodecErrorKind::TooLarge) beyond
    /// [`MAX_SIZE`](Self::MAX_SIZE).
    ///
    /// # Examples
    /// See [`Envelope`].
    pub fn with_data<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Self, CodecError> {
        self.data = Data::Json(write::raw(data)?);
        self.content_type = Some("application/json".to_owned());
        Ok(self)
    }

    /// Sets data that is not JSON, which is written in base 64.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Envelope;
    /// let event = Envelope::new("7", "/a", "b")?.with_bytes("image/png", vec![137, 80]);
    /// assert!(event.to_json()?.ends_with(br#""data_base64":"iVA="}"#));
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub fn with_bytes(mut self, content_type: impl Into<String>, data: impl Into<Bytes>) -> Self {
        self.data = Data::Binary(data.into());
        self.content_type = Some(content_type.into());
        self
    }

    /// Which event it is, within its source.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who sent it.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What happened: the specification's `type`.
    ///
    /// # Examples
    /// See [`Envelope`].
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When it happened.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    #[must_use]
    pub const fn time(&self) -> Option<SystemTime> {
        self.time
    }

    /// What within the source it is about.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The media type of the data.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The URI of the schema that the data follows.
    ///
    /// # Examples
    /// See [`with_schema`](Self::with_schema).
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// An extension attribute.
    ///
    /// # Examples
    /// See [`with_extension`](Self::with_extension).
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&Attribute> {
        self.extensions.get(name)
    }

    /// All extension attributes, in the order of their names.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.extensions
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The data as a type. Binary data is read as JSON unless its [media type](Self::content_type) says otherwise; an event
    /// without data is read as `null`.
    ///
    /// # Errors
    /// [`Corrupt`](CodecErrorKind::Corrupt) for data of another type.
    ///
    /// # Examples
    /// See [`from_json`](Self::from_json).
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, CodecError> {
        let parsed = match &self.data {
            Data::None => serde_json::from_str("null"),
            Data::Json(raw) => serde_json::from_str(raw.get()),
            Data::Binary(bytes) if self.has_json() => serde_json::from_slice(bytes),
            Data::Binary(_) => {
                return Err(CodecError::corrupt("the event's data is not JSON").for_type::<T>());
            }
        };
        parsed.map_err(|error| {
            CodecError::corrupt("the event's data is of another type")
                .for_type::<T>()
                .with_source(JsonFault::from(&error))
        })
    }

    /// The data where it came as bytes.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_codec::Envelope;
    /// let event = Envelope::new("7", "/a", "b")?.with_bytes("text/plain", "hello");
    /// assert_eq!(event.bytes().map(|bytes| &bytes[..]), Some(&b"hello"[..]));
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Binary(bytes) => Some(bytes),
            Data::None | Data::Json(_) => None,
        }
    }

    /// Writes the event as one JSON object.
    ///
    /// # Errors
    /// [`TooLarge`](CodecErrorKind::TooLarge) beyond [`MAX_SIZE`](Self::MAX_SIZE).
    ///
    /// # Examples
    /// See [`Envelope`].
    pub fn to_json(&self) -> Result<Bytes, CodecError> {
        write::event(self)
    }

    /// Reads an event, as any sender may write it.
    ///
    /// # Errors
    /// - [`Corrupt`](CodecErrorKind::Corrupt) for what is no JSON object, lacks a required attribute, has one twice or of
    ///   another type, or both `data` and `data_base64`.
    /// - [`Newer`](CodecErrorKind::Newer) for another version of the specification than 1.0.
    /// - [`TooLarge`](CodecErrorKind::TooLarge) beyond the limits of the [type](Self).
    ///
    /// # Examples
    /// ```
    /// use cachekit_codec::{Attribute, Envelope};
    ///
    /// // As the SDK for Python writes it: an offset in the time, and extensions among the rest.
    /// let event = Envelope::from_json(
    ///     br#"{"type": "quota.warning", "data": {"used": 90}, "source": "/billing", "specversion": "1.0",
    ///         "id": "b7", "time": "2024-12-02T10:00:00.250000+00:00", "subject": null, "region": "eu"}"#,
    /// )?;
    /// assert_eq!((event.id(), event.source(), event.subject()), ("b7", "/billing", None));
    /// assert!(event.time().is_some() && event.content_type().is_none());
    /// assert_eq!(event.extensions().next(), Some(("region", &Attribute::from("eu"))));
    /// let data: std::collections::HashMap<String, u32> = event.data()?;
    /// assert_eq!(data["used"], 90);
    /// # Ok::<(), cachekit_codec::CodecError>(())
    /// ```
    pub fn from_json(text: &[u8]) -> Result<Self, CodecError> {
        read::event(text)
    }

    fn has_json(&self) -> bool {
        let Some(media_type) = &self.content_type else {
            return true; // the specification's default
        };
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        essence.ends_with("/json") || essence.ends_with("+json")
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match &self.data {
            Data::None => "none",
            Data::Json(_) => "JSON",
            Data::Binary(_) => "bytes",
        };
        f.debug_struct("Envelope")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("kind", &self.kind)
            .field("time", &self.time)
            .field("data", &data)
            .finish_non_exhaustive()
    }
}

fn unusable(what: &'static str) -> CodecError {
    CodecError::new(CodecErrorKind::Encode, what)
}

fn too_large(what: &'static str) -> CodecError {
    CodecError::new(CodecErrorKind::TooLarge, what)
}
