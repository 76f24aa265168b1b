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
    /// `cost:{user_id}:weekly:{date}`: the cost of the week that begins on that day.
    Weekly {
        /// The user: the owner of the key.
        user: UserId,
        /// The first day.
        date: CivilDate,
    },
    /// `cost:{user_id}:period:{date}`: the cost of the billing period that begins on that day.
    Period {
        /// The user: the owner of the key.
        user: UserId,
        /// The first day.
        date: CivilDate,
    },
    /// `cost:{user_id}:holds:amounts`: reserved amounts by the id of their reservation.
    Holds {
        /// The user: the owner of the key.
        user: UserId,
    },
    /// `cost:{user_id}:holds:expiries`: when reservations end by themselves.
    HoldExpiries {
        /// The user: the owner of the key.
        user: UserId,
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
            Self::Daily { user, .. }
            | Self::Monthly { user, .. }
            | Self::Weekly { user, .. }
            | Self::Period { user, .. }
            | Self::Holds { user }
            | Self::HoldExpiries { user } => user,
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
        Shape::built_in(
            "cost",
            &[Part::Owner, Part::Literal("weekly"), Part::IdUpTo(10)],
        ),
        Shape::built_in(
            "cost",
            &[Part::Owner, Part::Literal("period"), Part::IdUpTo(10)],
        ),
        Shape::built_in(
            "cost",
            &[
                Part::Owner,
                Part::Literal("holds"),
                Part::Literal("amounts"),
            ],
        ),
        Shape::built_in(
            "cost",
            &[
                Part::Owner,
                Part::Literal("holds"),
                Part::Literal("expiries"),
            ],
        ),
    ];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match self {
            Self::Daily { .. } => 0,
            Self::Monthly { .. } => 1,
            Self::Weekly { .. } => 2,
            Self::Period { .. } => 3,
            Self::Holds { .. } => 4,
            Self::HoldExpiries { .. } => 5,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(self.user());
        match self {
            Self::Daily { date, .. } | Self::Weekly { date, .. } | Self::Period { date, .. } => {
                fields.id(date);
            }
            Self::Monthly { month, .. } => {
                fields.id(month);
            }
            Self::Holds { .. } | Self::HoldExpiries { .. } => {}
        }
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let user = fields.owner()?;
        Ok(match shape {
            0 => Self::Daily {
                user,
                date: fields.id()?,
            },
            1 => Self::Monthly {
                user,
                month: fields.id()?,
            },
            2 => Self::Weekly {
                user,
                date: fields.id()?,
            },
            3 => Self::Period {
                user,
                date: fields.id()?,
            },
            4 => Self::Holds { user },
            _ => Self::HoldExpiries { user },
        })
    }
}
