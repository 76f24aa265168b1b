//! Giving back what a decision took.

use cachekit_keys::{Segment, UserId};
use cachekit_store::Result;

use super::{Limiter, call::Ask, tightest};
use crate::{Decision, Limit, LimitStatus, Origin, error::invalid};

/// The longest id of a refund, in bytes.
const MAX_ID: usize = 128;

impl Limiter {
    /// Gives back what `decision` took, as far as its windows are still the present ones. Never leaves more than the limit.
    /// Units of a lease go back to it, or to the store where it is over.
    ///
    /// Give a decision back once, or with [an id](Self::refund_once): the limits do not know that they have seen it before.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limit = Limit::fixed_window(10, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
    /// let user = UserId::new("user123")?;
    /// let decision = limiter.check(&user, 4).await?;
    /// assert_eq!(limiter.refund(&user, &decision).await?.remaining(), 10);
    /// # Ok(()) }
    /// ```
    pub async fn refund(&self, subject: &UserId, decision: &Decision) -> Result<LimitStatus> {
        self.refund_part(subject, decision, decision.taken).await
    }

    /// Gives back `units` of what `decision` took; more than it took counts as all of it.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a decision of a limiter with other limits; and those of
    /// the store.
    ///
    /// # Examples
    /// As for [`refund`](Self::refund).
    pub async fn refund_part(
        &self,
        subject: &UserId,
        decision: &Decision,
        units: u64,
    ) -> Result<LimitStatus> {
        self.give_back(subject, decision, units, None).await
    }

    /// Gives back `units` of what `decision` took, once, however often the call is repeated with the same `id`: safe to repeat
    /// after a time-out. Units of a lease go back to the store. What the local limits of an outage gave, or nobody, is not given
    /// back.
    ///
    /// An id is one of the subject's and the limiter's, and is remembered for a day, under
    /// `ratelimit:{user}:refund:...`.
    ///
    /// # Errors
    /// As for [`refund_part`](Self::refund_part); also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an id that
    /// is empty or longer than 128 bytes, or becomes too long as it is encoded.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limit = Limit::fixed_window(10, Duration::from_secs(60))?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
    /// let user = UserId::new("user123")?;
    /// let decision = limiter.check(&user, 8).await?;
    /// for _ in 0..2 {
    ///     let status = limiter.refund_once(&user, &decision, 3, "request-1").await?;
    ///     assert_eq!(status.used(), 5);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn refund_once(
        &self,
        subject: &UserId,
        decision: &Decision,
        units: u64,
        id: &str,
    ) -> Result<LimitStatus> {
        if id.is_empty() || id.len() > MAX_ID {
            return Err(invalid("refund", "the id of a refund has 1 to 128 bytes"));
        }
        let first = &self.inner.limits[0];
        let of = format!("{}:{}:{id}", first.algorithm().word(), first.name());
        let id = Segment::new(of)?;
        self.give_back(subject, decision, units, Some(id)).await
    }

    async fn give_back(
        &self,
        subject: &UserId,
        decision: &Decision,
        units: u64,
        id: Option<Segment>,
    ) -> Result<LimitStatus> {
        let limits = &self.inner.limits;
        let same = |(status, limit): (&LimitStatus, &Limit)| *status.name == *limit.name();
        if decision.statuses.len() != limits.len()
            || !decision.statuses.iter().zip(limits).all(same)
        {
            return Err(invalid(
                "refund",
                "the decision is of a limiter with other limits",
            ));
        }
        let units = units.min(decision.taken);
        // What the store did not give it does not take back.
        if units == 0 || !matches!(decision.origin, Origin::Server | Origin::Lease) {
            return self.status(subject).await;
        }
        if id.is_none()
            && decision.origin == Origin::Lease
            && let Some(status) = self.give_back_here(subject, decision, units).await?
        {
            return Ok(status);
        }
        let windows: Vec<i64> = decision
            .statuses
            .iter()
            .map(|status| status.window)
            .collect();
        let mut ask = Ask::refund(units, &windows);
        if let Some(id) = id {
            ask = ask.once(id);
        }
        let charged = self.ask(subject, &ask).await?;
        self.tell_returned(subject).await;
        let binding = tightest(&charged.statuses);
        Ok(charged.statuses[binding].clone())
    }

    /// Puts units back to those that are leased, if they are there still. To the store these are used as before.
    async fn give_back_here(
        &self,
        subject: &UserId,
        decision: &Decision,
        units: u64,
    ) -> Result<Option<LimitStatus>> {
        let Some(leases) = &self.inner.leases else {
            return Ok(None);
        };
        // First, so that a call that fails has given back nothing.
        let status = self.status(subject).await?;
        if !leases.give_back(subject, units, &decision.statuses) {
            return Ok(None);
        }
        self.forget_denial(subject);
        Ok(Some(status))
    }
}
