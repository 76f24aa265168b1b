//! Keys of the global level by their text, for those who hold a string and not a type.
//!
//! A text of a built-in family *is* a key of that family: it must parse as one, and renders as one in either format, so that
//! both ways of writing name one entry.

use std::{fmt, str::FromStr};

use crate::{
    CostKey, FieldReader, FieldWriter, KeyError, KeyFamily, KeyPath, KeySchema, KnownKey, Level,
    ModelKey, ProviderKey, QuotaKey, RateLimitKey, Shape, encode,
    error::{check_length, excerpt},
    words,
};

/// A key of the global level, given as text in the plain format.
///
/// Its first word is not `session`, `project` or `ck`. A text that starts with the name of a built-in global family must be
/// a key of that family; any other is free: a [`KeyPath`], rendered as it is behind the namespace. The text is raw, and
/// encoded as in a [`KeyPath`].
///
/// The first word of a free key may be any, so a schema *without* a namespace can name keys that lie in the namespace of
/// another deployment: `staging:session:abc:x` is a global key there. Where deployments share a server, give each of them a
/// [`Namespace`](crate::Namespace).
///
/// # Examples
///
/// ```
/// use cachekit_keys::{GlobalKey, KeySchema, QuotaKey};
///
/// let schema = KeySchema::sharded();
/// let quota = schema.key(&GlobalKey::new("quota:user123:api_calls:2024-12-02")?);
/// assert_eq!(quota.as_str(), Some("quota:{user123}:api_calls:2024-12-02"));
/// assert!(schema.parse::<QuotaKey>(&quota).is_ok());
///
/// assert_eq!(schema.key(&GlobalKey::new("flags:beta")?).as_str(), Some("flags:beta"));
/// assert!(GlobalKey::new("quota:user123").is_err());
/// assert!(GlobalKey::new("session:abc:notes").is_err());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalKey(Text);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Text {
    Model(ModelKey),
    Provider(ProviderKey),
    RateLimit(RateLimitKey),
    Quota(QuotaKey),
    Cost(CostKey),
    Free(KeyPath),
}

const WHAT: &str = "global key";

impl GlobalKey {
    /// Takes raw text.
    ///
    /// # Errors
    ///
    /// [`KeyError::Reserved`] for a first word of another level or of the kit, [`KeyError::NotOfFamily`] and the errors of
    /// its fields for a text of a built-in family that is no key of it, and those of [`KeyPath::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{GlobalKey, KeySchema};
    /// let key = GlobalKey::new("flags:beta users")?;
    /// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("flags:beta%20users"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    pub fn new(text: impl AsRef<str>) -> Result<Self, KeyError> {
        let text = text.as_ref();
        check_length(WHAT, text.len(), crate::Key::MAX_BYTES)?;
        let encoded = encode::path(text);
        // Said before parsing, so that the error names the level and not a detail of its keys.
        if let Some(word @ ("session" | "project" | words::RESERVED)) = encoded.split(':').next() {
            return Err(reserved(word));
        }
        match KeySchema::plain().parse_known_text(&encoded) {
            Some(known) => Self::try_from(known?),
            None => KeyPath::from_encoded(&encoded).and_then(Self::free),
        }
    }

    /// The key of a built-in family, if the text named one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::GlobalKey;
    /// assert!(GlobalKey::new("provider:openai:health_status")?.known().is_some());
    /// assert!(GlobalKey::new("flags:beta")?.known().is_none());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn known(&self) -> Option<KnownKey> {
        Some(match self.0.clone() {
            Text::Model(key) => KnownKey::Model(key),
            Text::Provider(key) => KnownKey::Provider(key),
            Text::RateLimit(key) => KnownKey::RateLimit(key),
            Text::Quota(key) => KnownKey::Quota(key),
            Text::Cost(key) => KnownKey::Cost(key),
            Text::Free(_) => return None,
        })
    }

    fn free(path: KeyPath) -> Result<Self, KeyError> {
        if let Some(word) = path.segments().next().filter(|word| words::is_taken(word)) {
            return Err(reserved(word));
        }
        Ok(Self(Text::Free(path)))
    }
}

fn reserved(word: &str) -> KeyError {
    KeyError::Reserved {
        what: WHAT,
        word: excerpt(word),
    }
}

impl TryFrom<KnownKey> for GlobalKey {
    type Error = KeyError;

    /// Fails for keys of the other levels.
    fn try_from(key: KnownKey) -> Result<Self, KeyError> {
        Ok(Self(match key {
            KnownKey::Session(_) => return Err(reserved("session")),
            KnownKey::Project(_) => return Err(reserved("project")),
            KnownKey::Model(key) => Text::Model(key),
            KnownKey::Provider(key) => Text::Provider(key),
            KnownKey::RateLimit(key) => Text::RateLimit(key),
            KnownKey::Quota(key) => Text::Quota(key),
            KnownKey::Cost(key) => Text::Cost(key),
        }))
    }
}

/// Where the shapes of each family start in [`GlobalKey::SHAPES`].
const MODEL: usize = 1;
const PROVIDER: usize = 2;
const RATE_LIMIT: usize = 3;
const QUOTA: usize = RATE_LIMIT + RateLimitKey::SHAPES.len();
const COST: usize = QUOTA + QuotaKey::SHAPES.len();
const END: usize = COST + CostKey::SHAPES.len();

/// The shapes of all families in order.
const ALL: [Shape; END] = {
    let mut all = [Shape::free(); END];
    all[MODEL] = ModelKey::SHAPES[0];
    all[PROVIDER] = ProviderKey::SHAPES[0];
    let mut at = RATE_LIMIT;
    while at < END {
        all[at] = if at < QUOTA {
            RateLimitKey::SHAPES[at - RATE_LIMIT]
        } else if at < COST {
            QuotaKey::SHAPES[at - QUOTA]
        } else {
            CostKey::SHAPES[at - COST]
        };
        at += 1;
    }
    all
};

impl KeyFamily for GlobalKey {
    const SHAPES: &'static [Shape] = &ALL;
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match &self.0 {
            Text::Free(_) => 0,
            Text::Model(key) => MODEL + key.shape(),
            Text::Provider(key) => PROVIDER + key.shape(),
            Text::RateLimit(key) => RATE_LIMIT + key.shape(),
            Text::Quota(key) => QUOTA + key.shape(),
            Text::Cost(key) => COST + key.shape(),
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        match &self.0 {
            Text::Free(path) => {
                fields.path(path);
            }
            Text::Model(key) => key.write(fields),
            Text::Provider(key) => key.write(fields),
            Text::RateLimit(key) => key.write(fields),
            Text::Quota(key) => key.write(fields),
            Text::Cost(key) => key.write(fields),
        }
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self(match shape {
            0 => return fields.path().and_then(Self::free),
            MODEL => Text::Model(ModelKey::read(0, fields)?),
            PROVIDER => Text::Provider(ProviderKey::read(0, fields)?),
            RATE_LIMIT..QUOTA => Text::RateLimit(RateLimitKey::read(shape - RATE_LIMIT, fields)?),
            QUOTA..COST => Text::Quota(QuotaKey::read(shape - QUOTA, fields)?),
            _ => Text::Cost(CostKey::read(shape - COST, fields)?),
        }))
    }
}

impl fmt::Display for GlobalKey {
    /// The encoded text in the plain format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        KeySchema::plain().key(self).fmt(f)
    }
}

impl FromStr for GlobalKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for GlobalKey {
    type Error = KeyError;

    fn try_from(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}
