//! The twin of `sliding.lua`: two buckets, the previous one weighed by how much of it lies in the window.
//!
//! `previous * (width - elapsed) + (current + cost) * width <= limit * width`, in whole numbers.

use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

use super::plan::{MAX_SLIDING, Plan, Reader, fields, now, put, scaled};

pub(super) struct Sliding<'a> {
    key: &'a Key,
    limit: i64,
    width: i64,
    index: i64,
    /// Microseconds until the next bucket begins.
    left: i64,
    current: i64,
    previous: i64,
    repair: bool,
}

impl<'a> Sliding<'a> {
    pub(super) fn read(tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<Self> {
        let (key, now) = (reader.key()?, now(tx));
        let (limit, width) = (reader.arg()?, reader.arg()?);
        let mut plan = Self {
            key,
            limit,
            width,
            index: now / width,
            left: width - now % width,
            current: 0,
            previous: 0,
            repair: false,
        };
        let stored = tx.get(key)?;
        if let Some([index, current, previous, width]) = stored.as_deref().and_then(fields) {
            let counts = [current, previous].map(|count| count.min(MAX_SLIDING));
            match width == plan.width {
                true => plan.adopt(index, counts),
                false => plan.adopt_other([index, width], counts, now),
            }
        }
        Ok(plan)
    }

    /// Takes over counts of when the limit had another width: what may lie in the last one of this width counts in full.
    fn adopt_other(&mut self, [index, width]: [i64; 2], [current, previous]: [i64; 2], now: i64) {
        let wide = |number: i64| i128::from(number);
        let begun = wide(index) * wide(width);
        if wide(now) < begun + wide(width) + wide(self.width) {
            self.current = current;
        }
        if wide(now) < begun + wide(self.width) {
            self.current += previous;
        }
        self.repair = self.current > 0;
        self.current = self.current.min(self.limit);
    }

    /// Takes over counts that were stored in the bucket `index`.
    fn adopt(&mut self, index: i64, [current, previous]: [i64; 2]) {
        match index - self.index {
            0 => (self.current, self.previous) = (current, previous),
            -1 => self.previous = current,
            // The clock went back a little: the later bucket has just begun.
            1 => {
                (self.index, self.left) = (index, self.width);
                (self.current, self.previous) = (current, previous);
            }
            2.. => {
                self.current = (current + previous).min(self.limit);
                self.repair = true;
            }
            _ => {}
        }
    }

    /// What is left of the previous bucket in the window, rounded up.
    fn weighed(&self) -> i64 {
        let exact = (i128::from(self.previous) * i128::from(self.left) + i128::from(self.width)
            - 1)
            / i128::from(self.width);
        i64::try_from(exact).unwrap_or(self.previous)
    }
}

impl Plan for Sliding<'_> {
    fn limit(&self) -> i64 {
        self.limit
    }

    fn free(&self) -> i64 {
        (self.limit - self.current - self.weighed()).max(0)
    }

    fn retry(&mut self, _: &mut dyn Transaction, cost: i64) -> Result<i64> {
        let room = self.limit - self.current - cost;
        if room >= 0 {
            return Ok(self.left - scaled(room, self.width, self.previous));
        }
        // It passes in the next bucket, when enough of this one has slid out.
        let room = self.limit - cost;
        Ok(match self.current > room {
            true => self.left + self.width - scaled(room, self.width, self.current),
            false => self.left,
        })
    }

    fn reset(&self) -> i64 {
        match (self.current, self.previous) {
            (0, 0) => 0,
            (0, _) => self.left,
            _ => self.left + self.width,
        }
    }

    fn window(&self) -> i64 {
        self.index
    }

    fn repair(&self) -> bool {
        self.repair
    }

    fn save(&mut self, tx: &mut dyn Transaction) -> Result<()> {
        let (index, current, previous) = (self.index, self.current, self.previous);
        let text = format!("{index}:{current}:{previous}:{}", self.width);
        put(tx, self.key, text, self.left + self.width)
    }

    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()> {
        self.current += cost;
        self.save(tx)
    }

    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, window: i64) -> Result<i64> {
        let count = match self.index - window {
            0 => &mut self.current,
            1 => &mut self.previous,
            _ => return Ok(0),
        };
        let back = cost.min(*count);
        *count -= back;
        if back > 0 {
            self.save(tx)?;
        }
        Ok(back)
    }
}
