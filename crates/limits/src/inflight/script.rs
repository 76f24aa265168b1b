//! The script of leases, and its twin in Rust.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ExpireChange, Reply, Result, Script, ScriptEffect, Transaction, ZAddCondition,
};

use crate::{
    error::invalid,
    script::{div_ceil, exact, now, score, ttl_millis},
};

/// Repeating it does no harm: a lease is taken once by its id.
pub(super) const LEASE: Script = Script::new("limit_inflight", include_str!("../lua/inflight.lua"))
    .with_time()
    .with_effect(ScriptEffect::Idempotent)
    .with_body(run);

struct Run<'a> {
    key: &'a Key,
    now: i64,
    max: i64,
    span: i64,
    id: &'a [u8],
    permits: i64,
}

fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let number = |index: usize| {
        let text = args
            .get(index)
            .and_then(|arg| std::str::from_utf8(arg).ok());
        text.and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| invalid("limit_inflight", "a number is missing"))
    };
    let run = Run {
        key: &keys[0],
        now: now(tx),
        max: number(1)?,
        span: number(2)?,
        id: &args[3],
        permits: number(4)?,
    };
    let answer = match &args[0][..] {
        b"peek" => 0,
        b"release" => run.release(tx)?,
        b"renew" => run.renew(tx)?,
        _ => run.acquire(tx)?,
    };
    run.reply(tx, answer)
}

impl Run<'_> {
    fn acquire(&self, tx: &mut dyn Transaction) -> Result<i64> {
        let gone = (Bound::Unbounded, Bound::Included(score(self.now)));
        tx.zremrange_by_score(self.key, gone)?;
        // No lease lasts longer than a whole span from now: the clock went back.
        let ends = self.now + self.span;
        let beyond = (Bound::Excluded(score(ends)), Bound::Unbounded);
        let late = tx.zrange_by_score(self.key, beyond, usize::try_from(self.max).unwrap_or(0))?;
        for (member, _) in late {
            self.add(tx, ZAddCondition::Always, ends, member)?;
        }
        if self.is_live(tx, 1)? {
            return Ok(self.permits);
        }
        if self.held(tx)? + self.permits > self.max {
            return Ok(0);
        }
        self.lease(tx, ZAddCondition::Always)?;
        Ok(self.permits)
    }

    fn renew(&self, tx: &mut dyn Transaction) -> Result<i64> {
        for number in 1..=self.permits {
            if !self.is_live(tx, number)? {
                return Ok(0);
            }
        }
        self.lease(tx, ZAddCondition::IfPresent)?;
        Ok(self.permits)
    }

    fn release(&self, tx: &mut dyn Transaction) -> Result<i64> {
        let mut released = 0;
        for number in 1..=self.permits {
            released += i64::from(self.is_live(tx, number)?);
            tx.zrem(self.key, &[self.member(number)])?;
        }
        Ok(released)
    }

    fn lease(&self, tx: &mut dyn Transaction, condition: ZAddCondition) -> Result<()> {
        for number in 1..=self.permits {
            self.add(tx, condition, self.now + self.span, self.member(number))?;
        }
        let life = ExpireChange::After(ttl_millis(div_ceil(self.span, 1000))?);
        tx.pexpire(self.key, life)?;
        Ok(())
    }

    fn add(
        &self,
        tx: &mut dyn Transaction,
        condition: ZAddCondition,
        ends: i64,
        member: Bytes,
    ) -> Result<()> {
        tx.zadd(self.key, condition, &[(score(ends), member)])?;
        Ok(())
    }

    fn member(&self, number: i64) -> Bytes {
        [self.id, b"/", number.to_string().as_bytes()]
            .concat()
            .into()
    }

    fn is_live(&self, tx: &mut dyn Transaction, number: i64) -> Result<bool> {
        let ends = tx.zscore(self.key, &self.member(number))?;
        Ok(ends.is_some_and(|ends| ends > score(self.now)))
    }

    fn held(&self, tx: &mut dyn Transaction) -> Result<i64> {
        let live = (Bound::Excluded(score(self.now)), Bound::Unbounded);
        Ok(i64::try_from(tx.zcount(self.key, live)?).unwrap_or(i64::MAX))
    }

    /// With the wait until so many leases have ended that there is room for what was asked for.
    fn reply(&self, tx: &mut dyn Transaction, answer: i64) -> Result<Reply> {
        let live = (Bound::Excluded(score(self.now)), Bound::Unbounded);
        let free = self.max - self.held(tx)?;
        let count = (self.permits - free).max(1);
        let ends = tx.zrange_by_score(self.key, live, usize::try_from(count).unwrap_or(1))?;
        let last = ends.get(usize::try_from(count - 1).unwrap_or(0));
        let left = |ends: f64| (exact(ends) - self.now).min(self.span);
        let wait = last.map_or(0, |(_, ends)| left(*ends));
        let numbers = [answer, free, wait];
        Ok(Reply::Array(numbers.map(Reply::Integer).to_vec()))
    }
}
