//! Holding what is not known yet, and charging what it was.

use std::time::Duration;

use cachekit_keys::UserId;
use cachekit_store::Result;

use super::{
    Quota, QuotaDecision, Settlement,
    call::{Answer, Ask},
    plan::check,
    script::status,
};
use crate::error::invalid;

/// The longest that an amount is held for: a day.
const MAX_HOLD: Duration = Duration::from_secs(86_400);
/// The longest id of a reservation, in bytes.
const MAX_ID: usize = 128;

impl Quota {
    /// Holds `amount` for `hold`, if all windows have room for it. Where the cost is not known, hold what is likely: nothing
    /// held is nothing limited.
    ///
    /// A second call of the same id answers as the first and holds nothing more. What is neither committed nor cancelled is
    /// free again when `hold` is over. Settled reservations are remembered for a day; of a subject that makes 10 000 in that
    /// time, those that were settled first are forgotten earlier.
    ///
    /// # Errors
    /// See [`charge`](Self::charge); also [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for an id that is empty,
    /// longer than 128 bytes, or was cancelled, and for a `hold` outside of 1 ms to one day;
    /// [`Overloaded`](cachekit_store::ErrorKind::Overloaded) where 10 000 reservations of the subject are held, or were not
    /// settled and ended within the last day.
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
        self.decision(answer)
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
