//! What an operator does to one subject: resetting, blocking, and limits of its own.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, RateLimitState, UserId};
use cachekit_store::{
    Expiration, Reply, Result, Script, ScriptCall, ScriptEffect, SetOptions, StoreExt, Transaction,
};

use super::{
    Limiter,
    call::{Ask, Op},
};
use crate::{Limit, Period, error::invalid, limit::Algorithm, script::limited};

/// Refuses everything for a while, by the server's clock.
const BLOCK: Script = Script::new(
    "limit_block",
    "redis.call('SET', KEYS[1], int(now + ARGV[1]) .. ':' .. ARGV[1], 'PX', ARGV[2])
return 1",
)
.with_time()
.with_effect(ScriptEffect::Idempotent)
.with_body(block);

fn block(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let number = |arg: &Bytes| {
        std::str::from_utf8(arg)
            .ok()
            .and_then(|text| text.parse().ok())
    };
    let [Some(span), Some(millis)] = [&args[0], &args[1]].map(number) else {
        return Err(invalid("limit_block", "two numbers are missing"));
    };
    let till = tx.now().saturating_add(span);
    let ttl = cachekit_keys::Ttl::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))?;
    tx.set(
        &keys[0],
        format!("{till}:{span}").into(),
        SetOptions::ttl(ttl),
    )?;
    Ok(Reply::Integer(1))
}

impl Limiter {
    /// Forgets what the subject has taken of all limits, and its penalties. Limits of its own stay. Everything is given back by
    /// it: [refund](Self::refund) no decision of before.
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
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(1)?);
    /// let user = UserId::new("user123")?;
    /// assert!(limiter.check(&user, 1).await?.is_allowed());
    /// limiter.reset(&user).await?;
    /// assert!(limiter.check(&user, 1).await?.is_allowed());
    /// # Ok(()) }
    /// ```
    pub async fn reset(&self, subject: &UserId) -> Result<()> {
        let mut keys = Vec::new();
        // Tells the present windows of the calendar, by the server's clock.
        let charged = self.ask(subject, &Ask::new(Op::Peek, 0, 0)).await?;
        for (limit, status) in self.inner.limits.iter().zip(charged.statuses) {
            if limit.penalty().is_some() {
                keys.push(self.state_key(subject, limit, RateLimitState::Block));
            }
            match limit.algorithm() {
                Algorithm::Calendar { period, .. } => {
                    // A window is named by its end.
                    let spans = period.windows(status.window - 1)?;
                    let present = spans.into_iter().find(|span| span.end == status.window);
                    keys.extend(present.map(|span| {
                        let counter = period.counter_key(subject.clone(), span.first);
                        self.inner.schema.key(&counter)
                    }));
                }
                algorithm => {
                    let state = algorithm.state();
                    keys.extend(state.map(|state| self.state_key(subject, limit, state)));
                }
            }
        }
        self.inner.store.delete(&keys).await?;
        self.tell_changed(subject).await;
        Ok(())
    }

    /// Refuses everything of the subject for `duration`, whatever it has left. A later block replaces an earlier one.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) where no limit has a
    /// [penalty](Limit::with_penalty): checks would not look for a block; or for a duration out of range. And those of the
    /// store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let minute = Duration::from_secs(60);
    /// let limit = Limit::fixed_window(100, minute)?.with_penalty(minute)?;
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
    /// let user = UserId::new("user123")?;
    /// limiter.block(&user, 10 * minute).await?;
    /// let denied = limiter.check(&user, 1).await?;
    /// assert!(denied.binding().blocked_for().is_some() && denied.remaining() == 100);
    /// limiter.unblock(&user).await?;
    /// assert!(limiter.check(&user, 1).await?.is_allowed());
    /// # Ok(()) }
    /// ```
    pub async fn block(&self, subject: &UserId, duration: Duration) -> Result<()> {
        // The limit checks the range.
        let span = Limit::daily(1)?.with_penalty(duration)?.penalty_micros();
        let args = vec![
            Bytes::from(span.to_string()),
            Bytes::from(span.unsigned_abs().div_ceil(1000).to_string()),
        ];
        let keys = self.block_keys(subject)?;
        let calls = keys
            .into_iter()
            .map(|key| ScriptCall::new(vec![key], args.clone()));
        let calls: Vec<ScriptCall> = calls.collect();
        self.inner.store.run_script(&BLOCK, &calls).await?;
        self.tell_changed(subject).await;
        Ok(())
    }

    /// Ends a block, and a penalty.
    ///
    /// # Errors
    /// As for [`block`](Self::block).
    ///
    /// # Examples
    /// See [`block`](Self::block).
    pub async fn unblock(&self, subject: &UserId) -> Result<()> {
        let keys = self.block_keys(subject)?;
        self.inner.store.delete(&keys).await?;
        self.tell_changed(subject).await;
        Ok(())
    }

    fn block_keys(&self, subject: &UserId) -> Result<Vec<Key>> {
        let limits = self.inner.limits.iter();
        let keys: Vec<Key> = limits
            .filter(|limit| limit.penalty().is_some())
            .map(|limit| self.state_key(subject, limit, RateLimitState::Block))
            .collect();
        match keys.is_empty() {
            true => Err(invalid("block", "no limit of the limiter has a penalty")),
            false => Ok(keys),
        }
    }

    /// Gives the subject a daily or monthly limit of its own, under `ratelimit:{user}:daily_limit` or `monthly_limit`, which
    /// every limiter of that period honours from its next check; what is used stays used. 0 refuses everything. It has no TTL,
    /// because a plan does not expire by itself.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a limit above 2^52; and those of the store.
    ///
    /// # Examples
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use cachekit_keys::{KeySchema, UserId};
    /// # use cachekit_limits::{Limit, Limiter, Period};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), Limit::daily(100)?);
    /// let user = UserId::new("user123")?;
    /// limiter.set_limit(&user, Period::Day, 500).await?;
    /// assert_eq!(limiter.limit_of(&user, Period::Day).await?, Some(500));
    /// assert_eq!(limiter.check(&user, 1).await?.limit(), 500);
    /// limiter.clear_limit(&user, Period::Day).await?;
    /// assert_eq!(limiter.check(&user, 1).await?.limit(), 100);
    /// # Ok(()) }
    /// ```
    pub async fn set_limit(&self, subject: &UserId, period: Period, limit: u64) -> Result<()> {
        if limit > 1 << 52 {
            return Err(invalid("set_limit", "a limit is at most 2^52"));
        }
        let key = self.inner.schema.key(&period.limit_key(subject.clone()));
        let forever = SetOptions::new(Expiration::Never);
        self.inner
            .store
            .set(&key, limit.to_string().into(), forever)
            .await?;
        self.tell_changed(subject).await;
        Ok(())
    }

    /// The subject's own limit, as checks take it: 2^52 for what is more, `None` where it has none, or what is stored is no number.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`set_limit`](Self::set_limit).
    pub async fn limit_of(&self, subject: &UserId, period: Period) -> Result<Option<u64>> {
        let key = self.inner.schema.key(&period.limit_key(subject.clone()));
        let stored = self.inner.store.get(&key).await?;
        Ok(stored
            .and_then(|text| limited(&text))
            .map(i64::unsigned_abs))
    }

    /// Takes the subject's own limit away.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Examples
    /// See [`set_limit`](Self::set_limit).
    pub async fn clear_limit(&self, subject: &UserId, period: Period) -> Result<()> {
        let key = self.inner.schema.key(&period.limit_key(subject.clone()));
        self.inner.store.delete_one(&key).await?;
        self.tell_changed(subject).await;
        Ok(())
    }
}
