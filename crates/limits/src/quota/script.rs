//! The script of quotas, and its twin in Rust.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ExpireChange, Reply, Result, Script, ScriptEffect, Transaction, ZAddCondition,
};

use super::record::{Record, State};
use crate::script::{Reader, counted, div_ceil, exact, limited, now, score, ttl_millis, whole};

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
/// How many reservations are set right at a time that are due.
const SWEPT: usize = 32;
/// How often a call does that; then it is to be made again.
const ROUNDS: usize = 16;
/// How many settled reservations are forgotten at a time where there are too many.
const FORGOTTEN: usize = 100;

/// How a call ended.
pub(super) mod status {
    pub(crate) const OUTSIDE: i64 = -1;
    pub(crate) const UNKNOWN: i64 = -2;
    pub(crate) const OVERFLOW: i64 = -3;
    pub(crate) const REJECTED: i64 = -4;
    pub(crate) const CANCELLED: i64 = -5;
    pub(crate) const TOO_MANY: i64 = -6;
    pub(crate) const COMMITTED: i64 = -7;
    pub(crate) const UNNAMED: i64 = -8;
    pub(crate) const MORE: i64 = -9;
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
    word: String,
    key: &'a Key,
    from: i64,
    ends: i64,
}

/// Where a window of a reservation is counted.
enum Place<'a> {
    Counted(&'a Counter<'a>),
    /// In a window that the caller has not named, by its end.
    Unnamed(i64),
    /// Nowhere: the plan has no windows of this kind any more.
    Gone,
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
            return Ok(bare(status::OUTSIDE, run.now));
        }
    }
    if !run.set_right(tx)? {
        return Ok(bare(status::MORE, run.now));
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
    match status {
        status::UNNAMED => run.ask_for_windows(tx),
        _ => run.reply(tx, status, number),
    }
}

/// An answer of no more than the time.
fn bare(status: i64, now: i64) -> Reply {
    Reply::Array([status, now].map(Reply::Integer).to_vec())
}

impl<'a> Run<'a> {
    /// Whether one of the windows is the present one.
    fn read_window(&mut self, tx: &mut dyn Transaction, reader: &mut Reader<'a>) -> Result<bool> {
        let word = String::from_utf8_lossy(reader.word()?).into_owned();
        let (mut most, overdraft) = (reader.arg()?, reader.arg()?);
        let mut own = -1;
        if overdraft >= 0
            && let Some(stored) = tx.get(reader.key()?)?.as_deref().and_then(limited)
        {
            own = stored;
            most = own + overdraft;
        }
        let count = reader.arg()?;
        let mut present = false;
        for _ in 0..count {
            let (key, from, ends) = (reader.key()?, reader.arg()?, reader.arg()?);
            if from <= self.now && self.now < ends {
                present = true;
                self.windows.push(Window {
                    key,
                    most,
                    own,
                    ends,
                    place: format!("{word}={ends}"),
                    used: 0,
                    held: 0,
                });
            }
            let word = word.clone();
            self.counters.push(Counter {
                word,
                key,
                from,
                ends,
            });
        }
        Ok(present)
    }

    fn count(&self, tx: &mut dyn Transaction, window: &Window<'_>) -> Result<(i64, i64)> {
        let used = counted(tx.get(window.key)?.as_deref())?;
        let held = tx.hget(self.records, &held_field(&window.place))?;
        Ok((used, held.as_deref().and_then(whole).unwrap_or(0)))
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

    /// The counter of the window that a place names by its end. A plan may have got another time zone since: then it is the one
    /// that ends with it, or holds its last moment.
    fn counter_of(&self, place: &str) -> Place<'_> {
        let Some((word, ends)) = place.split_once('=') else {
            return Place::Gone;
        };
        let Some(ends) = whole(ends.as_bytes()) else {
            return Place::Gone;
        };
        let mut of_word = self.counters.iter().filter(|counter| counter.word == word);
        let holds = |counter: &&Counter<'_>| counter.from < ends && ends <= counter.ends;
        match (of_word.clone().find(holds), of_word.next()) {
            (Some(counter), _) => Place::Counted(counter),
            (None, Some(_)) => Place::Unnamed(ends),
            (None, None) => Place::Gone,
        }
    }

    /// The ends of the reservation's windows that the caller has not named.
    fn unnamed(&self, record: &Record) -> Vec<i64> {
        let places = record.places.iter().map(|place| self.counter_of(place));
        let unnamed = |place| match place {
            Place::Unnamed(ends) => Some(ends),
            Place::Counted(_) | Place::Gone => None,
        };
        places.filter_map(unnamed).collect()
    }

    fn ask_for_windows(&self, tx: &mut dyn Transaction) -> Result<Reply> {
        let mut numbers = vec![status::UNNAMED, self.now];
        if let Some(record) = self.read(tx, self.id)? {
            numbers.extend(self.unnamed(&record));
        }
        let numbers = numbers.into_iter().map(Reply::Integer);
        Ok(Reply::Array(numbers.collect()))
    }

    fn add(&self, tx: &mut dyn Transaction, place: &str, delta: i64) -> Result<()> {
        let Place::Counted(counter) = self.counter_of(place) else {
            return Ok(());
        };
        if delta == 0 {
            return Ok(());
        }
        tx.incrby(counter.key, delta)?;
        if counter.ends < ENDLESS {
            let left = div_ceil((counter.ends - self.now).max(0), 1000) + self.extra;
            tx.pexpire(counter.key, ExpireChange::After(ttl_millis(left)?))?;
        }
        Ok(())
    }

    /// What is charged to a window that is known.
    fn used_in(&self, tx: &mut dyn Transaction, place: &str) -> Result<i64> {
        match self.counter_of(place) {
            Place::Counted(counter) => counted(tx.get(counter.key)?.as_deref()),
            Place::Unnamed(_) | Place::Gone => Ok(0),
        }
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

    fn forget(&self, tx: &mut dyn Transaction, id: Bytes) -> Result<()> {
        tx.hdel(self.records, &[record_field(&id).into()])?;
        tx.zrem(self.due, &[id])?;
        Ok(())
    }

    /// What every call does first: frees what is over, then looks. Answers whether that is all: nobody waits for long, and the
    /// caller comes again where it is very much.
    fn set_right(&mut self, tx: &mut dyn Transaction) -> Result<bool> {
        // Nothing is due later than a whole `keep` from now: the clock went back.
        let latest = score(self.now + self.keep);
        let beyond = (Bound::Excluded(latest), Bound::Unbounded);
        for (id, _) in tx.zrange_by_score(self.due, beyond, SWEPT)? {
            tx.zadd(self.due, ZAddCondition::Always, &[(latest, id)])?;
        }
        for _ in 0..ROUNDS {
            let more = self.sweep(tx)?;
            for index in 0..self.windows.len() {
                let (used, held) = self.count(tx, &self.windows[index])?;
                (self.windows[index].used, self.windows[index].held) = (used, held);
            }
            // As long as anything is held it may be what is over.
            if !more || self.windows.iter().all(|window| window.held == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Frees what was held too long, and forgets what has ended for long, a few at a time; answers whether there may be more.
    fn sweep(&self, tx: &mut dyn Transaction) -> Result<bool> {
        let past = (Bound::Unbounded, Bound::Included(score(self.now)));
        let past = tx.zrange_by_score(self.due, past, SWEPT)?;
        let more = past.len() == SWEPT;
        for (id, due) in past {
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
                None => self.forget(tx, id)?,
            }
        }
        Ok(more)
    }

    /// Makes room for more reservations by forgetting those that were settled first; answers whether there were any.
    fn forget_settled(&self, tx: &mut dyn Transaction) -> Result<bool> {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let most = usize::try_from(MAX_RECORDS).unwrap_or(usize::MAX);
        let mut forgotten = 0;
        for (id, _) in tx.zrange_by_score(self.due, all, most)? {
            let record = self.read(tx, &id)?;
            let stays = |record: &Record| matches!(record.state, State::Held | State::Expired);
            if forgotten < FORGOTTEN && !record.as_ref().is_some_and(stays) {
                self.forget(tx, id)?;
                forgotten += 1;
            }
        }
        Ok(forgotten > 0)
    }

    /// Whether all windows have room for so much more.
    fn room(&self, more: i64) -> i64 {
        let mut passes = status::DONE;
        for window in &self.windows {
            let sum = window.used + window.held + more;
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
        let passes = self.room(self.amount);
        if passes == status::OVERFLOW || (passes == status::DENIED && only_with_room) {
            return Ok((passes, self.amount));
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
        let places = self.windows.iter().map(|window| window.place.clone());
        let record = Record {
            state: State::Held,
            reserved: self.amount,
            charged,
            places: places.collect(),
        };
        let passes = self.room(record.rest());
        if passes != status::DONE {
            return Ok((passes, record.rest()));
        }
        if tx.zcard(self.due)? >= MAX_RECORDS && !self.forget_settled(tx)? {
            return Ok((status::TOO_MANY, 0));
        }
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
        if more > 0 && !self.unnamed(&record).is_empty() {
            return Ok((status::UNNAMED, 0));
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
