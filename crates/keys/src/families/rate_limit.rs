//! Keys of rate limits: counters and limits of a user.

use crate::{
    CivilDate, CivilMonth, FieldReader, FieldWriter, KeyError, KeyFamily, Level, Part, Segment,
    Shape, UserId,
};

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
    /// `ratelimit:{user_id}:requests:monthly:{year}-{month}`: the requests of one month.
    MonthlyRequests {
        /// The user: the owner of the key.
        user: UserId,
        /// The month.
        month: CivilMonth,
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
    /// `ratelimit:{user_id}:{state}:{name}`: what an algorithm keeps for the limit of that name.
    State {
        /// The user: the owner of the key.
        user: UserId,
        /// Whose state it is.
        state: RateLimitState,
        /// The limit.
        name: Segment,
    },
}

/// What a [`RateLimitKey::State`] holds. Each has a word of its own in the key, so that a limit whose algorithm is
/// exchanged starts afresh and never meets the other's state.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, RateLimitKey, RateLimitState, Segment, UserId};
///
/// let (user, name) = (UserId::new("user123")?, Segment::new("uploads")?);
/// let key = RateLimitKey::State { user, state: RateLimitState::Bucket, name };
/// assert_eq!(KeySchema::sharded().key(&key).as_str(), Some("ratelimit:{user123}:bucket:uploads"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RateLimitState {
    /// `bucket`: the level of a token bucket.
    Bucket,
    /// `window`: the count of a fixed window.
    Window,
    /// `sliding`: the counts of a sliding window.
    Sliding,
    /// `log`: the log of a sliding window.
    Log,
    /// `inflight`: the leases of what is running.
    InFlight,
    /// `block`: until when all is refused.
    Block,
    /// `refund`: that a refund with an id was made.
    Refund,
}

impl RateLimitState {
    /// Every kind of state.
    ///
    /// # Examples
    ///
    /// ```
    /// use cachekit_keys::RateLimitState;
    ///
    /// assert!(RateLimitState::ALL.contains(&RateLimitState::Bucket));
    /// ```
    pub const ALL: &'static [Self] = &[
        Self::Bucket,
        Self::Window,
        Self::Sliding,
        Self::Log,
        Self::InFlight,
        Self::Block,
        Self::Refund,
    ];
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
            | Self::MonthlyRequests { user, .. }
            | Self::DailyLimit { user }
            | Self::MonthlyLimit { user }
            | Self::State { user, .. } => user,
        }
    }
}

impl RateLimitKey {
    /// The shape of the keys of a kind of state.
    pub(crate) const fn shape_of(state: RateLimitState) -> &'static Shape {
        &Self::SHAPES[FIRST_STATE + state as usize]
    }
}

/// The shape of the first kind of state.
const FIRST_STATE: usize = 4;

impl KeyFamily for RateLimitKey {
    const SHAPES: &'static [Shape] = &[
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("requests"), Part::IdUpTo(10)],
        ),
        Shape::built_in("ratelimit", &[Part::Owner, Part::Literal("daily_limit")]),
        Shape::built_in("ratelimit", &[Part::Owner, Part::Literal("monthly_limit")]),
        Shape::built_in(
            "ratelimit",
            &[
                Part::Owner,
                Part::Literal("requests"),
                Part::Literal("monthly"),
                Part::IdUpTo(7),
            ],
        ),
        // In the order of `RateLimitState::ALL`.
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("bucket"), Part::Id],
        ),
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("window"), Part::Id],
        ),
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("sliding"), Part::Id],
        ),
        Shape::built_in("ratelimit", &[Part::Owner, Part::Literal("log"), Part::Id]),
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("inflight"), Part::Id],
        ),
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("block"), Part::Id],
        ),
        Shape::built_in(
            "ratelimit",
            &[Part::Owner, Part::Literal("refund"), Part::Id],
        ),
    ];
    const LEVEL: Level = Level::Global;

    fn shape(&self) -> usize {
        match self {
            Self::Requests { .. } => 0,
            Self::DailyLimit { .. } => 1,
            Self::MonthlyLimit { .. } => 2,
            Self::MonthlyRequests { .. } => 3,
            Self::State { state, .. } => FIRST_STATE + *state as usize,
        }
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(self.user());
        match self {
            Self::Requests { date, .. } => fields.id(date),
            Self::MonthlyRequests { month, .. } => fields.id(month),
            Self::State { name, .. } => fields.id(name),
            Self::DailyLimit { .. } | Self::MonthlyLimit { .. } => fields,
        };
    }

    fn read(shape: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        let user = fields.owner()?;
        Ok(match shape {
            0 => Self::Requests {
                user,
                date: fields.id()?,
            },
            1 => Self::DailyLimit { user },
            2 => Self::MonthlyLimit { user },
            3 => Self::MonthlyRequests {
                user,
                month: fields.id()?,
            },
            state => Self::State {
                user,
                state: RateLimitState::ALL[state - FIRST_STATE],
                name: fields.id()?,
            },
        })
    }
}
