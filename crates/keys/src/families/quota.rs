//! Keys of quotas: `quota:{user_id}:{metric}:{date}`, and what else a quota keeps.

use crate::{
    CivilDate, CivilMonth, FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, QuotaMetric,
    Shape, UserId,
};

/// `quota:{user_id}:{metric}:...`: what a user has used of one metric.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{CivilDate, KeySchema, QuotaKey, QuotaMetric, QuotaRecord, UserId};
///
/// let (user, day) = (UserId::new("user123")?, CivilDate::new(2024, 12, 2)?);
/// let key = QuotaKey::new(user.clone(), QuotaMetric::api_calls(), day);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("quota:user123:api_calls:2024-12-02"));
/// let month = QuotaRecord::Month(day.civil_month());
/// let key = QuotaKey::of(user, QuotaMetric::api_calls(), month);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("quota:user123:api_calls:monthly:2024-12"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey {
    /// The user: the owner of the key.
    pub user: UserId,
    /// What is counted.
    pub metric: QuotaMetric,
    /// What the key holds.
    pub record: QuotaRecord,
}

/// What a [`QuotaKey`] holds of its metric.
///
/// # Examples
///
/// See [`QuotaKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum QuotaRecord {
    /// `{date}`: what was used on one day.
    Day(CivilDate),
    /// `monthly:{year}-{month}`: what was used in one month.
    Month(CivilMonth),
    /// `weekly:{date}`: what was used in the week that begins on that day.
    Week(CivilDate),
    /// `period:{date}`: what was used in the billing period that begins on that day.
    Period(CivilDate),
    /// `gauge:current`: what is in use at present, in no window.
    Gauge,
    /// `holds:amounts`: reserved amounts by the id of their reservation.
    Holds,
    /// `holds:expiries`: when reservations end by themselves.
    HoldExpiries,
}

impl QuotaKey {
    /// The counter of one metric on one day.
    ///
    /// # Examples
    ///
    /// See [`QuotaKey`].
    #[must_use]
    pub const fn new(user: UserId, metric: QuotaMetric, date: CivilDate) -> Self {
        Self::of(user, metric, QuotaRecord::Day(date))
    }

    /// Any record of one metric.
    ///
    /// # Examples
    ///
    /// See [`QuotaKey`].
    #[must_use]
    pub const fn of(user: UserId, metric: QuotaMetric, record: QuotaRecord) -> Self {
        Self {
            user,
            metric,
            record,
        }
    }
}

impl KeyFamily for QuotaKey {
    const SHAPES: &'static [Shape] = &[
        Shape::built_in("quota", &[Part::Owner, Part::Id, Part::IdUpTo(10)]),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("monthly"),
                Part::IdUpTo(7),
            ],
        ),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("weekly"),
                Part::IdUpTo(10),
            ],
        ),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("period"),
                Part::IdUpTo(10),
            ],
        ),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("gauge"),
                Part::Literal("current"),
            ],
        ),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("holds"),
                Part::Literal("amounts"),
            ],
        ),
        Shape::built_in(
            "quota",
            &[
                Part::Owner,
                Part::Id,
                Part::Literal("holds"),
                Part::Literal("expiries"),
            ],
        ),
    ];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match self.record {
            QuotaRecord::Day(_) => 0,
            QuotaRecord::Month(_) => 1,
            QuotaRecord::Week(_) => 2,
            QuotaRecord::Period(_) => 3,
            QuotaRecord::Gauge => 4,
            QuotaRecord::Holds => 5,
            QuotaRecord::HoldExpiries => 6,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.user).id(&self.metric);
        match &self.record {
            QuotaRecord::Day(date) | QuotaRecord::Week(date) | QuotaRecord::Period(date) => {
                fields.id(date);
            }
            QuotaRecord::Month(month) => {
                fields.id(month);
            }
            QuotaRecord::Gauge | QuotaRecord::Holds | QuotaRecord::HoldExpiries => {}
        }
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let (user, metric) = (fields.owner()?, fields.id()?);
        let record = match shape {
            0 => QuotaRecord::Day(fields.id()?),
            1 => QuotaRecord::Month(fields.id()?),
            2 => QuotaRecord::Week(fields.id()?),
            3 => QuotaRecord::Period(fields.id()?),
            4 => QuotaRecord::Gauge,
            5 => QuotaRecord::Holds,
            _ => QuotaRecord::HoldExpiries,
        };
        Ok(Self::of(user, metric, record))
    }
}
