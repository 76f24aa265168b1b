//! Keys of quota counters: `quota:{user_id}:{metric}:{date}`.

use crate::{
    CivilDate, FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, QuotaMetric, Shape,
    UserId,
};

/// `quota:{user_id}:{metric}:{date}`: what a user has used on one day.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{CivilDate, KeySchema, QuotaKey, QuotaMetric, UserId};
///
/// let day = CivilDate::new(2024, 12, 2)?;
/// let key = QuotaKey::new(UserId::new("user123")?, QuotaMetric::api_calls(), day);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("quota:user123:api_calls:2024-12-02"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey {
    /// The user: the owner of the key.
    pub user: UserId,
    /// What is counted.
    pub metric: QuotaMetric,
    /// The day.
    pub date: CivilDate,
}

impl QuotaKey {
    /// The counter of one metric on one day.
    ///
    /// # Examples
    ///
    /// See [`QuotaKey`].
    #[must_use]
    pub const fn new(user: UserId, metric: QuotaMetric, date: CivilDate) -> Self {
        Self { user, metric, date }
    }
}

impl KeyFamily for QuotaKey {
    const SHAPES: &'static [Shape] = &[Shape::built_in(
        "quota",
        &[Part::Owner, Part::Id, Part::IdUpTo(10)],
    )];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.user).id(&self.metric).id(&self.date);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            user: fields.owner()?,
            metric: fields.id()?,
            date: fields.id()?,
        })
    }
}
