//! The twin of `gcra.lua`: calls on token buckets whose rate is a whole number of microseconds a token.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Transaction};

use super::{
    batch::FAILED,
    plan::{Reader, now, put, whole},
};

/// One bucket at one moment.
struct Gcra {
    micros: i64,
    /// The time that fills it from empty.
    full: i64,
    /// How much time fits in before it is empty.
    room: i64,
    /// Whether it has to be written.
    dirty: bool,
}

pub(super) fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = Reader {
        keys: keys.iter(),
        args: args.iter(),
    };
    let (capacity, micros) = (reader.arg()?, reader.arg()?);
    let mut reply = Vec::with_capacity(keys.len() * 3);
    for key in keys {
        let calls = reader.arg()?;
        let Some(mut bucket) = Gcra::read(tx, key, (capacity, micros)) else {
            for _ in 0..calls {
                reader.arg()?;
                reply.push(Reply::Integer(FAILED));
            }
            continue;
        };
        let answered = reply.len();
        for _ in 0..calls {
            let row = bucket.take(reader.arg()?);
            reply.extend(row.map(Reply::Integer));
        }
        if bucket.dirty && bucket.save(tx, key).is_err() {
            reply.truncate(answered);
            reply.extend((0..calls).map(|_| Reply::Integer(FAILED)));
        }
    }
    Ok(Reply::Array(reply))
}

impl Gcra {
    /// `None` for what is written in another way, or cannot be read.
    fn read(tx: &mut dyn Transaction, key: &Key, (capacity, micros): (i64, i64)) -> Option<Self> {
        let full = capacity * micros;
        let ahead = match tx.get(key).ok()? {
            Some(stored) => (whole(&stored)? - now(tx)).max(0),
            None => 0,
        };
        Some(Self {
            micros,
            full,
            room: full - ahead.min(full),
            // No bucket is ever more than empty: a clock went back, or the limit was lowered.
            dirty: ahead > full,
        })
    }

    /// What is free, when the cost passes, and when the bucket is full again.
    fn take(&mut self, cost: i64) -> [i64; 3] {
        let time = cost * self.micros;
        let retry = match time <= self.room {
            true => {
                self.room -= time;
                self.dirty = true;
                0
            }
            false => time - self.room,
        };
        [self.room / self.micros, retry, self.full - self.room]
    }

    fn save(&self, tx: &mut dyn Transaction, key: &Key) -> Result<()> {
        let ahead = self.full - self.room;
        let text = (now(tx) + ahead).to_string();
        put(tx, key, text, ahead)
    }
}
