//! Limits and quotas on the kit's store, under its keys.

use std::{sync::Arc, time::Duration};

use cachekit_keys::QuotaMetric;
use cachekit_limits::{InFlightLimiter, Limit, Limiter, Quota, QuotaPlan, QuotaWarnings};
use cachekit_store::Result;

use crate::CacheKit;

impl CacheKit {
    /// A limiter of one limit.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{CacheKit, UserId, limits::Limit};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let limiter = kit.limiter(Limit::token_bucket(100, Duration::from_secs(60))?);
    /// let decision = limiter.check(&UserId::new("user123")?, 3).await?;
    /// assert!(decision.is_allowed());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn limiter(&self, limit: Limit) -> Limiter {
        Limiter::new(Arc::clone(&self.store), self.schema.clone(), limit)
    }

    /// A limiter of several limits, which a call passes all or not at all.
    ///
    /// # Errors
    /// Those of [`Limiter::all_of`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{CacheKit, limits::Limit};
    ///
    /// let burst = Limit::token_bucket(10, Duration::from_secs(1))?.named("burst")?;
    /// let limiter = CacheKit::memory().limiter_of(vec![burst, Limit::daily(1_000)?])?;
    /// assert_eq!(limiter.limits().len(), 2);
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn limiter_of(&self, limits: Vec<Limit>) -> Result<Limiter> {
        Limiter::all_of(Arc::clone(&self.store), self.schema.clone(), limits)
    }

    /// A limiter of what runs at the same time.
    ///
    /// # Errors
    /// Those of [`InFlightLimiter::new`].
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{CacheKit, UserId};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let limiter = CacheKit::memory().in_flight_limiter(2, Duration::from_secs(30))?;
    /// assert_eq!(limiter.free(&UserId::new("user123")?).await?, 2);
    /// # Ok(()) }
    /// ```
    pub fn in_flight_limiter(&self, max: u64, lease: Duration) -> Result<InFlightLimiter> {
        InFlightLimiter::new(Arc::clone(&self.store), self.schema.clone(), max, lease)
    }

    /// A quota of one metric.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, UserId, keys::QuotaMetric, limits::{QuotaPlan, Unit}};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let calls = kit.quota(QuotaMetric::api_calls(), QuotaPlan::per(Unit::Day, 1_000)?);
    /// assert_eq!(calls.increment(&UserId::new("user123")?, 1).await?.used(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn quota(&self, metric: QuotaMetric, plan: QuotaPlan) -> Quota {
        Quota::metric(Arc::clone(&self.store), self.schema.clone(), metric, plan)
    }

    /// A quota of costs.
    ///
    /// # Errors
    /// Those of [`Quota::cost`].
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, limits::{QuotaPlan, Unit}};
    ///
    /// let budget = CacheKit::memory().costs(QuotaPlan::per(Unit::Month, 50_000_000)?)?;
    /// assert_eq!(budget.plan().units(), [Unit::Month]);
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn costs(&self, plan: QuotaPlan) -> Result<Quota> {
        Quota::cost(Arc::clone(&self.store), self.schema.clone(), plan)
    }

    /// What warns, on the channel `system:quota_warning`, of limits and quotas that are nearly used up. The kit's shutdown
    /// waits for what is still to be published, and its observers are told.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Limit, UserId};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit::Error> {
    /// let kit = CacheKit::memory();
    /// let warnings = kit.quota_warnings().at(&[80, 95])?;
    /// let limiter = kit.limiter(Limit::daily(100)?).warning(&warnings);
    /// assert!(limiter.check(&UserId::new("user123")?, 95).await?.is_allowed());
    /// warnings.settled().await;
    /// assert_eq!(warnings.counts().published, 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn quota_warnings(&self) -> QuotaWarnings {
        QuotaWarnings::new(Arc::clone(&self.store), self.schema.clone())
            .with_tasks(self.tasks.clone())
            .with_observers(self.limits_observers.clone())
    }
}
