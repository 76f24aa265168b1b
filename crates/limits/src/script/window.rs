//! The twin of `window.lua`: a fixed window that starts with its first hit, or at a multiple of its width.

use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

use super::plan::{Plan, Reader, fields, now, put, whole};

/// What a moment has in microseconds, from 2001 until 2286.
const END_DIGITS: usize = 16;

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
        let stored = stored.as_deref().and_then(parse);
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

/// The count and the end, in either form.
fn parse(stored: &[u8]) -> Option<[i64; 2]> {
    fields(stored).or_else(|| {
        let (ends, count) = stored.split_at_checked(END_DIGITS)?;
        let count = whole(count).filter(|_| count.len() <= 3)?;
        Some([count, whole(ends)?])
    })
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
        let (count, ends) = (self.count.to_string(), self.ends.to_string());
        let text = match (count.len(), ends.len()) {
            (1..=3, END_DIGITS) => ends + &count,
            _ => format!("{count}:{ends}"),
        };
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
