//! Quotas and costs on windows of the calendar: counting, charging, and reserving ahead.

mod call;
mod meter;
mod plan;
mod record;
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
use crate::{
    Limit, Limiter, Period, calendar::Unit, error::invalid, limiter::ServerClock,
    warning::QuotaWarnings,
};

/// The longest that an amount is held for: a day.
const MAX_HOLD: Duration = Duration::from_secs(86_400);
/// The longest id of a reservation, in bytes.
const MAX_ID: usize = 128;

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
        self.decision(answer, units)
    }

    /// Gives the subject a daily or monthly limit of its own, as [`Limiter::set_limit`](crate::Limiter::set_limit) does; see
    /// [`QuotaPlan::with_stored_limits`].
    ///
    /// # Errors
    /// As for [`Limiter::set_limit`](crate::Limiter::set_limit); also
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) where the plan does not honour it.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, QuotaMetric, UserId};
    /// # use cachekit_limits::{Period, Quota, QuotaPlan, Unit};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let plan = QuotaPlan::per(Unit::Day, 100)?.with_stored_limits();
    /// let store = Arc::new(MemoryStore::new());
    /// let quota = Quota::metric(store, KeySchema::plain(), QuotaMetric::api_calls(), plan);
    /// let user = UserId::new("user123")?;
    /// quota.set_limit(&user, Period::Day, 500).await?;
    /// assert!(quota.charge(&user, 400).await?.is_allowed());
    /// quota.clear_limit(&user, Period::Day).await?;
    /// assert_eq!(quota.usage(&user).await?.windows()[0].limit(), Some(100));
    /// # Ok(()) }
    /// ```
    pub async fn set_limit(&self, subject: &UserId, period: Period, limit: u64) -> Result<()> {
        self.honouring(period)?
            .set_limit(subject, period, limit)
            .await
    }

    /// Takes the subject's own limit away.
    ///
    /// # Errors
    /// Those of the store; also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) where the plan does not honour it.
    ///
    /// # Examples
    /// See [`set_limit`](Self::set_limit).
    pub async fn clear_limit(&self, subject: &UserId, period: Period) -> Result<()> {
        self.honouring(period)?.clear_limit(subject, period).await
    }

    /// A limiter of the period, which knows how limits are stored.
    fn honouring(&self, period: Period) -> Result<Limiter> {
        let plan = &self.inner.plan;
        let mut stored = plan
            .units()
            .into_iter()
            .filter_map(|unit| plan.stored(unit));
        if !stored.any(|stored| stored == period) {
            return Err(invalid(
                "quota",
                "the plan honours no stored limit of that period",
            ));
        }
        let store = Arc::clone(&self.inner.store);
        Ok(Limiter::new(
            store,
            self.inner.schema.clone(),
            Limit::daily(1)?,
        ))
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

    /// Holds `amount` for `hold`, if all windows have room for it. Where the cost is not known, hold what is likely: nothing
    /// held is nothing limited.
    ///
    /// A second call of the same id answers as the first and holds nothing more. What is neither committed nor cancelled is
    /// free again when `hold` is over.
    ///
    /// # Errors
    /// See [`charge`](Self::charge); also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an id that is empty,
    /// longer than 128 bytes, or was cancelled, and for a `hold` outside of 1 ms to one day;
    /// [`Overloaded`](cachekit_store::ErrorKind::Overloaded) where the subject has 10 000 reservations, settled ones of the last
    /// day included.
    ///
    /// # Examples
    /// See [`Quota`].
    pub async fn reserve(
        &self,
        subject: &UserId,
        id: &str,
        amount: u64,
        hold: Duration,
    ) -> Result<QuotaDecision> {
        let units = self.possible(amount)?;
        let ask = Ask::new("reserve", units)
            .of(check_id(id)?)
            .lasting(check_hold(hold)?);
        let answer = self.ask(subject, &ask).await?;
        self.decision(answer, units)
    }

    /// Charges what was really used to the windows of the reservation, and ends it. That a hold is over changes nothing: what
    /// was used is charged, once. With [parts](Self::commit_part), it is their last sum; never less than these.
    ///
    /// # Errors
    /// See [`Quota`].
    ///
    /// # Examples
    /// See [`Quota`].
    pub async fn commit(&self, subject: &UserId, id: &str, actual: u64) -> Result<Settlement> {
        let ask = Ask::new("commit", check(actual)?).of(check_id(id)?);
        let answer = self.ask(subject, &ask).await?;
        settlement(&answer)
    }

    /// Charges a part of what was really used, of a reservation that goes on: `so_far` is the sum of all parts until now. The
    /// rest stays held. As it is the sum, a call may be repeated, and one that comes late charges nothing.
    ///
    /// # Errors
    /// See [`Quota`].
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Quota, QuotaPlan, Settlement, Unit};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let plan = QuotaPlan::per(Unit::Day, 5_000_000)?;
    /// # let budget = Quota::cost(Arc::new(MemoryStore::new()), KeySchema::plain(), plan)?;
    /// # let user = UserId::new("user123")?;
    /// // A stream of tokens: reserve what it may cost, charge as they come.
    /// let _ = budget.reserve(&user, "stream-1", 1_000, Duration::from_secs(60)).await?;
    /// assert_eq!(budget.commit_part(&user, "stream-1", 300).await?, Settlement::Committed(300));
    /// let usage = budget.usage(&user).await?;
    /// assert_eq!((usage.used(), usage.windows()[0].held()), (300, 700));
    /// assert_eq!(budget.commit(&user, "stream-1", 450).await?, Settlement::Committed(450));
    /// assert_eq!(budget.usage(&user).await?.used(), 450);
    /// # Ok(()) }
    /// ```
    pub async fn commit_part(&self, subject: &UserId, id: &str, so_far: u64) -> Result<Settlement> {
        let ask = Ask::new("part", check(so_far)?).of(check_id(id)?);
        let answer = self.ask(subject, &ask).await?;
        settlement(&answer)
    }

    /// Ends a reservation without a further charge. Where [parts](Self::commit_part) were charged, it answers that these are.
    ///
    /// # Errors
    /// See [`Quota`].
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Quota, QuotaPlan, Settlement, Unit};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let plan = QuotaPlan::per(Unit::Day, 5_000_000)?;
    /// # let budget = Quota::cost(Arc::new(MemoryStore::new()), KeySchema::plain(), plan)?;
    /// # let user = UserId::new("user123")?;
    /// let minute = Duration::from_secs(60);
    /// assert!(budget.reserve(&user, "request-2", 1_000, minute).await?.is_allowed());
    /// assert!(budget.extend(&user, "request-2", minute).await?);
    /// assert_eq!(budget.cancel(&user, "request-2").await?, Settlement::Cancelled);
    /// assert!(!budget.extend(&user, "request-2", minute).await?);
    /// # Ok(()) }
    /// ```
    pub async fn cancel(&self, subject: &UserId, id: &str) -> Result<Settlement> {
        let ask = Ask::new("cancel", 0).of(check_id(id)?);
        let answer = self.ask(subject, &ask).await?;
        match answer.status {
            status::DONE | status::REPEATED => Ok(Settlement::Cancelled),
            _ => settlement(&answer),
        }
    }

    /// Makes a reservation last for `hold` from now; answers whether it was still held.
    ///
    /// # Errors
    /// See [`Quota`]; also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a `hold` outside of 1 ms to one day.
    ///
    /// # Examples
    /// See [`cancel`](Self::cancel).
    pub async fn extend(&self, subject: &UserId, id: &str, hold: Duration) -> Result<bool> {
        let ask = Ask::new("extend", 0)
            .of(check_id(id)?)
            .lasting(check_hold(hold)?);
        Ok(self.ask(subject, &ask).await?.status == status::DONE)
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

    fn decision(&self, answer: Answer, amount: i64) -> Result<QuotaDecision> {
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
        let full = |window: &WindowUsage| {
            let limit = window.limit.map(u64::cast_signed);
            let most = self.inner.plan.most(limit).unsigned_abs();
            limit.is_some() && window.used + window.held + amount.unsigned_abs() > most
        };
        let windows = answer.usage.windows.iter().enumerate();
        let binding = match allowed {
            true => windows.min_by_key(|(_, window)| window.remaining().unwrap_or(u64::MAX)),
            false => windows
                .filter(|(_, window)| full(window))
                .max_by_key(|(_, window)| window.resets_in.unwrap_or(Duration::MAX)),
        };
        let binding = binding.map_or(0, |(index, _)| index);
        let window = &answer.usage.windows[binding];
        let most = self.inner.plan.most(window.limit.map(u64::cast_signed));
        let retry_after = match allowed {
            true => Some(Duration::ZERO),
            // Above the subject's own limit.
            false if amount > most => None,
            false => window.resets_in,
        };
        Ok(QuotaDecision {
            allowed,
            binding,
            retry_after,
            usage: answer.usage,
        })
    }
}

fn settlement(answer: &Answer) -> Result<Settlement> {
    let amount = answer.number.unsigned_abs();
    match answer.status {
        status::DONE | status::REPEATED | status::COMMITTED => Ok(Settlement::Committed(amount)),
        status::CANCELLED => Ok(Settlement::Cancelled),
        status::REJECTED => Ok(Settlement::Rejected(amount)),
        status::UNKNOWN => Ok(Settlement::Unknown),
        _ => Err(crate::error::unexpected("quota")),
    }
}

fn check_id(id: &str) -> Result<&str> {
    match id.len() {
        1..=MAX_ID => Ok(id),
        _ => Err(invalid(
            "quota",
            "the id of a reservation has 1 to 128 bytes",
        )),
    }
}

fn check_hold(hold: Duration) -> Result<i64> {
    match (Duration::from_millis(1)..=MAX_HOLD).contains(&hold) {
        true => Ok(i64::try_from(hold.as_micros()).unwrap_or(i64::MAX)),
        false => Err(invalid("quota", "an amount is held for 1 ms to one day")),
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
