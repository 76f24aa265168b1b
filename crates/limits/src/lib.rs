//! Exact, atomic rate limits that explain themselves, and quotas, over any store.
//!
//! - A [`Limit`] says how much a subject may take in how much time, by one of the known algorithms.
//! - A [`Limiter`] holds one limit, or several that are checked all or nothing, and answers with a [`Decision`]: whether the
//!   call may go on, which limit decided, what is left, and when exactly this cost will pass.
//! - A [`Quota`] counts on windows of the calendar, in a time zone, and reserves what is not known yet.
//! - An [`InFlightLimiter`] limits what runs at the same time, by leases that end by themselves.
//!
//! Every check is one script, so that no two callers can take the same unit, wherever they run. The server's clock decides, and
//! a clock that jumps back is noticed. A denied call takes nothing. Every key has a TTL on every write. All calculation is in
//! whole numbers.
//!
//! # Examples
//! ```
//! use std::{sync::Arc, time::Duration};
//! use cachekit_keys::{KeySchema, UserId};
//! use cachekit_limits::{Limit, Limiter};
//! use cachekit_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
//! let limit = Limit::token_bucket(100, Duration::from_secs(60))?;
//! let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
//!
//! let decision = limiter.check(&UserId::new("user123")?, 3).await?;
//! if !decision.is_allowed() {
//!     println!("429, retry after {:?}", decision.retry_after());
//! }
//! # Ok(()) }
//! ```

mod calendar;
mod coalesce;
mod decision;
mod error;
#[cfg(feature = "tower")]
pub mod http;
mod inflight;
mod lease;
mod limit;
mod limiter;
mod name;
mod period;
mod quota;
mod script;
mod warning;

pub use self::{
    calendar::{Unit, Weekday, Zone},
    coalesce::Coalescing,
    decision::{Decision, LimitStatus, Origin},
    inflight::{Admission, InFlightLease, InFlightLimiter},
    lease::Leasing,
    limit::Limit,
    limiter::{Limiter, Outage},
    period::Period,
    quota::{Overrun, Quota, QuotaDecision, QuotaPlan, Settlement, Usage, WindowUsage},
    warning::{QuotaWarning, QuotaWarnings, Warned},
};
