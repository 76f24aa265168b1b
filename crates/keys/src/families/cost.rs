//! Keys of a user's costs, by day and by month.

use crate::{
    CivilDate, CivilMonth, FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, Shape,
    UserId,
};

/// `cost:{user_id}:...`: what a user has cost.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{CivilDate, CostKey, KeySchema, UserId};
///
/// let (user, day) = (UserId::new("user123")?, CivilDate::new(2024, 12, 2)?);
/// let month = CostKey::Monthly { user: user.clone(), month: day.civil_month() };
/// let schema = KeySchema::plain();
/// assert_eq!(schema.key(&CostKey::Daily { user, date: day }).as_str(), Some("cost:user123:2024-12-02"));
/// assert_eq!(schema.key(&month).as_str(), Some("cost:user123:monthly:2024-12"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CostKey {
    /// `cost:{user_id}:{date}`: the cost of one day.
    Daily {
        /// The user: the owner of the key.
        user: UserId,
        /// The day.
        date: CivilDate,
    },
    /// `cost:{user_id}:monthly:{year}-{month}`: the cost of one month.
    Monthly {
        /// The user: the owner of the key.
        user: UserId,
        /// The month.
        month: CivilMonth,
    },
}

impl CostKey {
    /// The user that owns the key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{CostKey, UserId};
    /// let key = CostKey::Monthly { user: UserId::new("u")?, month: "2024-12".parse()? };
    /// assert_eq!(key.user().as_encoded(), "u");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match self {
            Self::Daily { user, .. } | Self::Monthly { user, .. } => user,
        }
    }
}

impl KeyFamily for CostKey {
    const SHAPES: &'static [Shape] = &[
        Shape::built_in("cost", &[Part::Owner, Part::IdUpTo(10)]),
        Shape::built_in(
            "cost",
            &[Part::Owner, Part::Literal("monthly"), Part::IdUpTo(7)],
        ),
    ];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match self {
            Self::Daily { .. } => 0,
            Self::Monthly { .. } => 1,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        match self {
            Self::Daily { user, date } => fields.owner(user).id(date),
            Self::Monthly { user, month } => fields.owner(user).id(month),
        };
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let user = fields.owner()?;
        Ok(match shape {
            0 => Self::Daily {
                user,
                date: fields.id()?,
            },
            _ => Self::Monthly {
                user,
                month: fields.id()?,
            },
        })
    }
}
