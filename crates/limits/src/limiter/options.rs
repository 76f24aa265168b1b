//! Options of a limiter, beyond its limits.

use std::{sync::Arc, time::Duration};

use cachekit_store::Result;

use super::{
    Inner, Limiter,
    clock::ServerClock,
    denials::Denials,
    outage::{Outage, Standby},
};
use crate::{
    coalesce::{Checks, Coalescing},
    warning::QuotaWarnings,
};

/// The most subjects whose denials are remembered.
const REMEMBERED: usize = 10_000;

impl Limiter {
    /// What checks answer while the store is away, for all limits. Default: [`Outage::Fail`].
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for 0 processes, or so many that a share is out of range.
    ///
    /// # Examples
    /// See [`Outage`].
    pub fn in_outage(self, outage: Outage) -> Result<Self> {
        let standby = Standby::all(&self, outage)?;
        Ok(self.with(|inner| inner.standby = standby))
    }

    /// What one of the limits answers while the store is away, by its name; the others keep what they have. A call passes if all
    /// let it pass, and takes nothing from local limits if one denies it. As long as one of them is to [fail](Outage::Fail), so
    /// does the check.
    ///
    /// # Errors
    /// As for [`in_outage`](Self::in_outage); also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) where no limit has
    /// that name.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cachekit_keys::KeySchema;
    /// use cachekit_limits::{Limit, Limiter, Outage};
    /// use cachekit_store::MemoryStore;
    ///
    /// // The monthly amount can wait, the burst must not break the service.
    /// let burst = Limit::token_bucket(100, Duration::from_secs(1))?.named("burst")?;
    /// let limits = vec![burst, Limit::monthly(50_000)?];
    /// let limiter = Limiter::all_of(Arc::new(MemoryStore::new()), KeySchema::plain(), limits)?
    ///     .in_outage(Outage::Allow)?
    ///     .in_outage_for("burst", Outage::Local { processes: 4 })?;
    /// # let _ = limiter;
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn in_outage_for(self, limit: &str, outage: Outage) -> Result<Self> {
        let standby = self.inner.standby.with(&self, limit, outage)?;
        Ok(self.with(|inner| inner.standby = standby))
    }

    /// Lets everything pass, and tells what would have been denied
    /// ([`is_denied_in_shadow`](crate::Decision::is_denied_in_shadow)): to try a limit on live traffic. What passes is counted
    /// as long as the limit has room.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let limiter = Limiter::new(store, KeySchema::plain(), Limit::daily(1)?).in_shadow();
    /// let user = UserId::new("user123")?;
    /// assert!(!limiter.check(&user, 1).await?.is_denied_in_shadow());
    /// let second = limiter.check(&user, 1).await?;
    /// assert!(second.is_allowed() && second.is_denied_in_shadow());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn in_shadow(self) -> Self {
        self.with(|inner| inner.shadow = true)
    }

    /// Remembers denials in the process, each until its cost may pass, but for at most `longest`: who keeps knocking costs no
    /// round trip. At most 10 000 subjects are remembered, further ones are asked for as ever.
    ///
    /// What this limiter and its clones give back, reset or change is seen at once. What others do is seen when `longest` is
    /// over, or [as soon as it is heard of](Self::hearing_of_changes).
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter, Origin};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let limiter = Limiter::new(store, KeySchema::plain(), Limit::daily(1)?)
    ///     .remembering_denials(Duration::from_secs(5));
    /// let user = UserId::new("user123")?;
    /// assert!(limiter.check(&user, 1).await?.is_allowed());
    /// assert_eq!(limiter.check(&user, 1).await?.origin(), Origin::Server);
    /// assert_eq!(limiter.check(&user, 1).await?.origin(), Origin::DenialCache);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn remembering_denials(self, longest: Duration) -> Self {
        self.with(|inner| inner.denials = Some(Denials::new(REMEMBERED, longest)))
    }

    /// Puts checks that come while others are on their way into one call of the store. See [`Coalescing`].
    ///
    /// It is for [`check`](Self::check); what may take a part, peeks and refunds go their own way. Decisions stay exact: each
    /// caller's is what it would have got had it come alone, in the order in which they came.
    ///
    /// # Cancel safety
    /// A check that is dropped before its call has left takes nothing. One that is dropped later may have taken its units. Who
    /// shares the call with it is not disturbed.
    ///
    /// # Errors
    /// Checks may fail with [`Overloaded`](cachekit_store::ErrorKind::Overloaded), and have taken nothing then, where too many
    /// wait. An error of the store reaches everyone whose check was in that call.
    ///
    /// # Examples
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cachekit_keys::{KeySchema, UserId};
    /// use cachekit_limits::{Coalescing, Limit, Limiter};
    /// use cachekit_store::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limit = Limit::token_bucket(100, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit)
    ///     .coalesced(Coalescing::new());
    /// let user = UserId::new("user123")?;
    /// let (one, other) = tokio::join!(limiter.check(&user, 1), limiter.check(&user, 1));
    /// assert_eq!((one?.remaining(), other?.remaining()), (99, 98));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn coalesced(self, coalescing: Coalescing) -> Self {
        self.with(|inner| inner.checks = Some(Checks::new(coalescing.options())))
    }

    /// Warns of subjects that have nearly used up one of the limits.
    ///
    /// Of units that are [leased](Self::leased), it is their taking ahead that counts. Local limits in an outage warn nobody.
    ///
    /// # Examples
    /// See [`QuotaWarnings`].
    #[must_use]
    pub fn warning(self, warnings: &QuotaWarnings) -> Self {
        self.with(|inner| inner.warnings = Some(warnings.clone()))
    }

    pub(super) fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = &*self.inner;
        let mut changed = Inner {
            store: Arc::clone(&inner.store),
            schema: inner.schema.clone(),
            limits: inner.limits.clone(),
            clock: ServerClock::default(),
            standby: inner.standby.clone(),
            denials: inner.denials.clone(),
            shadow: inner.shadow,
            brief: inner.brief.clone(),
            checks: inner.checks.clone(),
            leases: inner.leases.clone(),
            warnings: inner.warnings.clone(),
        };
        change(&mut changed);
        Self {
            inner: Arc::new(changed),
        }
    }
}
