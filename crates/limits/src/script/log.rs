//! The twin of `log.lua`: the exact log of admissions, one member of a sorted set each.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ExpireChange, Result, Transaction, ZAddCondition};

use super::plan::{Plan, Reader, exact, fields, now, score, ttl};

pub(super) struct Log<'a> {
    key: &'a Key,
    now: i64,
    limit: i64,
    width: i64,
    total: i64,
    last: i64,
    /// The sum of all costs before the oldest admission in the window.
    base: i64,
    in_use: bool,
    repair: bool,
}

struct Entry {
    member: Bytes,
    before: i64,
    cost: i64,
    time: i64,
}

impl<'a> Log<'a> {
    pub(super) fn read(tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<Self> {
        let (key, now) = (reader.key()?, now(tx));
        let (limit, width) = (reader.arg()?, reader.arg()?);
        let kept = |tx: &mut dyn Transaction, name: &[u8]| {
            let score = tx.zscore(key, name)?;
            Ok::<i64, cachekit_store::Error>(score.map_or(0, |score| -exact(score)))
        };
        let (total, last) = (kept(tx, b"total")?, kept(tx, b"last")?);
        let mut log = Self {
            key,
            now,
            limit,
            width,
            total,
            last: last.min(now),
            base: total,
            in_use: false,
            repair: last > now,
        };
        if let Some(oldest) = log.entries(tx, log.since(), 1)?.first() {
            log.base = oldest.before;
            log.in_use = true;
        }
        Ok(log)
    }

    fn since(&self) -> i64 {
        (self.now - self.width).max(0)
    }

    fn used(&self) -> i64 {
        self.total - self.base
    }

    /// The first admissions later than `from`, oldest first.
    fn entries(&self, tx: &mut dyn Transaction, from: i64, count: i64) -> Result<Vec<Entry>> {
        let later = (Bound::Excluded(score(from)), Bound::Unbounded);
        let count = usize::try_from(count).unwrap_or(0);
        let found = tx.zrange_by_score(self.key, later, count)?;
        let entry = |(member, score): (Bytes, f64)| {
            let [before, cost] = fields(&member)?;
            let time = exact(score).min(self.now);
            Some(Entry {
                member,
                before,
                cost,
                time,
            })
        };
        Ok(found.into_iter().filter_map(entry).collect())
    }

    fn add(&self, tx: &mut dyn Transaction, members: &[(f64, Bytes)]) -> Result<()> {
        tx.zadd(self.key, ZAddCondition::Always, members)?;
        Ok(())
    }
}

impl Plan for Log<'_> {
    fn limit(&self) -> i64 {
        self.limit
    }

    fn free(&self) -> i64 {
        (self.limit - self.used()).max(0)
    }

    fn retry(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<i64> {
        let over = self.used() + cost - self.limit;
        let frees = |entry: &Entry| entry.before + entry.cost - self.base >= over;
        let entries = self.entries(tx, self.since(), over)?;
        let entry = entries.into_iter().find(frees);
        Ok(entry.map_or(self.width, |entry| entry.time + self.width - self.now))
    }

    fn reset(&self) -> i64 {
        match self.in_use {
            true => self.last + self.width - self.now,
            false => 0,
        }
    }

    fn window(&self) -> i64 {
        0
    }

    fn repair(&self) -> bool {
        self.repair
    }

    fn save(&mut self, tx: &mut dyn Transaction) -> Result<()> {
        if self.repair {
            // The clock went back: what seems to be of the future happened by now.
            for entry in self.entries(tx, self.now, self.limit)? {
                self.add(tx, &[(score(self.now), entry.member)])?;
            }
        }
        let kept = [
            (score(-self.total), Bytes::from_static(b"total")),
            (score(-self.last), Bytes::from_static(b"last")),
        ];
        self.add(tx, &kept)?;
        tx.pexpire(self.key, ExpireChange::After(ttl(self.width)?))?;
        Ok(())
    }

    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()> {
        let gone = (
            Bound::Excluded(score(0)),
            Bound::Included(score(self.since())),
        );
        tx.zremrange_by_score(self.key, gone)?;
        self.add(tx, &[(score(self.now), member(self.total, cost))])?;
        self.total += cost;
        self.last = self.now;
        self.in_use = true;
        self.save(tx)
    }

    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, _: i64) -> Result<i64> {
        let mut back = 0;
        for entry in self.entries(tx, self.since(), cost)? {
            if back == cost {
                break;
            }
            let part = entry.cost.min(cost - back);
            back += part;
            tx.zrem(self.key, &[entry.member])?;
            if part < entry.cost {
                let rest = member(entry.before + part, entry.cost - part);
                self.add(tx, &[(score(entry.time), rest)])?;
            }
        }
        self.base += back;
        self.in_use &= self.used() > 0;
        Ok(back)
    }
}

fn member(before: i64, cost: i64) -> Bytes {
    format!("{before:016}:{cost}").into()
}
