//! Quotas and costs on windows of the calendar: counting, charging, and reserving ahead.

mod call;
mod meter;
mod own;
mod plan;
mod record;
mod reservation;
mod script;
mod usage;

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, QuotaMetric, UserId};
use cachekit_store::{Error, ErrorKind, Result, Store};

use self::{
    call::{Answer, Ask},
    meter::Meter,
    plan::check,
    script::status,
};
pub use self::{
    plan::{Overrun, QuotaPlan},
    usage::{QuotaDecision, Settlement, Usage, WindowUsage},
};
use crate::{calendar::Unit, error::invalid, limiter::ServerClock, warning::QuotaWarnings};

/// Counts what subjects use, and says no where it is too much.
///
/// The server's time picks the windows, so that no wrong clock charges another day. All windows of a plan are charged, or none.
/// What is not known yet is reserved: a reservation counts against the limit until it is committed with what was really used,
/// cancelled, or has ended by itself. It is charged to the windows in which it was made, once, however often the call is
/// repeated. Counters are plain numbers that other programs read: `quota:{user}:api_calls:2024-12-02`.
///
/// # Errors
/// Every method that asks the store can fail as the store does, and with
/// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an amount above 2^52, or a sum that would be. Calls with an id
/// may be repeated after any failure; [`increment`](Self::increment), [`decrement`](Self::decrement) and
/// [`charge`](Self::charge) only where the error says that they were not applied.
///
/// # Cancel safety
/// A dropped call has been carried out or not, in all windows.
///
/// # Examples
/// A budget of money, in millionths, with amounts that are known only afterwards:
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::{KeySchema, UserId};
/// use cachekit_limits::{Quota, QuotaPlan, Settlement, Unit};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let plan = QuotaPlan::per(Unit::Day, 5_000_000)?.and_per(Unit::Month, 50_000_000)?;
/// let budget = Quota::cost(Arc::new(MemoryStore::new()), KeySchema::plain(), plan)?;
/// let user = UserId::new("user123")?;
/// let minute = Duration::from_secs(60);
///
/// let decision = budget.reserve(&user, "request-1", 2_000_000, minute).await?;
/// assert!(decision.is_allowed());
/// assert_eq!(decision.binding().held(), 2_000_000);
///
/// let settled = budget.commit(&user, "request-1", 1_250_000).await?;
/// assert_eq!(settled, Settlement::Committed(1_250_000));
/// assert_eq!(budget.usage(&user).await?.remaining(), Some(3_750_000));
///
/// let denied = budget.charge(&user, 4_000_000).await?;
/// assert!(!denied.is_allowed());
/// assert_eq!(denied.binding().unit(), Some(Unit::Day));
/// assert!(denied.retry_after() <= Some(Duration::from_secs(86_400)));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Quota {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    schema: KeySchema,
    meter: Meter,
    plan: QuotaPlan,
    clock: ServerClock,
    warnings: Option<QuotaWarnings>,
}

impl Quota {
    /// A quota of one metric, under `quota:{user}:{metric}:...`.
    ///
    /// # Examples
    /// See [`Usage`].
    #[must_use]
    pub fn metric(
        store: Arc<dyn Store>,
        schema: KeySchema,
        metric: QuotaMetric,
        plan: QuotaPlan,
    ) -> Self {
        Self::of(store, schema, Meter::Metric(metric), plan)
    }

    /// A quota of costs, under `cost:{user}:...`.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a gauge: costs have windows.
    ///
    /// # Examples
    /// See [`Quota`].
    pub fn cost(store: Arc<dyn Store>, schema: KeySchema, plan: QuotaPlan) -> Result<Self> {
        if plan.units().is_empty() {
            return Err(invalid("quota", "costs have windows"));
        }
        Ok(Self::of(store, schema, Meter::Cost, plan))
    }

    fn of(store: Arc<dyn Store>, schema: KeySchema, meter: Meter, plan: QuotaPlan) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                schema,
                meter,
                plan,
                clock: ServerClock::default(),
                warnings: None,
            }),
        }
    }

    /// Warns of subjects that have nearly used up the limit of a window, with what is reserved.
    ///
    /// A commit may charge windows that are past; these warn nobody.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use cachekit_keys::{KeySchema, QuotaMetric, UserId};
    /// use cachekit_limits::{Quota, QuotaPlan, QuotaWarnings, Unit};
    /// use cachekit_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
    /// let warnings = QuotaWarnings::new(store.clone(), schema.clone());
    /// let plan = QuotaPlan::per(Unit::Day, 100)?;
    /// let quota = Quota::metric(store, schema, QuotaMetric::api_calls(), plan).warning(&warnings);
    /// quota.increment(&UserId::new("user123")?, 85).await?;
    /// warnings.settled().await;
    /// assert_eq!(warnings.counts().published, 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn warning(self, warnings: &QuotaWarnings) -> Self {
        let inner = &*self.inner;
        Self {
            inner: Arc::new(Inner {
                store: Arc::clone(&inner.store),
                schema: inner.schema.clone(),
                meter: inner.meter.clone(),
                plan: inner.plan.clone(),
                clock: ServerClock::default(),
                warnings: Some(warnings.clone()),
            }),
        }
    }

    /// What is allowed.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, QuotaMetric};
    /// # use cachekit_limits::{Quota, QuotaPlan, Unit};
    /// # use cachekit_store::MemoryStore;
    /// let plan = QuotaPlan::per(Unit::Day, 10)?;
    /// let store = Arc::new(MemoryStore::new());
    /// let quota = Quota::metric(store, KeySchema::plain(), QuotaMetric::api_calls(), plan.clone());
    /// assert_eq!(quota.plan(), &plan);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn plan(&self) -> &QuotaPlan {
        &self.inner.plan
    }

    /// Adds what was used, whatever the limit; answers how the quota stands. Every window counts it.
    ///
    /// # Errors
    /// See [`Quota`].
    ///
    /// # Examples
    /// See [`Usage`].
    pub async fn increment(&self, subject: &UserId, amount: u64) -> Result<Usage> {
        let answer = self.ask(subject, &Ask::new("add", check(amount)?)).await?;
        Ok(answer.usage)
    }

    /// Gives back what is used no more, down to 0; answers how the quota stands.
    ///
    /// # Errors
    /// See [`Quota`].
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, QuotaMetric, UserId};
    /// # use cachekit_limits::{Quota, QuotaPlan, Unit};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let bytes = QuotaMetric::storage_bytes();
    /// let quota = Quota::metric(store, KeySchema::plain(), bytes, QuotaPlan::gauge(1_000)?);
    /// let user = UserId::new("user123")?;
    /// assert!(quota.charge(&user, 800).await?.is_allowed());
    /// assert!(!quota.charge(&user, 300).await?.is_allowed());
    /// assert_eq!(quota.decrement(&user, 200).await?.used(), 600);
    /// assert_eq!(quota.decrement(&user, 9_999).await?.used(), 0);
    /// # Ok(()) }
    /// ```
    pub async fn decrement(&self, subject: &UserId, amount: u64) -> Result<Usage> {
        let answer = self.ask(subject, &Ask::new("add", -check(amount)?)).await?;
        Ok(answer.usage)
    }

    /// Charges `amount` to all windows if all have room for it.
    ///
    /// # Errors
    /// See [`Quota`]; also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an amount above a limit with its
    /// overdraft, which could never pass.
    ///
    /// # Examples
    /// See [`Quota`].
    pub async fn charge(&self, subject: &UserId, amount: u64) -> Result<QuotaDecision> {
        let units = self.possible(amount)?;
        let answer = self.ask(subject, &Ask::new("charge", units)).await?;
        self.decision(answer)
    }

    /// How the quota stands.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`Quota`].
    pub async fn usage(&self, subject: &UserId) -> Result<Usage> {
        Ok(self.ask(subject, &Ask::new("usage", 0)).await?.usage)
    }

    /// An amount that can pass.
    fn possible(&self, amount: u64) -> Result<i64> {
        let units = check(amount)?;
        let plan = &self.inner.plan;
        // What is stored for a subject may be more than the plan's limit.
        let fixed = |unit: Option<Unit>| unit.is_none_or(|unit| plan.stored(unit).is_none());
        let rows = plan.rows().filter(|(unit, _)| fixed(*unit));
        let mut limits = rows.filter_map(|(_, limit)| limit);
        match limits.find(|limit| units > plan.most(Some(*limit))) {
            Some(limit) => {
                let detail = format!("an amount of {amount} can never pass the limit of {limit}");
                Err(invalid("quota", detail))
            }
            None => Ok(units),
        }
    }

    fn decision(&self, answer: Answer) -> Result<QuotaDecision> {
        match answer.status {
            status::CANCELLED => {
                return Err(invalid("reserve", "the id was cancelled: take another"));
            }
            status::TOO_MANY => {
                return Err(Error::new(ErrorKind::Overloaded, "reserve")
                    .with_detail("the subject has 10000 reservations"));
            }
            _ => {}
        }
        let allowed = answer.status != status::DENIED;
        // Of a reservation that was, parts may be charged already.
        let more = answer.number;
        let most = |window: &WindowUsage| self.inner.plan.most(window.limit.map(u64::cast_signed));
        let full = |window: &WindowUsage| {
            let sum = window.used + window.held + more.unsigned_abs();
            window.limit.is_some() && sum > most(window).unsigned_abs()
        };
        // None helps where the amount is above the subject's own limit.
        let wait = |window: &WindowUsage| window.resets_in.filter(|_| more <= most(window));
        let windows = answer.usage.windows.iter().enumerate();
        let binding = match allowed {
            true => windows.min_by_key(|(_, window)| window.remaining().unwrap_or(u64::MAX)),
            false => windows
                .filter(|(_, window)| full(window))
                .max_by_key(|(_, window)| wait(window).unwrap_or(Duration::MAX)),
        };
        let binding = binding.map_or(0, |(index, _)| index);
        let retry_after = match allowed {
            true => Some(Duration::ZERO),
            false => wait(&answer.usage.windows[binding]),
        };
        Ok(QuotaDecision {
            allowed,
            binding,
            retry_after,
            usage: answer.usage,
        })
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("meter", &self.inner.meter)
            .field("plan", &self.inner.plan)
            .finish_non_exhaustive()
    }
}
