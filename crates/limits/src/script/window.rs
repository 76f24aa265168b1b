//! The twin of `window.lua`: a fixed window that starts with its first hit, or at a multiple of its width.

use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

use super::plan::{Plan, Reader, fields, now, put};

pub(super) struct Window<'a> {
    key: &'a Key,
    now: i64,
    limit: i64,
    aligned: bool,
    count: i64,
    ends: i64,
    /// Whether something was counted in this window.
    live: bool,
    repair: bool,
}

impl<'a> Window<'a> {
    pub(super) fn read(tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<Self> {
        let (key, now) = (reader.key()?, now(tx));
        let (limit, width, aligned) = (reader.arg()?, reader.arg()?, reader.arg()? == 1);
        let stored = tx.get(key)?;
        let stored = stored.as_deref().and_then(fields::<2>);
        let live = stored.filter(|[_, ends]| *ends > now);
        let whole = now + width;
        let fresh = [0, if aligned { whole - now % width } else { whole }];
        let [count, ends] = live.unwrap_or(fresh);
        Ok(Self {
            key,
            now,
            limit,
            aligned,
            count,
            ends: ends.min(whole),
            live: live.is_some(),
            // No window ends later than a whole width from now: a clock went back, or the width was changed.
            repair: ends > whole,
        })
    }

    fn has_end(&self) -> bool {
        self.live || self.aligned
    }
}

impl Plan for Window<'_> {
    fn limit(&self) -> i64 {
        self.limit
    }

    fn free(&self) -> i64 {
        (self.limit - self.count).max(0)
    }

    fn retry(&mut self, _: &mut dyn Transaction, _: i64) -> Result<i64> {
        Ok(self.ends - self.now)
    }

    fn reset(&self) -> i64 {
        if self.has_end() {
            self.ends - self.now
        } else {
            0
        }
    }

    fn window(&self) -> i64 {
        if self.has_end() { self.ends } else { 0 }
    }

    fn repair(&self) -> bool {
        self.repair
    }

    fn save(&mut self, tx: &mut dyn Transaction) -> Result<()> {
        let text = format!("{}:{}", self.count, self.ends);
        put(tx, self.key, text, self.ends - self.now)
    }

    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()> {
        self.count += cost;
        self.live = true;
        self.save(tx)
    }

    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, window: i64) -> Result<i64> {
        if !self.live || window != self.ends {
            return Ok(0);
        }
        let back = cost.min(self.count);
        self.count -= back;
        self.save(tx)?;
        Ok(back)
    }
}
