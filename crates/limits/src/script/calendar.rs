//! The twin of `calendar.lua`: a window of the calendar, whose counter is a plain number under a dated key.

use cachekit_keys::Key;
use cachekit_store::{ExpireChange, Result, Transaction};

use super::plan::{Plan, Reader, counted, div_ceil, limited, now, ttl_millis};

pub(super) struct Calendar<'a> {
    key: &'a Key,
    now: i64,
    limit: i64,
    /// How many milliseconds the key outlives its window.
    extra: i64,
    used: i64,
    ends: i64,
}

impl<'a> Calendar<'a> {
    pub(super) fn read(tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<Option<Self>> {
        let (limit, extra, count) = (reader.arg()?, reader.arg()?, reader.arg()?);
        let stored = tx.get(reader.key()?)?;
        let limit = stored.as_deref().and_then(limited).unwrap_or(limit);
        let now = now(tx);
        let mut present = None;
        for _ in 0..count {
            let (key, from, to) = (reader.key()?, reader.arg()?, reader.arg()?);
            if from <= now && now < to {
                present = Some((key, to));
            }
        }
        let Some((key, ends)) = present else {
            return Ok(None);
        };
        let used = counted(tx.get(key)?.as_deref())?;
        Ok(Some(Self {
            key,
            now,
            limit,
            extra,
            used,
            ends,
        }))
    }

    fn add(&mut self, tx: &mut dyn Transaction, amount: i64) -> Result<()> {
        tx.incrby(self.key, amount)?;
        let millis = div_ceil(self.ends - self.now, 1000) + self.extra;
        tx.pexpire(self.key, ExpireChange::After(ttl_millis(millis)?))?;
        Ok(())
    }
}

impl Plan for Calendar<'_> {
    fn limit(&self) -> i64 {
        self.limit
    }

    fn free(&self) -> i64 {
        (self.limit - self.used).max(0)
    }

    fn retry(&mut self, _: &mut dyn Transaction, _: i64) -> Result<i64> {
        Ok(self.ends - self.now)
    }

    fn reset(&self) -> i64 {
        self.ends - self.now
    }

    fn window(&self) -> i64 {
        self.ends
    }

    fn repair(&self) -> bool {
        false
    }

    fn save(&mut self, _: &mut dyn Transaction) -> Result<()> {
        Ok(())
    }

    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()> {
        self.add(tx, cost)
    }

    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, window: i64) -> Result<i64> {
        if window != self.ends {
            return Ok(0);
        }
        let back = cost.min(self.used);
        if back > 0 {
            self.add(tx, -back)?;
            self.used -= back;
        }
        Ok(back)
    }
}
