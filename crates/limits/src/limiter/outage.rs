//! What a limiter answers while the store is away.

use std::{sync::Arc, time::Duration};

use cachekit_keys::UserId;
use cachekit_store::{Error, ErrorKind, MemoryStore, Result};

use super::{Limiter, call::Op};
use crate::{Decision, Limit, LimitStatus, decision::Origin, error::invalid};

/// What checks answer while the store cannot: it is unreachable, too slow, or refuses writes.
///
/// Errors that a repetition does not mend (a wrong call, a missing right) stay errors.
///
/// # Examples
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cachekit_keys::KeySchema;
/// use cachekit_limits::{Limit, Limiter, Outage};
/// use cachekit_store::MemoryStore;
///
/// let limit = Limit::token_bucket(100, Duration::from_secs(60))?;
/// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit)
///     .in_outage(Outage::Local { processes: 4 })?;
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// The store's error: the caller decides. The default.
    #[default]
    Fail,
    /// Everything passes ("fail open").
    Allow,
    /// Nothing passes ("fail closed").
    Deny {
        /// When to try again.
        retry_after: Duration,
    },
    /// Each process limits by itself, to its share of the limit.
    Local {
        /// Among how many processes the limits are divided, at least 1. Each has at least one unit.
        processes: u32,
    },
}

/// How much memory the local limits may take.
const LOCAL_BYTES: u64 = 16 << 20;

/// The policy, with the limiter that stands in.
#[derive(Clone, Default)]
pub(super) enum Standby {
    #[default]
    None,
    Allow,
    Deny(Duration),
    Local(Limiter),
}

impl Standby {
    pub(super) fn new(outage: Outage, limiter: &Limiter) -> Result<Self> {
        Ok(match outage {
            Outage::Fail => Self::None,
            Outage::Allow => Self::Allow,
            Outage::Deny { retry_after } => Self::Deny(retry_after),
            Outage::Local { processes: 0 } => {
                return Err(invalid(
                    "limiter",
                    "limits are divided among at least 1 process",
                ));
            }
            Outage::Local { processes } => {
                let limits = limiter.inner.limits.iter();
                let shares: Result<Vec<Limit>> =
                    limits.map(|limit| limit.share(processes)).collect();
                let store = MemoryStore::builder().byte_budget(LOCAL_BYTES).build();
                let schema = limiter.inner.schema.clone();
                Self::Local(Limiter::of(Arc::new(store), schema, shares?))
            }
        })
    }

    /// The answer in the store's place; its own error where the policy has none.
    pub(super) async fn decide(
        &self,
        limits: &[Limit],
        subject: &UserId,
        call: (Op, u64, u64),
        error: Error,
    ) -> Result<Decision> {
        if !is_away(&error) {
            return Err(error);
        }
        let (op, cost, need) = call;
        match self {
            Self::None => Err(error),
            Self::Allow => Ok(without_store(limits, cost, None)),
            Self::Deny(retry_after) => Ok(without_store(limits, cost, Some(*retry_after))),
            Self::Local(limiter) => {
                // A share may be less than the cost, which passes the whole limit all the same.
                let most = limiter
                    .inner
                    .limits
                    .iter()
                    .map(Limit::limit)
                    .min()
                    .unwrap_or(0);
                let decided = limiter.decide_here(subject, op, cost.min(most), need.min(most));
                let mut decision = decided.await?;
                decision.asked = cost;
                decision.origin = Origin::Local;
                Ok(decision)
            }
        }
    }
}

/// Whether another server, or the same one later, would answer.
pub(crate) fn is_away(error: &Error) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::WritesRefused
}

/// A decision that nothing was asked for: all passes, or nothing does.
fn without_store(limits: &[Limit], cost: u64, retry_after: Option<Duration>) -> Decision {
    let status = |limit: &Limit| LimitStatus {
        name: limit.shared_name(),
        limit: limit.limit(),
        remaining: match retry_after {
            None => limit.limit(),
            Some(_) => 0,
        },
        retry_after: Some(retry_after.unwrap_or_default()),
        reset_after: retry_after.unwrap_or_default(),
        blocked: Duration::ZERO,
        window: 0,
    };
    Decision {
        asked: cost,
        taken: if retry_after.is_none() { cost } else { 0 },
        allowed: retry_after.is_none(),
        shadow: false,
        statuses: limits.iter().map(status).collect(),
        binding: 0,
        origin: Origin::Outage,
    }
}
