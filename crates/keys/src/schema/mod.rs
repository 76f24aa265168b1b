//! The schema of a deployment: how its keys are rendered, and parsed back.
//!
//! It holds the two choices that all services of a deployment must share, the format and the namespace, and nothing of a
//! connection.

mod paths;
mod patterns;
mod roots;

use std::ops::Range;

use bytes::Bytes;

pub use self::{
    paths::PathKeys,
    roots::{Root, Roots},
};
use crate::{
    Channel, CostKey, FieldReader, FieldWriter, Key, KeyError, KeyFamily, KnownKey, ModelKey,
    Namespace, ProjectKey, ProviderKey, QuotaKey, RateLimitKey, RateLimitState, Segment,
    SessionKey, Shape, UserId,
    error::{excerpt, excerpt_bytes},
    family,
};

/// How keys with an owner are rendered.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
///
/// let tree = ProjectKey::file_tree(ProjectId::new("proj456")?);
/// assert_eq!(KeySchema::plain().key(&tree).as_str(), Some("project:proj456:file_tree"));
/// assert_eq!(KeySchema::sharded().key(&tree).as_str(), Some("project:{proj456}:file_tree"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFormat {
    /// `project:proj456:file_tree`: as services in other languages write it. The default.
    #[default]
    Plain,
    /// `project:{proj456}:file_tree`: the owner is a hash tag, so that all of an owner's keys share a slot of Redis Cluster.
    ///
    /// Model keys have no owner and look as in `Plain`: a popular model's responses would all fall on one slot.
    Sharded,
}

/// How a deployment renders its keys: a [`KeyFormat`] and an optional [`Namespace`].
///
/// All services that share entries need equal schemas. Cloning is cheap.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, Namespace, QuotaKey, QuotaMetric, UserId};
///
/// let schema = KeySchema::sharded().with_namespace(Namespace::new("staging")?);
/// let quota = QuotaKey::new(UserId::new("user123")?, QuotaMetric::api_calls(), "2024-12-02".parse()?);
/// let key = schema.key(&quota);
/// assert_eq!(key.as_str(), Some("staging:quota:{user123}:api_calls:2024-12-02"));
/// assert_eq!(schema.parse::<QuotaKey>(&key)?, quota);
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeySchema {
    format: KeyFormat,
    namespace: Option<Namespace>,
}

impl KeySchema {
    /// A schema in [`KeyFormat::Plain`], without a namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeySchema;
    /// assert_eq!(KeySchema::plain(), KeySchema::default());
    /// ```
    #[must_use]
    pub const fn plain() -> Self {
        Self::new(KeyFormat::Plain)
    }

    /// A schema in [`KeyFormat::Sharded`], without a namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyFormat, KeySchema};
    /// assert_eq!(KeySchema::sharded().format(), KeyFormat::Sharded);
    /// ```
    #[must_use]
    pub const fn sharded() -> Self {
        Self::new(KeyFormat::Sharded)
    }

    /// A schema in this format, without a namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyFormat, KeySchema};
    /// assert_eq!(KeySchema::new(KeyFormat::Plain), KeySchema::plain());
    /// ```
    #[must_use]
    pub const fn new(format: KeyFormat) -> Self {
        Self {
            format,
            namespace: None,
        }
    }

    /// The same schema with this namespace before every key and channel.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Namespace};
    /// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
    /// assert_eq!(schema.namespace().map(Namespace::as_encoded), Some("staging"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// The format.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyFormat, KeySchema};
    /// assert_eq!(KeySchema::plain().format(), KeyFormat::Plain);
    /// ```
    #[must_use]
    pub const fn format(&self) -> KeyFormat {
        self.format
    }

    /// The namespace, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::KeySchema;
    /// assert_eq!(KeySchema::plain().namespace(), None);
    /// ```
    #[must_use]
    pub const fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Renders a key. It cannot fail: ids are checked when they are made, shapes while compiling.
    ///
    /// # Panics
    ///
    /// If `K` is a family of your own whose `write` does not follow its shape; see [`FieldWriter`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, SessionId, SessionKey};
    /// let key = KeySchema::plain().key(&SessionKey::code_snippet(SessionId::new("abc123")?));
    /// assert_eq!(key.as_str(), Some("session:abc123:code_snippet"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn key<K: KeyFamily>(&self, key: &K) -> Key {
        Key::from_rendered(self.render(key).0)
    }

    /// The key of a [`RateLimitKey::State`], from ids that stay where they are: a limiter makes one on every call, and threads
    /// that clone the same id meet at its count.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, RateLimitState, Segment, UserId};
    /// let (user, name) = (UserId::new("user123")?, Segment::new("uploads")?);
    /// let key = KeySchema::plain().rate_limit_state(&user, RateLimitState::Bucket, &name);
    /// assert_eq!(key.as_str(), Some("ratelimit:user123:bucket:uploads"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn rate_limit_state(&self, user: &UserId, state: RateLimitState, name: &Segment) -> Key {
        let shape = RateLimitKey::shape_of(state);
        let ids = user.as_encoded().len() + name.as_encoded().len();
        // Exactly as much as it takes: spare room would be kept as long as the key.
        let mut out = self.prefix_with_room(shape.len_with(ids, self.is_sharded()));
        let mut fields = FieldWriter::new(&mut out, shape, self.is_sharded());
        fields.owner(user).id(name);
        fields.finish();
        Key::from_rendered(out)
    }

    /// Parses a key of this family, rendered by an equal schema.
    ///
    /// # Errors
    ///
    /// [`KeyError::OutsideNamespace`], [`KeyError::NotOfFamily`], or the error of the field that does not parse.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Key, KeySchema, SessionKey};
    /// let key = Key::from_raw("session:abc123:code_snippet")?;
    /// let parsed = KeySchema::plain().parse::<SessionKey>(&key)?;
    /// assert_eq!(parsed.session().as_encoded(), "abc123");
    /// assert!(KeySchema::sharded().parse::<SessionKey>(&key).is_err());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn parse<K: KeyFamily>(&self, key: &Key) -> Result<K, KeyError> {
        self.parse_text(self.strip(key)?)
    }

    /// Parses a key of any built-in family.
    ///
    /// Global keys of free text and keys of declared families are not known here: parse them as their own type.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownFamily`], or as for [`KeySchema::parse`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Key, KeySchema, KnownKey, Level};
    /// let key = Key::from_raw("provider:openai:health_status")?;
    /// let known = KeySchema::plain().parse_known(&key)?;
    /// assert!(matches!(known, KnownKey::Provider(_)));
    /// assert_eq!(known.level(), Level::Global);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn parse_known(&self, key: &Key) -> Result<KnownKey, KeyError> {
        let text = self.strip(key)?;
        self.parse_known_text(text).unwrap_or_else(|| {
            Err(KeyError::UnknownFamily {
                text: excerpt(text),
            })
        })
    }

    /// The name of a channel on the server, with the namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Channel, KeySchema, Namespace};
    /// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
    /// assert_eq!(&schema.channel_name(&Channel::ALERTS)[..], b"staging:notifications:alerts");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn channel_name(&self, channel: &Channel) -> Bytes {
        let mut out = self.prefix();
        out.push_str(channel.as_encoded());
        Bytes::from(out)
    }

    /// Parses the name of a channel on the server: undoes [`KeySchema::channel_name`].
    ///
    /// # Errors
    ///
    /// [`KeyError::OutsideNamespace`], or as for [`Channel::parse`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Channel, KeySchema};
    /// let schema = KeySchema::plain();
    /// assert_eq!(schema.parse_channel(b"events:version_promoted")?, Channel::VERSION_PROMOTED);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn parse_channel(&self, name: &[u8]) -> Result<Channel, KeyError> {
        Channel::parse(self.strip_bytes(name)?)
    }

    /// The text of a key, and where in it the owner stands, braces included.
    fn render<K: KeyFamily>(&self, key: &K) -> (String, Option<Range<usize>>) {
        const { Shape::check_family(K::SHAPES) }
        let shape = &K::SHAPES[key.shape()];
        let mut out = self.prefix();
        let mut fields = FieldWriter::new(&mut out, shape, self.is_sharded());
        key.write(&mut fields);
        let owner = fields.finish();
        debug_assert!(out.len() <= Key::MAX_BYTES);
        (out, owner)
    }

    /// Whether owners are hash tags.
    fn is_sharded(&self) -> bool {
        self.format == KeyFormat::Sharded
    }

    /// The namespace with its separator, or nothing.
    pub(crate) fn prefix(&self) -> String {
        self.prefix_with_room(64)
    }

    /// The same with room for so many bytes behind it.
    fn prefix_with_room(&self, bytes: usize) -> String {
        let namespace = self.namespace.as_ref();
        let own = namespace.map_or(0, |namespace| namespace.as_encoded().len() + 1);
        let mut out = String::with_capacity(own + bytes);
        if let Some(namespace) = namespace {
            out.push_str(namespace.as_encoded());
            out.push(':');
        }
        out
    }

    fn strip<'k>(&self, key: &'k Key) -> Result<&'k str, KeyError> {
        std::str::from_utf8(self.strip_bytes(key.as_bytes())?).map_err(|_| {
            KeyError::UnknownFamily {
                text: excerpt_bytes(key.as_bytes()),
            }
        })
    }

    pub(crate) fn strip_bytes<'k>(&self, name: &'k [u8]) -> Result<&'k [u8], KeyError> {
        let Some(namespace) = &self.namespace else {
            return Ok(name);
        };
        name.strip_prefix(namespace.as_encoded().as_bytes())
            .and_then(|rest| rest.strip_prefix(b":"))
            .ok_or_else(|| KeyError::OutsideNamespace {
                text: excerpt_bytes(name),
            })
    }

    /// Parses a key without its namespace.
    fn parse_text<K: KeyFamily>(&self, text: &str) -> Result<K, KeyError> {
        const { Shape::check_family(K::SHAPES) }
        for (index, shape) in K::SHAPES.iter().enumerate() {
            if let Some(mut fields) = FieldReader::split(shape, text, self.is_sharded()) {
                let key = K::read(index, &mut fields)?;
                fields.finish()?;
                return Ok(key);
            }
        }
        Err(KeyError::NotOfFamily {
            family: family::name(K::SHAPES),
            text: excerpt(text),
        })
    }

    /// Parses a key by its first word; `None` if that names no built-in family.
    pub(crate) fn parse_known_text(&self, text: &str) -> Option<Result<KnownKey, KeyError>> {
        Some(match text.split(':').next()? {
            "session" => self.parse_text::<SessionKey>(text).map(KnownKey::Session),
            "project" => self.parse_text::<ProjectKey>(text).map(KnownKey::Project),
            "model" => self.parse_text::<ModelKey>(text).map(KnownKey::Model),
            "provider" => self.parse_text::<ProviderKey>(text).map(KnownKey::Provider),
            "ratelimit" => self
                .parse_text::<RateLimitKey>(text)
                .map(KnownKey::RateLimit),
            "quota" => self.parse_text::<QuotaKey>(text).map(KnownKey::Quota),
            "cost" => self.parse_text::<CostKey>(text).map(KnownKey::Cost),
            _ => return None,
        })
    }
}
