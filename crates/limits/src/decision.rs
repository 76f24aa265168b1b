//! What a limiter answers: a value that explains itself.

use std::time::Duration;

use crate::name::Name;

/// Who decided.
///
/// # Examples
/// See [`Decision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The store, in this call.
    Server,
    /// This process, which [remembers](crate::Limiter::remembering_denials) an earlier denial.
    DenialCache,
    /// This process, by units that it [leased](crate::Limiter::leased).
    Lease,
    /// This process by its share of the limits, as the store is [away](crate::Outage::Local).
    Local,
    /// Nobody: the store is away, and the policy is to [allow](crate::Outage::Allow) or to [deny](crate::Outage::Deny).
    Outage,
}

/// Whether a call may go on, why, and when it may be repeated.
///
/// A denial is a value and no error, and took nothing from any limit.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::{KeySchema, UserId};
/// use cachekit_limits::{Limit, Limiter, Origin};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let limit = Limit::fixed_window(5, Duration::from_secs(60))?;
/// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
/// let user = UserId::new("user123")?;
///
/// let first = limiter.check(&user, 4).await?;
/// assert!(first.is_allowed());
/// assert_eq!((first.limit(), first.remaining()), (5, 1));
///
/// let second = limiter.check(&user, 2).await?;
/// assert!(!second.is_allowed());
/// assert_eq!(second.binding().name(), "requests");
/// assert_eq!(second.origin(), Origin::Server);
/// assert!(second.retry_after().expect("it passes one day") <= Duration::from_secs(60));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody reads limits nothing"]
pub struct Decision {
    pub(crate) asked: u64,
    pub(crate) taken: u64,
    pub(crate) allowed: bool,
    /// Whether a denial lets the call pass all the same.
    pub(crate) shadow: bool,
    pub(crate) statuses: Vec<LimitStatus>,
    pub(crate) binding: usize,
    pub(crate) origin: Origin,
}

/// One limit, as a decision or a status found it.
///
/// # Examples
/// See [`Decision`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    pub(crate) name: Name,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reset_after: Duration,
    pub(crate) blocked: Duration,
    /// The window that was charged, as the scripts name it.
    pub(crate) window: i64,
}

impl Decision {
    /// Whether the call may go on.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed || self.shadow
    }

    /// Whether the call passes only because the limiter is [in shadow](crate::Limiter::in_shadow).
    ///
    /// # Examples
    /// See [`Limiter::in_shadow`](crate::Limiter::in_shadow).
    #[must_use]
    pub fn is_denied_in_shadow(&self) -> bool {
        self.shadow && !self.allowed
    }

    /// What was asked for.
    ///
    /// # Examples
    /// See [`Limiter::check_at_most`](crate::Limiter::check_at_most).
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// What was taken: all that was asked for, a part of it where that was allowed, or nothing.
    ///
    /// # Examples
    /// See [`Limiter::check_at_most`](crate::Limiter::check_at_most).
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The limit that decided: of a denial the one that takes longest to let the call pass, else the one with the least left.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn binding(&self) -> &LimitStatus {
        &self.statuses[self.binding]
    }

    /// All limits of the call, in the limiter's order.
    ///
    /// # Examples
    /// See [`Limiter::all_of`](crate::Limiter::all_of).
    #[must_use]
    pub fn limits(&self) -> &[LimitStatus] {
        &self.statuses
    }

    /// The units of the [binding](Self::binding) limit.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.binding().limit
    }

    /// What the [binding](Self::binding) limit has left after this decision.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.binding().remaining
    }

    /// When this cost passes, if nobody takes anything until then: zero where it passed, `None` where no waiting helps,
    /// because it is above the limit that is stored for the subject.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.allowed {
            true => Some(Duration::ZERO),
            false => self.binding().retry_after,
        }
    }

    /// When the [binding](Self::binding) limit is whole again, if nobody takes anything until then.
    ///
    /// # Examples
    /// See [`LimitStatus`].
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.binding().reset_after
    }

    /// Who decided.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl LimitStatus {
    /// The limit's name.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many units the subject may take: of this limit, or what is stored for the subject.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many units are left.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// How many units are in use.
    ///
    /// # Examples
    /// See [`Limiter::status`](crate::Limiter::status).
    #[must_use]
    pub fn used(&self) -> u64 {
        self.limit.saturating_sub(self.remaining)
    }

    /// Whether it is this limit that does not let the call pass, or one of these.
    #[cfg(feature = "tower")]
    pub(crate) fn denies(&self) -> bool {
        self.retry_after != Some(Duration::ZERO)
    }

    /// When the cost that was asked for passes this limit; `None` where no waiting helps.
    ///
    /// # Examples
    /// See [`Decision`].
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// When the limit is whole again: the end of the window, or when all has flowed back. Zero where nothing is in use and no
    /// window is running.
    ///
    /// # Examples
    /// See [`Limiter::status`](crate::Limiter::status).
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.reset_after
    }

    /// How much longer everything is refused as a penalty; `None` where nothing is.
    ///
    /// # Examples
    /// See [`Limiter::block`](crate::Limiter::block).
    #[must_use]
    pub fn blocked_for(&self) -> Option<Duration> {
        (self.blocked > Duration::ZERO).then_some(self.blocked)
    }
}
