//! Keys of what is known of a provider: `provider:{provider_name}:{metric}`.

use crate::{
    FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, ProviderMetric, ProviderName, Shape,
};

/// `provider:{provider_name}:{metric}`: what is known of a provider of models.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, ProviderKey, ProviderName};
///
/// let key = ProviderKey::health_status(ProviderName::new("openai")?);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("provider:openai:health_status"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderKey {
    /// The provider: the owner of the key.
    pub name: ProviderName,
    /// What is known.
    pub metric: ProviderMetric,
}

impl ProviderKey {
    /// Any metric of a provider.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ProviderKey, ProviderMetric, ProviderName};
    /// let key = ProviderKey::new(ProviderName::new("openai")?, ProviderMetric::new("latency")?);
    /// assert_eq!(key.metric.as_encoded(), "latency");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn new(name: ProviderName, metric: ProviderMetric) -> Self {
        Self { name, metric }
    }

    /// `provider:{provider_name}:health_status`.
    ///
    /// # Examples
    ///
    /// See [`ProviderKey`].
    #[must_use]
    pub fn health_status(name: ProviderName) -> Self {
        Self::new(name, ProviderMetric::health_status())
    }

    /// `provider:{provider_name}:rate_limit_status`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ProviderKey, ProviderName};
    /// let key = ProviderKey::rate_limit_status(ProviderName::new("openai")?);
    /// assert_eq!(key.metric.as_encoded(), "rate_limit_status");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn rate_limit_status(name: ProviderName) -> Self {
        Self::new(name, ProviderMetric::rate_limit_status())
    }
}

impl KeyFamily for ProviderKey {
    const SHAPES: &'static [Shape] = &[Shape::built_in("provider", &[Part::Owner, Part::Id])];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.name).id(&self.metric);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            name: fields.owner()?,
            metric: fields.id()?,
        })
    }
}
