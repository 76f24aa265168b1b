//! Keys of rate limits: counters and limits of a user.

use crate::{CivilDate, FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, Shape, UserId};

/// `ratelimit:{user_id}:...`: a user's counters and limits.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{CivilDate, KeySchema, RateLimitKey, UserId};
///
/// let user = UserId::new("user123")?;
/// let key = RateLimitKey::Requests { user: user.clone(), date: CivilDate::new(2024, 12, 2)? };
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("ratelimit:user123:requests:2024-12-02"));
/// let key = RateLimitKey::DailyLimit { user };
/// assert_eq!(KeySchema::sharded().key(&key).as_str(), Some("ratelimit:{user123}:daily_limit"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RateLimitKey {
    /// `ratelimit:{user_id}:requests:{date}`: the requests of one day.
    Requests {
        /// The user: the owner of the key.
        user: UserId,
        /// The day.
        date: CivilDate,
    },
    /// `ratelimit:{user_id}:daily_limit`: how many requests a day may have.
    DailyLimit {
        /// The user: the owner of the key.
        user: UserId,
    },
    /// `ratelimit:{user_id}:monthly_limit`: how many requests a month may have.
    MonthlyLimit {
        /// The user: the owner of the key.
        user: UserId,
    },
}

impl RateLimitKey {
    /// The user that owns the key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{RateLimitKey, UserId};
    /// let key = RateLimitKey::DailyLimit { user: UserId::new("u")? };
    /// assert_eq!(key.user().as_encoded(), "u");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match self {
            Self::Requests { user, .. }
            | Self::DailyLimit { user }
            | Self::MonthlyLimit { user } => user,
        }
    }
}

impl KeyFamily for RateLimitKey {
    const SHAPES: &'static [Shape] = &[
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("requests"), Part::IdUpTo(10)],
        ),
        Shape::built_in("ratelimit", &[Part::Owner, Part::Literal("daily_limit")]),
        Shape::built_in("ratelimit", &[Part::Owner, Part::Literal("monthly_limit")]),
    ];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match self {
            Self::Requests { .. } => 0,
            Self::DailyLimit { .. } => 1,
            Self::MonthlyLimit { .. } => 2,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(self.user());
        if let Self::Requests { date, .. } = self {
            fields.id(date);
        }
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let user = fields.owner()?;
        Ok(match shape {
            0 => Self::Requests {
                user,
                date: fields.id()?,
            },
            1 => Self::DailyLimit { user },
            _ => Self::MonthlyLimit { user },
        })
    }
}
