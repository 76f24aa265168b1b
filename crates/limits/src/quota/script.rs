//! The script of quotas, and its twin in Rust.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ExpireChange, Reply, Result, Script, ScriptEffect, Transaction, ZAddCondition,
};

use super::record::{Record, State};
use crate::script::{Reader, div_ceil, exact, now, score, ttl_millis, whole};

/// Adds or charges: every run counts.
pub(super) const COUNT: Script = Script::new("quota", TEXT).with_time().with_body(run);

/// Looks, or works on a reservation, which an id makes repeatable.
pub(super) const REPEATABLE: Script = COUNT.with_effect(ScriptEffect::Idempotent);

const TEXT: &str = concat!(
    include_str!("../lua/common.lua"),
    include_str!("../lua/quota.lua")
);

/// The end of what has no end: the largest number that is exact.
pub(super) const ENDLESS: i64 = (1 << 53) - 1;
/// Sums stay exact up to here.
pub(super) const MAX_AMOUNT: i64 = 1 << 52;
/// How many reservations of one subject are kept, settled ones for a day.
const MAX_RECORDS: u64 = 10_000;
/// How many reservations a call sets right that are due.
const SWEPT: usize = 32;

/// How a call ended.
pub(super) mod status {
    pub(crate) const OUTSIDE: i64 = -1;
    pub(crate) const UNKNOWN: i64 = -2;
    pub(crate) const OVERFLOW: i64 = -3;
    pub(crate) const REJECTED: i64 = -4;
    pub(crate) const CANCELLED: i64 = -5;
    pub(crate) const TOO_MANY: i64 = -6;
    pub(crate) const COMMITTED: i64 = -7;
    pub(crate) const DENIED: i64 = 0;
    pub(crate) const DONE: i64 = 1;
    pub(crate) const REPEATED: i64 = 2;
}

struct Window<'a> {
    key: &'a Key,
    /// The most of used and held; negative without a limit.
    most: i64,
    /// The subject's own limit; negative where it has none, or none is asked for.
    own: i64,
    ends: i64,
    place: String,
    used: i64,
    held: i64,
}

struct Counter<'a> {
    place: String,
    key: &'a Key,
    ends: i64,
}

struct Run<'a> {
    now: i64,
    records: &'a Key,
    due: &'a Key,
    id: &'a [u8],
    amount: i64,
    span: i64,
    keep: i64,
    extra: i64,
    windows: Vec<Window<'a>>,
    counters: Vec<Counter<'a>>,
}

fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = Reader {
        keys: keys.iter(),
        args: args.iter(),
    };
    let (op, id) = (reader.word()?, reader.word()?);
    let (amount, span, overrun) = (reader.arg()?, reader.arg()?, reader.word()?);
    let mut run = Run {
        now: now(tx),
        records: reader.key()?,
        due: reader.key()?,
        id,
        amount,
        span,
        keep: reader.arg()?,
        extra: reader.arg()?,
        windows: Vec::new(),
        counters: Vec::new(),
    };
    while reader.has_more() {
        if !run.read_window(tx, &mut reader)? {
            let numbers = [status::OUTSIDE, run.now];
            return Ok(Reply::Array(numbers.map(Reply::Integer).to_vec()));
        }
    }
    run.sweep(tx)?;
    for index in 0..run.windows.len() {
        let (used, held) = run.count(tx, &run.windows[index])?;
        (run.windows[index].used, run.windows[index].held) = (used, held);
    }
    let (status, number) = match op {
        b"usage" => (status::DONE, 0),
        b"charge" => run.charge(tx, true)?,
        b"add" => run.charge(tx, false)?,
        b"reserve" => run.reserve(tx)?,
        b"extend" => run.extend(tx)?,
        b"cancel" => run.cancel(tx)?,
        b"part" => run.commit(tx, overrun, true)?,
        _ => run.commit(tx, overrun, false)?,
    };
    run.reply(tx, status, number)
}

impl<'a> Run<'a> {
    /// Whether one of the windows is the present one.
    fn read_window(&mut self, tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<bool> {
        let word = String::from_utf8_lossy(reader.word()?).into_owned();
        let (mut most, overdraft) = (reader.arg()?, reader.arg()?);
        let mut own = -1;
        if overdraft >= 0
            && let Some(stored) = tx.get(reader.key()?)?.as_deref().and_then(whole)
        {
            own = stored.min(MAX_AMOUNT);
            most = own + overdraft;
        }
        let count = reader.arg()?;
        let mut present = false;
        for _ in 0..count {
            let (key, from, ends) = (reader.key()?, reader.arg()?, reader.arg()?);
            let place = format!("{word}={ends}");
            if from <= self.now && self.now < ends {
                present = true;
                self.windows.push(Window {
                    key,
                    most,
                    own,
                    ends,
                    place: place.clone(),
                    used: 0,
                    held: 0,
                });
            }
            self.counters.push(Counter { place, key, ends });
        }
        Ok(present)
    }

    fn count(&self, tx: &mut dyn Transaction, window: &Window<'_>) -> Result<(i64, i64)> {
        let used = tx.get(window.key)?;
        let held = tx.hget(self.records, &held_field(&window.place))?;
        let number = |text: Option<Bytes>| text.as_deref().and_then(whole).unwrap_or(0);
        Ok((number(used), number(held)))
    }

    fn reply(&self, tx: &mut dyn Transaction, status: i64, number: i64) -> Result<Reply> {
        let mut numbers = vec![status, self.now, number];
        for window in &self.windows {
            let (used, held) = self.count(tx, window)?;
            numbers.extend([used, held, window.ends]);
            numbers.extend([window.used, window.held, window.own]);
        }
        Ok(Reply::Array(
            numbers.into_iter().map(Reply::Integer).collect(),
        ))
    }

    fn add(&self, tx: &mut dyn Transaction, place: &str, delta: i64) -> Result<()> {
        let mut counters = self.counters.iter();
        let Some(counter) = counters.find(|counter| counter.place == place && delta != 0) else {
            return Ok(());
        };
        tx.incrby(counter.key, delta)?;
        if counter.ends < ENDLESS {
            let left = div_ceil((counter.ends - self.now).max(0), 1000) + self.extra;
            tx.pexpire(counter.key, ExpireChange::After(ttl_millis(left)?))?;
        }
        Ok(())
    }

    /// What is charged to a window that is known.
    fn used_in(&self, tx: &mut dyn Transaction, place: &str) -> Result<i64> {
        let mut counters = self.counters.iter();
        let Some(counter) = counters.find(|counter| counter.place == place) else {
            return Ok(0);
        };
        Ok(tx.get(counter.key)?.as_deref().and_then(whole).unwrap_or(0))
    }

    fn hold(&self, tx: &mut dyn Transaction, place: &str, delta: i64) -> Result<()> {
        if delta == 0 {
            return Ok(());
        }
        let field = held_field(place);
        if tx.hincrby(self.records, &field, delta)? <= 0 {
            tx.hdel(self.records, &[field.into()])?;
        }
        Ok(())
    }

    fn read(&self, tx: &mut dyn Transaction, id: &[u8]) -> Result<Option<Record>> {
        let text = tx.hget(self.records, &record_field(id))?;
        Ok(text.as_deref().and_then(Record::parse))
    }

    fn write(&self, tx: &mut dyn Transaction, id: &[u8], record: &Record, at: i64) -> Result<()> {
        let member = (score(at), Bytes::copy_from_slice(id));
        self.write_undated(tx, id, record)?;
        tx.zadd(self.due, ZAddCondition::Always, &[member])?;
        self.keep(tx)
    }

    fn write_undated(&self, tx: &mut dyn Transaction, id: &[u8], record: &Record) -> Result<()> {
        tx.hset(self.records, &[(record_field(id).into(), record.text())])?;
        Ok(())
    }

    fn keep(&self, tx: &mut dyn Transaction) -> Result<()> {
        let life = ExpireChange::After(ttl_millis(div_ceil(2 * self.keep, 1000))?);
        tx.pexpire(self.records, life)?;
        tx.pexpire(self.due, life)?;
        Ok(())
    }

    fn free(&self, tx: &mut dyn Transaction, record: &Record) -> Result<()> {
        for place in &record.places {
            self.hold(tx, place, -record.rest())?;
        }
        Ok(())
    }

    /// Frees what was held too long, and forgets what has ended for long, a few at a time.
    fn sweep(&self, tx: &mut dyn Transaction) -> Result<()> {
        let past = (Bound::Unbounded, Bound::Included(score(self.now)));
        for (id, due) in tx.zrange_by_score(self.due, past, SWEPT)? {
            let forgotten = exact(due) + self.keep;
            let record = self.read(tx, &id)?;
            let held = record.filter(|record| record.state == State::Held);
            if let Some(record) = &held {
                self.free(tx, record)?;
            }
            match held.filter(|_| forgotten > self.now) {
                Some(mut record) => {
                    record.state = State::Expired;
                    self.write(tx, &id, &record, forgotten)?;
                }
                None => {
                    tx.hdel(self.records, &[record_field(&id).into()])?;
                    tx.zrem(self.due, &[id])?;
                }
            }
        }
        Ok(())
    }

    /// Whether all windows have room.
    fn room(&self) -> i64 {
        let mut passes = status::DONE;
        for window in &self.windows {
            let sum = window.used + window.held + self.amount;
            if sum > MAX_AMOUNT {
                return status::OVERFLOW;
            }
            if window.most >= 0 && sum > window.most {
                passes = status::DENIED;
            }
        }
        passes
    }

    fn charge(&self, tx: &mut dyn Transaction, only_with_room: bool) -> Result<(i64, i64)> {
        let passes = self.room();
        if passes == status::OVERFLOW || (passes == status::DENIED && only_with_room) {
            return Ok((passes, 0));
        }
        for window in &self.windows {
            self.add(tx, &window.place, self.amount.max(-window.used))?;
        }
        Ok((status::DONE, self.amount))
    }

    fn reserve(&self, tx: &mut dyn Transaction) -> Result<(i64, i64)> {
        // Parts that were charged before it expired count for the sum that is told next.
        let charged = match self.read(tx, self.id)? {
            Some(record) if record.state == State::Dropped => {
                return Ok((status::CANCELLED, record.reserved));
            }
            Some(record) if record.state != State::Expired => {
                return Ok((status::REPEATED, record.reserved));
            }
            expired => expired.map_or(0, |record| record.charged),
        };
        if tx.zcard(self.due)? >= MAX_RECORDS {
            return Ok((status::TOO_MANY, 0));
        }
        let passes = self.room();
        if passes != status::DONE {
            return Ok((passes, 0));
        }
        let places = self.windows.iter().map(|window| window.place.clone());
        let record = Record {
            state: State::Held,
            reserved: self.amount,
            charged,
            places: places.collect(),
        };
        for place in &record.places {
            self.hold(tx, place, record.rest())?;
        }
        self.write(tx, self.id, &record, self.now + self.span)?;
        Ok((status::DONE, self.amount))
    }

    fn extend(&self, tx: &mut dyn Transaction) -> Result<(i64, i64)> {
        let Some(record) = self.read(tx, self.id)? else {
            return Ok((status::UNKNOWN, 0));
        };
        if record.state != State::Held {
            return Ok((status::DENIED, 0));
        }
        self.write(tx, self.id, &record, self.now + self.span)?;
        Ok((status::DONE, record.reserved))
    }

    fn cancel(&self, tx: &mut dyn Transaction) -> Result<(i64, i64)> {
        let Some(mut record) = self.read(tx, self.id)? else {
            return Ok((status::UNKNOWN, 0));
        };
        match record.state {
            State::Committed => return Ok((status::COMMITTED, record.charged)),
            State::Dropped => return Ok((status::REPEATED, 0)),
            State::Held | State::Expired => {}
        }
        self.free(tx, &record)?;
        // The parts that were charged stay so.
        let (state, answer) = match record.charged {
            0 => (State::Dropped, (status::DONE, 0)),
            charged => (State::Committed, (status::COMMITTED, charged)),
        };
        record.state = state;
        self.write(tx, self.id, &record, self.now + self.keep)?;
        Ok(answer)
    }

    fn commit(
        &self,
        tx: &mut dyn Transaction,
        overrun: &[u8],
        is_part: bool,
    ) -> Result<(i64, i64)> {
        let Some(mut record) = self.read(tx, self.id)? else {
            return Ok((status::UNKNOWN, 0));
        };
        match record.state {
            State::Dropped => return Ok((status::CANCELLED, 0)),
            State::Committed => return Ok((status::REPEATED, record.charged)),
            State::Held | State::Expired => {}
        }
        if self.amount > record.reserved && overrun == b"reject" {
            return Ok((status::REJECTED, record.reserved));
        }
        let charge = match overrun {
            b"cap" => self.amount.min(record.reserved),
            _ => self.amount,
        };
        // Parts are told by their sum, so that one that comes again, or late, charges nothing.
        if is_part && charge <= record.charged {
            return Ok((status::REPEATED, record.charged));
        }
        let charge = charge.max(record.charged);
        let (held, more) = (record.rest(), charge - record.charged);
        for place in &record.places {
            if self.used_in(tx, place)? + more > MAX_AMOUNT {
                return Ok((status::OVERFLOW, 0));
            }
        }
        record.charged = charge;
        if !is_part {
            record.state = State::Committed;
        }
        for place in &record.places {
            self.hold(tx, place, record.rest() - held)?;
            self.add(tx, place, more)?;
        }
        if is_part {
            // Due when it was.
            self.write_undated(tx, self.id, &record)?;
            self.keep(tx)?;
        } else {
            self.write(tx, self.id, &record, self.now + self.keep)?;
        }
        Ok((status::DONE, charge))
    }
}

fn record_field(id: &[u8]) -> Vec<u8> {
    [b"r:", id].concat()
}

fn held_field(place: &str) -> Vec<u8> {
    format!("h:{place}").into_bytes()
}
