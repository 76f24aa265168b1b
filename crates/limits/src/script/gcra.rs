//! The twin of `gcra.lua`, `gcras.lua` and `buckets.lua`: calls on token buckets whose rates are whole numbers of microseconds
//! a token.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, SetOptions, Transaction};

use super::{
    batch::FAILED,
    plan::{Reader, malformed, now, ttl, whole},
};

/// One bucket at one moment.
struct Gcra<'a> {
    key: &'a Key,
    micros: i64,
    /// The time that fills it from empty.
    full: i64,
    /// How much time fits in before it is empty.
    room: i64,
    /// Whether it has to be written.
    dirty: bool,
}

/// One call.
pub(super) fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = reader(args);
    let args = [reader.arg()?, reader.arg()?, reader.arg()?];
    let mut reply = [0; 3];
    let len = run_numbers(tx, keys, &args, &mut reply)?;
    let numbers = reply[..len].iter().copied();
    Ok(Reply::Array(numbers.map(Reply::Integer).collect()))
}

/// The same over numbers.
pub(super) fn run_numbers(
    tx: &mut dyn Transaction,
    keys: &[Key],
    args: &[i64],
    reply: &mut [i64],
) -> Result<usize> {
    let (&[capacity, micros, cost], [key], Some(reply)) = (args, keys, reply.first_chunk_mut())
    else {
        return Err(malformed("a key, a number or room"));
    };
    let Some(mut bucket) = Gcra::read(tx, key, (capacity, micros)) else {
        reply[0] = FAILED;
        return Ok(1);
    };
    *reply = bucket.take(cost, bucket.fits(cost));
    if bucket.dirty {
        bucket.save(tx)?;
    }
    Ok(reply.len())
}

/// Calls on one bucket of each subject.
pub(super) fn run_many(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = reader(args);
    let rate = (reader.arg()?, reader.arg()?);
    let mut reply = Vec::with_capacity(keys.len() * 3);
    for key in keys {
        let mut bucket = Gcra::read(tx, key, rate);
        decide(tx, bucket.as_mut_slice(), &mut reader, &mut reply)?;
    }
    Ok(Reply::Array(reply))
}

/// Calls on several buckets of each subject.
pub(super) fn run_all(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = reader(args);
    let count = usize::try_from(reader.arg()?).map_err(|_| malformed("a number"))?;
    let rates: Result<Vec<_>> = (0..count)
        .map(|_| Ok((reader.arg()?, reader.arg()?)))
        .collect();
    let rates = rates?;
    let mut reply = Vec::new();
    for keys in keys.chunks(count.max(1)) {
        let buckets: Option<Vec<_>> = keys
            .iter()
            .zip(&rates)
            .map(|(key, rate)| Gcra::read(tx, key, *rate))
            .collect();
        let mut buckets = buckets.unwrap_or_default();
        decide(tx, &mut buckets, &mut reader, &mut reply)?;
    }
    Ok(Reply::Array(reply))
}

fn reader(args: &[Bytes]) -> Reader<'_> {
    Reader {
        keys: [].iter(),
        args: args.iter(),
    }
}

/// Decides a subject's calls. None of its buckets is known where one is not.
fn decide(
    tx: &mut dyn Transaction,
    buckets: &mut [Gcra<'_>],
    reader: &mut Reader<'_>,
    reply: &mut Vec<Reply>,
) -> Result<()> {
    let (calls, answered) = (reader.arg()?, reply.len());
    for _ in 0..calls {
        let cost = reader.arg()?;
        let fits = buckets.iter().all(|bucket| bucket.fits(cost));
        for bucket in &mut *buckets {
            let row = bucket.take(cost, fits);
            reply.extend(row.map(Reply::Integer));
        }
    }
    let mut known = !buckets.is_empty();
    for bucket in buckets.iter().filter(|bucket| bucket.dirty) {
        known &= bucket.save(tx).is_ok();
    }
    if !known {
        reply.truncate(answered);
        reply.extend((0..calls).map(|_| Reply::Integer(FAILED)));
    }
    Ok(())
}

/// A moment of sixteen digits: from 2001 until 2286.
fn moment(stored: &[u8]) -> Option<i64> {
    const FIRST: i64 = 1_000_000_000_000_000;
    whole(stored).filter(|moment| stored.len() == 16 && *moment >= FIRST)
}

impl<'a> Gcra<'a> {
    /// `None` for what is written in another way, or cannot be read.
    fn read(
        tx: &mut dyn Transaction,
        key: &'a Key,
        (capacity, micros): (i64, i64),
    ) -> Option<Self> {
        let (full, now) = (capacity * micros, now(tx));
        let ahead = match tx.look(key).ok()? {
            Some(stored) => (moment(stored)? - now).max(0),
            None => 0,
        };
        Some(Self {
            key,
            micros,
            full,
            room: full - ahead.min(full),
            // No bucket is ever more than empty: a clock went back, or the limit was lowered.
            dirty: ahead > full,
        })
    }

    fn fits(&self, cost: i64) -> bool {
        cost * self.micros <= self.room
    }

    /// What is free, when the cost passes, and when the bucket is full again.
    fn take(&mut self, cost: i64, taken: bool) -> [i64; 3] {
        let time = cost * self.micros;
        let retry = (time - self.room).max(0);
        if taken {
            self.room -= time;
            self.dirty = true;
        }
        [self.room / self.micros, retry, self.full - self.room]
    }

    fn save(&self, tx: &mut dyn Transaction) -> Result<()> {
        let ahead = self.full - self.room;
        let mut text = itoa::Buffer::new();
        let text = text.format(now(tx) + ahead);
        let options = SetOptions::ttl(ttl(ahead)?);
        tx.set_copy(self.key, text.as_bytes(), options)?;
        Ok(())
    }
}
