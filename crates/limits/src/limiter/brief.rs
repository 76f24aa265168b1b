//! Checks of token buckets, by the shortest scripts: the most usual limits, and so the cheapest.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, RateLimitState, UserId};
use cachekit_store::{Reply, Result, Script, ScriptCall};

use super::{
    Limiter,
    call::{Ask, Charged, Op},
};
use crate::{
    Limit, LimitStatus,
    error::unexpected,
    limit::Algorithm,
    script::{FAILED, GCRA, GCRA_ALL, GCRAS},
};

/// What the script has to know of limits that it can decide.
#[derive(Clone)]
pub(super) struct Brief {
    /// For one call, which takes no number of calls where there is one limit.
    script: Script,
    pub(super) batch: Script,
    /// The arguments before the costs.
    args: Vec<Box<[u8]>>,
    /// Of a single limit the same as numbers: capacity, and microseconds a token.
    numbers: Option<[i64; 2]>,
}

impl Brief {
    /// `None` for limits that the scripts do not know: other algorithms, rates of parts of microseconds, and penalties.
    pub(super) fn of(limits: &[Limit]) -> Option<Self> {
        let mut numbers = None;
        let text = |number: i64| number.to_string().into_bytes().into_boxed_slice();
        let mut args = Vec::with_capacity(1 + 2 * limits.len());
        let (script, batch) = match limits.len() {
            1 => (GCRA, GCRAS),
            count => {
                args.push(text(i64::try_from(count).ok()?));
                (GCRA_ALL, GCRA_ALL)
            }
        };
        for limit in limits {
            match limit.algorithm() {
                Algorithm::Bucket { capacity, rate }
                    if rate.part == 0 && limit.penalty().is_none() =>
                {
                    args.extend([*capacity, rate.micros].map(text));
                    numbers = (limits.len() == 1).then_some([*capacity, rate.micros]);
                }
                _ => return None,
            }
        }
        Some(Self {
            script,
            batch,
            args,
            numbers,
        })
    }

    /// The arguments before the costs, and room for so many more. Copies: shared ones would be counted by all threads at once.
    pub(super) fn args(&self, more: usize) -> Vec<Bytes> {
        let mut args = Vec::with_capacity(self.args.len() + more);
        args.extend(self.args.iter().map(|arg| Bytes::copy_from_slice(arg)));
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
        let limits = &self.inner.limits;
        let mut keys = Vec::with_capacity(limits.len());
        keys.extend(limits.iter().map(|limit| self.bucket_key(subject, limit)));
        let mut args = brief.args(2);
        if limits.len() > 1 {
            args.push(Bytes::from_static(b"1"));
        }
        args.push(text_of(ask.cost));
        let call = [ScriptCall::new(keys, args)];
        let replies = self.inner.store.run_script(&brief.script, &call).await?;
        match &replies[..] {
            [Reply::Array(parts)] if matches!(parts[..], [Reply::Integer(FAILED)]) => Ok(None),
            [Reply::Array(parts)] => {
                let (rows, rest) = parts.as_chunks::<3>();
                match rest.is_empty() {
                    true => charged(limits, ask.cost, rows.iter().map(row)).map(Some),
                    false => Err(unexpected(GCRA.name)),
                }
            }
            _ => Err(unexpected(GCRA.name)),
        }
    }

    /// The answer of a store within the process to a single limit, which comes at once. `None` where nothing has been taken:
    /// the store has to be waited for, or the state is one that the shortest script does not know.
    pub(super) fn ask_numbers(&self, subject: &UserId, cost: u64) -> Result<Option<Charged>> {
        let (Some(brief), [limit]) = (&self.inner.brief, &self.inner.limits[..]) else {
            return Ok(None);
        };
        let (Some([capacity, micros]), Ok(units)) = (brief.numbers, i64::try_from(cost)) else {
            return Ok(None);
        };
        let keys = [self.bucket_key(subject, limit)];
        let (args, mut row) = ([capacity, micros, units], [0; 3]);
        let store = &self.inner.store;
        match store.run_numbers(&brief.script, &keys, &args, &mut row) {
            None => Ok(None),
            Some(len) => match (len?, row) {
                (1, [FAILED, ..]) => Ok(None),
                (3, row) => charged(&self.inner.limits, cost, std::iter::once(row)).map(Some),
                _ => Err(unexpected(GCRA.name)),
            },
        }
    }

    fn bucket_key(&self, subject: &UserId, limit: &Limit) -> Key {
        self.state_key(subject, limit, RateLimitState::Bucket)
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

fn row(row: &[Reply; 3]) -> [i64; 3] {
    row.each_ref().map(|reply| match reply {
        Reply::Integer(number) => *number,
        // No number of the script's is negative.
        _ => -1,
    })
}

/// What the script's numbers mean: three of each limit.
pub(super) fn charged(
    limits: &[Limit],
    cost: u64,
    rows: impl ExactSizeIterator<Item = [i64; 3]>,
) -> Result<Charged> {
    if rows.len() != limits.len() {
        return Err(unexpected(GCRA.name));
    }
    let mut taken = cost;
    let mut statuses = Vec::with_capacity(limits.len());
    for (limit, row) in limits.iter().zip(rows) {
        let [free, retry, reset] = row;
        if row.iter().any(|number| *number < 0) {
            return Err(unexpected(GCRA.name));
        }
        if retry != 0 {
            taken = 0;
        }
        statuses.push(LimitStatus {
            name: limit.shared_name(),
            limit: limit.limit(),
            remaining: free.unsigned_abs(),
            retry_after: Some(Duration::from_micros(retry.unsigned_abs())),
            reset_after: Duration::from_micros(reset.unsigned_abs()),
            blocked: Duration::ZERO,
            window: 0,
        });
    }
    Ok(Charged { taken, statuses })
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use cachekit_keys::{KeySchema, Namespace, UserId};
    use cachekit_store::{LayerExt, MemoryStore, SetOptions, Store};

    use crate::{Limit, Limiter};

    #[tokio::test(start_paused = true)]
    async fn a_store_that_answers_at_once_decides_as_one_that_is_waited_for() {
        let stores = [MemoryStore::new(), MemoryStore::new()];
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        stores.iter().for_each(|store| store.set_wall_clock(epoch));
        let limit = Limit::token_bucket(5, Duration::from_secs(50)).unwrap();
        let subject = UserId::new("user123").unwrap();
        let schema = KeySchema::plain();
        let key = schema.rate_limit_state(
            &subject,
            cachekit_keys::RateLimitState::Bucket,
            limit.segment(),
        );
        // A layer that knows calls only as they are waited for.
        let layered = stores[1]
            .clone()
            .in_namespace(&Namespace::new("n").unwrap());
        let direct: Arc<dyn Store> = Arc::new(stores[0].clone());
        let limiters = [&direct, &layered]
            .map(|store| Limiter::new(Arc::clone(store), schema.clone(), limit.clone()));
        for (round, cost) in [1, 3, 5, 2, 1, 4, 5, 1].into_iter().enumerate() {
            if round == 5 {
                // Of another program, which both hand on to the script that knows it.
                for store in [&direct, &layered] {
                    let forever = SetOptions::new(cachekit_store::Expiration::Never);
                    store.set(&key, "odd".into(), forever).await.unwrap();
                }
            }
            let first = limiters[0].check(&subject, cost).await.unwrap();
            let second = limiters[1].check(&subject, cost).await.unwrap();
            assert_eq!(first, second);
            let stored = [&direct, &layered].map(|store| store.get(&key));
            let [first, second] = stored;
            assert_eq!(first.await.unwrap(), second.await.unwrap());
            tokio::time::advance(Duration::from_secs(7 * round as u64)).await;
        }
        assert!(
            direct
                .run_numbers(&super::GCRA, &[], &[], &mut [])
                .is_some()
        );
        assert!(
            layered
                .run_numbers(&super::GCRA, &[], &[], &mut [])
                .is_none()
        );
    }
}
