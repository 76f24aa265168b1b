//! Checks of a single token bucket, by the shortest script: the most usual limit, and so the cheapest.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{RateLimitState, UserId};
use cachekit_store::{Reply, Result, ScriptCall};

use super::{
    Limiter,
    call::{Ask, Charged, Op},
};
use crate::{
    Limit, LimitStatus,
    error::unexpected,
    limit::Algorithm,
    script::{FAILED, GCRA},
};

/// What the script has to know of a limit that it can decide.
#[derive(Clone)]
pub(super) struct Brief {
    capacity: Bytes,
    micros: Bytes,
}

impl Brief {
    /// `None` for limits that the script does not know: with a rate of parts of microseconds, with a penalty, or several.
    pub(super) fn of(limits: &[Limit]) -> Option<Self> {
        let [limit] = limits else {
            return None;
        };
        match limit.algorithm() {
            Algorithm::Bucket { capacity, rate } if rate.part == 0 && limit.penalty().is_none() => {
                Some(Self {
                    capacity: capacity.to_string().into(),
                    micros: rate.micros.to_string().into(),
                })
            }
            _ => None,
        }
    }

    /// The arguments of a call, before the costs.
    pub(super) fn args(&self, capacity: usize) -> Vec<Bytes> {
        let mut args = Vec::with_capacity(2 + capacity);
        args.extend([self.capacity.clone(), self.micros.clone()]);
        args
    }
}

impl Limiter {
    /// The answer of the shortest script, where it knows one.
    pub(super) async fn ask_briefly(
        &self,
        subject: &UserId,
        ask: &Ask<'_>,
    ) -> Result<Option<Charged>> {
        let (Some(brief), true) = (&self.inner.brief, ask.op == Op::Take) else {
            return Ok(None);
        };
        if ask.cost != ask.need {
            return Ok(None);
        }
        let limit = &self.inner.limits[0];
        let key = self.state_key(subject, limit, RateLimitState::Bucket);
        let mut args = brief.args(2);
        args.extend([Bytes::from_static(b"1"), text_of(ask.cost)]);
        let call = [ScriptCall::new(vec![key], args)];
        let replies = self.inner.store.run_script(&GCRA, &call).await?;
        match &replies[..] {
            [Reply::Array(parts)] => match parts[..] {
                [Reply::Integer(FAILED)] => Ok(None),
                [
                    Reply::Integer(free),
                    Reply::Integer(retry),
                    Reply::Integer(reset),
                ] => Ok(Some(charged(limit, ask.cost, [free, retry, reset]))),
                _ => Err(unexpected(GCRA.name)),
            },
            _ => Err(unexpected(GCRA.name)),
        }
    }
}

/// A cost as an argument; the usual ones without an allocation.
pub(super) fn text_of(cost: u64) -> Bytes {
    const DIGITS: &[u8] = b"0123456789";
    match usize::try_from(cost) {
        Ok(digit @ 0..=9) => Bytes::from_static(&DIGITS[digit..=digit]),
        _ => cost.to_string().into(),
    }
}

/// What the script's three numbers mean.
pub(super) fn charged(limit: &Limit, cost: u64, [free, retry, reset]: [i64; 3]) -> Charged {
    let status = LimitStatus {
        name: limit.shared_name(),
        limit: limit.limit(),
        remaining: free.unsigned_abs(),
        retry_after: Some(Duration::from_micros(retry.unsigned_abs())),
        reset_after: Duration::from_micros(reset.unsigned_abs()),
        blocked: Duration::ZERO,
        window: 0,
    };
    Charged {
        taken: if retry == 0 { cost } else { 0 },
        statuses: vec![status],
    }
}
