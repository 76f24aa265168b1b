//! The twin of `bucket.lua`: the generic cell rate algorithm.
//!
//! The state is the moment at which the bucket is full again (the *theoretical arrival time* of the algorithm's papers). A
//! token takes a number of microseconds that is a fraction, `period / tokens`; whole microseconds and the rest are kept apart,
//! so that nothing is ever rounded and any rate is exact.

use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

use super::plan::{Plan, Reader, fields, now, put, whole};

/// Microseconds, and a rest in parts.
type Span = (i64, i64);

pub(super) struct Bucket<'a> {
    key: &'a Key,
    now: i64,
    capacity: i64,
    /// What one token takes: whole microseconds, a rest, and how many parts make a microsecond.
    micros: i64,
    part: i64,
    parts: i64,
    /// How far ahead of now the moment is at which the bucket is full again.
    ahead: Span,
    free: i64,
    repair: bool,
}

impl<'a> Bucket<'a> {
    pub(super) fn read(tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<Self> {
        let mut bucket = Self {
            key: reader.key()?,
            now: now(tx),
            capacity: reader.arg()?,
            micros: reader.arg()?,
            part: reader.arg()?,
            parts: reader.arg()?,
            ahead: (0, 0),
            free: 0,
            repair: false,
        };
        let full = bucket.time_of(bucket.capacity);
        let stored = tx.get(bucket.key)?;
        if let Some((time, part)) = stored.as_deref().and_then(|text| bucket.parse(text)) {
            bucket.ahead = match time < bucket.now {
                true => (0, 0),
                false => (time - bucket.now, part),
            };
            // No bucket is ever more than empty: a clock went back, or the limit was lowered.
            bucket.repair = bucket.ahead > full;
            bucket.ahead = bucket.ahead.min(full);
        }
        bucket.free = bucket.tokens_in(bucket.room());
        Ok(bucket)
    }

    fn parse(&self, text: &[u8]) -> Option<Span> {
        if let Some(time) = whole(text) {
            return Some((time, 0));
        }
        let [time, part, parts] = fields(text)?;
        // A part that was counted in other parts is rounded up.
        Some(match parts != self.parts || part >= self.parts {
            true => (time + 1, 0),
            false => (time, part),
        })
    }

    fn time_of(&self, tokens: i64) -> Span {
        let over = tokens * self.part;
        (tokens * self.micros + over / self.parts, over % self.parts)
    }

    /// How much time fits in before the bucket is empty.
    fn room(&self) -> Span {
        minus(self.time_of(self.capacity), self.ahead, self.parts)
    }

    fn tokens_in(&self, (micros, part): Span) -> i64 {
        let scaled =
            |micros: i64, part: i64| i128::from(micros) * i128::from(self.parts) + i128::from(part);
        let tokens = scaled(micros, part) / scaled(self.micros, self.part);
        i64::try_from(tokens).map_or(self.capacity, |tokens| tokens.min(self.capacity))
    }
}

impl Plan for Bucket<'_> {
    fn limit(&self) -> i64 {
        self.capacity
    }

    fn free(&self) -> i64 {
        self.free
    }

    fn retry(&mut self, _: &mut dyn Transaction, cost: i64) -> Result<i64> {
        let (wanted, room) = (self.time_of(cost), self.room());
        Ok(wanted.0 - room.0 + i64::from(wanted.1 > room.1))
    }

    fn reset(&self) -> i64 {
        self.ahead.0 + i64::from(self.ahead.1 > 0)
    }

    fn window(&self) -> i64 {
        0
    }

    fn repair(&self) -> bool {
        self.repair
    }

    fn save(&mut self, tx: &mut dyn Transaction) -> Result<()> {
        let time = self.now + self.ahead.0;
        let text = match self.ahead.1 {
            0 => time.to_string(),
            part => format!("{time}:{part}:{}", self.parts),
        };
        put(tx, self.key, text, self.reset())
    }

    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()> {
        let (micros, part) = self.time_of(cost);
        let part = self.ahead.1 + part;
        self.ahead = (self.ahead.0 + micros + part / self.parts, part % self.parts);
        self.save(tx)
    }

    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, _: i64) -> Result<i64> {
        let back = cost.min(self.capacity - self.free);
        self.ahead = minus(self.ahead, self.time_of(cost), self.parts).max((0, 0));
        if self.ahead == (0, 0) {
            tx.del(self.key)?;
        } else {
            self.save(tx)?;
        }
        self.free += back;
        Ok(back)
    }
}

/// The difference, with a part of 0 or more.
fn minus(a: Span, b: Span, parts: i64) -> Span {
    let (micros, part) = (a.0 - b.0, a.1 - b.1);
    match part < 0 {
        true => (micros - 1, part + parts),
        false => (micros, part),
    }
}
