//! Limits of a subject's own.

use std::sync::Arc;

use cachekit_keys::UserId;
use cachekit_store::Result;

use super::Quota;
use crate::{Limit, Limiter, Period, error::invalid};

impl Quota {
    /// Gives the subject a daily or monthly limit of its own, as [`Limiter::set_limit`](crate::Limiter::set_limit) does; see
    /// [`with_stored_limits`](crate::QuotaPlan::with_stored_limits).
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
    /// assert_eq!(quota.limit_of(&user, Period::Day).await?, Some(500));
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

    /// The subject's own limit, as [`Limiter::limit_of`](crate::Limiter::limit_of) tells it.
    ///
    /// # Errors
    /// Those of the store; also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) where the plan does not honour it.
    ///
    /// # Examples
    /// See [`set_limit`](Self::set_limit).
    pub async fn limit_of(&self, subject: &UserId, period: Period) -> Result<Option<u64>> {
        self.honouring(period)?.limit_of(subject, period).await
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
}
