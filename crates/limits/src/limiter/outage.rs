//! What a limiter answers while the store is away.

use std::{sync::Arc, time::Duration};

use cachekit_keys::UserId;
use cachekit_store::{Error, ErrorKind, MemoryStore, Result};

use super::{Limiter, binding, call::Op};
use crate::{Decision, Limit, LimitStatus, decision::Origin, error::invalid};

/// What checks answer while the store cannot: it is unreachable, too slow, or refuses writes.
///
/// Errors that a repetition does not mend (a wrong call, a missing right) stay errors.
///
/// Of several limits, each may have [another policy](crate::Limiter::in_outage_for): a call passes if all let it pass.
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
    /// Each process limits by itself, to its share of the limit. A cost above the share takes all of it. What was taken on the
    /// server, and limits that are stored for a subject, are not known meanwhile.
    Local {
        /// Among how many processes the limits are divided, at least 1. Each has at least one unit.
        processes: u32,
    },
}

/// How much memory the local limits may take.
const LOCAL_BYTES: u64 = 16 << 20;

/// What stands in for the store.
#[derive(Clone, Default)]
pub(super) struct Standby {
    /// Of each limit, in their order; none where all fail.
    policies: Vec<Outage>,
    /// The shares of those limits that are kept here.
    local: Option<Limiter>,
}

impl Standby {
    /// The same policy for all limits.
    pub(super) fn all(limiter: &Limiter, outage: Outage) -> Result<Self> {
        Self::new(limiter, vec![outage; limiter.inner.limits.len()])
    }

    /// Another policy for one of the limits.
    pub(super) fn with(&self, limiter: &Limiter, limit: &str, outage: Outage) -> Result<Self> {
        let limits = &limiter.inner.limits;
        let mut policies = self.policies.clone();
        policies.resize(limits.len(), Outage::Fail);
        match limits.iter().position(|known| known.name() == limit) {
            Some(place) => policies[place] = outage,
            None => return Err(invalid("limiter", format!("no limit is named {limit:?}"))),
        }
        Self::new(limiter, policies)
    }

    fn new(limiter: &Limiter, policies: Vec<Outage>) -> Result<Self> {
        let mut shares = Vec::new();
        for (limit, policy) in limiter.inner.limits.iter().zip(&policies) {
            match policy {
                Outage::Local { processes: 0 } => {
                    let detail = "limits are divided among at least 1 process";
                    return Err(invalid("limiter", detail));
                }
                Outage::Local { processes } => shares.push(limit.share(*processes)?),
                Outage::Fail | Outage::Allow | Outage::Deny { .. } => {}
            }
        }
        let local = (!shares.is_empty()).then(|| {
            let store = MemoryStore::builder().byte_budget(LOCAL_BYTES).build();
            Limiter::of(Arc::new(store), limiter.inner.schema.clone(), shares)
        });
        Ok(Self { policies, local })
    }

    /// The answer in the store's place; its own error where one of the limits has no policy.
    pub(super) async fn decide(
        &self,
        limits: &[Limit],
        subject: &UserId,
        call: (Op, u64, u64),
        error: Error,
    ) -> Result<Decision> {
        let fails = self.policies.contains(&Outage::Fail) || self.policies.is_empty();
        if fails || !is_away(&error) {
            return Err(error);
        }
        let (op, cost, need) = call;
        let is_denial = |policy: &Outage| matches!(policy, Outage::Deny { .. });
        let denied = self.policies.iter().any(is_denial);
        let local = match &self.local {
            // What does not pass takes nothing here either.
            Some(limiter) if denied => {
                Some(limiter.share_of(subject, (Op::Peek, cost, need)).await?)
            }
            Some(limiter) => Some(limiter.share_of(subject, (op, cost, need)).await?),
            None => None,
        };
        let allowed = !denied && local.as_ref().is_none_or(|local| local.allowed);
        let taken = match &local {
            _ if !allowed => 0,
            Some(local) => local.taken,
            // Nobody takes a part that is more than the whole.
            None if need < cost => cost.min(smallest(limits)),
            None => cost,
        };
        let origin = match local.is_some() && !denied {
            true => Origin::Local,
            false => Origin::Outage,
        };
        let statuses = self.statuses(limits, local);
        Ok(Decision {
            asked: cost,
            taken,
            allowed,
            shadow: false,
            binding: binding(allowed, &statuses),
            statuses,
            origin,
        })
    }

    fn statuses(&self, limits: &[Limit], local: Option<Decision>) -> Vec<LimitStatus> {
        let mut shares = local.into_iter().flat_map(|local| local.statuses);
        let status = |(limit, policy): (&Limit, &Outage)| match policy {
            Outage::Local { .. } => shares.next(),
            Outage::Deny { retry_after } => Some(unknown(limit, Some(*retry_after))),
            Outage::Allow | Outage::Fail => Some(unknown(limit, None)),
        };
        limits
            .iter()
            .zip(&self.policies)
            .filter_map(status)
            .collect()
    }
}

impl Limiter {
    /// Decides by shares. One may be less than the cost, which passes the whole limit all the same.
    async fn share_of(
        &self,
        subject: &UserId,
        (op, cost, need): (Op, u64, u64),
    ) -> Result<Decision> {
        let most = smallest(&self.inner.limits);
        self.decide_here(subject, op, cost.min(most), need.min(most))
            .await
    }
}

fn smallest(limits: &[Limit]) -> u64 {
    limits.iter().map(Limit::limit).min().unwrap_or(0)
}

/// Whether another server, or the same one later, would answer.
pub(crate) fn is_away(error: &Error) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::WritesRefused
}

/// How a limit stands that nobody was asked about: all of it passes, or nothing does.
fn unknown(limit: &Limit, retry_after: Option<Duration>) -> LimitStatus {
    LimitStatus {
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
    }
}
