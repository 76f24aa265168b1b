//! What a quota answers.

use std::time::Duration;

use crate::calendar::Unit;

/// One window of a quota.
///
/// # Examples
/// See [`Usage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUsage {
    pub(super) unit: Option<Unit>,
    pub(super) limit: Option<u64>,
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) resets_in: Option<Duration>,
}

/// What a subject has used of a quota.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::{KeySchema, QuotaMetric, UserId};
/// use cachekit_limits::{Quota, QuotaPlan, Unit};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = QuotaPlan::per(Unit::Day, 10)?.and_per(Unit::Month, 100)?;
/// let quota = Quota::metric(Arc::new(MemoryStore::new()), KeySchema::plain(), QuotaMetric::api_calls(), plan);
/// let usage = quota.increment(&UserId::new("user123")?, 4).await?;
/// assert_eq!((usage.used(), usage.remaining()), (4, Some(6)));
/// let month = &usage.windows()[1];
/// assert_eq!((month.unit(), month.limit(), month.used()), (Some(Unit::Month), Some(100), 4));
/// assert!(month.resets_in() <= Some(Duration::from_secs(31 * 86_400)));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    pub(super) windows: Vec<WindowUsage>,
}

/// Whether an amount was charged or reserved, and how the quota stands.
///
/// # Examples
/// See [`Quota`](crate::Quota).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody reads limits nothing"]
pub struct QuotaDecision {
    pub(super) allowed: bool,
    pub(super) binding: usize,
    pub(super) retry_after: Option<Duration>,
    pub(super) usage: Usage,
}

/// How a commit or a cancellation ended. Repeating one answers what the first did.
///
/// # Examples
/// See [`Quota`](crate::Quota).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a settlement may have been refused"]
pub enum Settlement {
    /// The amount was charged, now or by an earlier call of the same id, to the windows of the reservation.
    Committed(u64),
    /// Nothing is charged and nothing held, now or since an earlier call of the same id.
    Cancelled,
    /// More than was reserved, which the plan rejects: nothing has changed, and this much is reserved.
    Rejected(u64),
    /// No reservation of this id is known: it never was, ended more than a day ago, or was settled before
    /// [thousands of others](crate::Quota::reserve).
    Unknown,
}

impl WindowUsage {
    /// The window's unit; `None` for a gauge.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        self.unit
    }

    /// The limit, without overdraft; `None` where it is only counted.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// What is charged.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// What is reserved.
    ///
    /// # Examples
    /// See [`Quota`](crate::Quota).
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// What is neither used nor held of the limit; `None` without a limit.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.limit
            .map(|limit| limit.saturating_sub(self.used).saturating_sub(self.held))
    }

    /// When the window ends; `None` for a gauge.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn resets_in(&self) -> Option<Duration> {
        self.resets_in
    }
}

impl Usage {
    /// All windows, in the plan's order.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn windows(&self) -> &[WindowUsage] {
        &self.windows
    }

    /// What is charged in the first window.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn used(&self) -> u64 {
        self.windows[0].used
    }

    /// What is left of the window that has the least left; `None` where nothing has a limit.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.windows.iter().filter_map(WindowUsage::remaining).min()
    }
}

impl QuotaDecision {
    /// Whether the amount was charged or reserved; else nothing was.
    ///
    /// # Examples
    /// See [`Quota`](crate::Quota).
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// The window that decided: of a denial the one that has room last, else the one with the least left.
    ///
    /// # Examples
    /// See [`Quota`](crate::Quota).
    #[must_use]
    pub fn binding(&self) -> &WindowUsage {
        &self.usage.windows[self.binding]
    }

    /// When this amount passes at the latest: zero where it passed, the end of a window where that is in the way, `None` where
    /// only a decrement helps, or another limit of the subject's own. A reservation that ends may let it pass earlier.
    ///
    /// # Examples
    /// See [`Quota`](crate::Quota).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How the quota stands after this.
    ///
    /// # Examples
    /// See [`Quota`](crate::Quota).
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}
