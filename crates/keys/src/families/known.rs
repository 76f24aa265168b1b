//! A key of any built-in family, for those who meet keys without knowing whose they are.

use crate::{
    CostKey, KeyFamily, Level, ModelKey, ProjectKey, ProviderKey, QuotaKey, RateLimitKey,
    SessionKey,
};

/// A key of one of the built-in families, as [`KeySchema::parse_known`](crate::KeySchema::parse_known) finds it.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{Key, KeySchema, KnownKey};
///
/// let key = Key::from_raw("cost:user123:2024-12-02")?;
/// match KeySchema::plain().parse_known(&key)? {
///     KnownKey::Cost(cost) => assert_eq!(cost.user().as_encoded(), "user123"),
///     other => panic!("not a cost: {other:?}"),
/// }
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KnownKey {
    /// `session:...`.
    Session(SessionKey),
    /// `project:...`.
    Project(ProjectKey),
    /// `model:...`.
    Model(ModelKey),
    /// `provider:...`.
    Provider(ProviderKey),
    /// `ratelimit:...`.
    RateLimit(RateLimitKey),
    /// `quota:...`.
    Quota(QuotaKey),
    /// `cost:...`.
    Cost(CostKey),
}

impl KnownKey {
    /// The level of the key's family.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{Key, KeySchema, Level};
    /// let key = Key::from_raw("session:abc:notes")?;
    /// assert_eq!(KeySchema::plain().parse_known(&key)?.level(), Level::Session);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Session(_) => SessionKey::LEVEL,
            Self::Project(_) => ProjectKey::LEVEL,
            Self::Model(_) => ModelKey::LEVEL,
            Self::Provider(_) => ProviderKey::LEVEL,
            Self::RateLimit(_) => RateLimitKey::LEVEL,
            Self::Quota(_) => QuotaKey::LEVEL,
            Self::Cost(_) => CostKey::LEVEL,
        }
    }
}
