//! The scripts of a queue, each as Lua text and in Rust.
//!
//! A queue has five keys on a server, or in each slot of a cluster, where everything that one script changes lies together:
//!
//! - `due`, a sorted set: the keys whose write nobody has claimed, scored by when it is due, which is a window after it was
//!   accepted. What lies further ahead than a window was written before the clock was set back, and is due at once;
//! - `held`, a sorted set: the keys whose write is claimed or waits for another attempt, or has taken the place of one that failed,
//!   scored by when it may be claimed again. Only the score of what waits has a fraction: a claim without one that is over was
//!   left by a worker that died or froze, and its attempt counts;
//! - `waiting`, a sorted set: the same keys, scored by when their write was accepted;
//! - `persisted`: the highest sequence that was persisted or given up, so that none begins anew where the clock is set back;
//! - `dead`, a sorted set: the keys with a dead letter, scored by when it died.
//!
//! A key with an unpersisted write is in `due` or in `held`, and never in both. None of these has a TTL, nor have the
//! writes: they are the only copy of what was accepted.

mod claim;
mod give_up;
mod put;
mod settle;
mod slots;
mod status;

use bytes::{Bytes, BytesMut};
use cachekit_keys::Key;
use cachekit_store::{Expiration, Result, SetOptions, Transaction, ZAddCondition};

pub(in crate::behind) use self::{
    claim::{BEGIN, CLAIM},
    give_up::{DISCARD, GIVE_UP, REPLAY},
    put::PUT,
    settle::{ACK, RETRY},
    slots::{SLOTS_LIST, SLOTS_NOTE, SLOTS_SETTLE, SLOTS_TAKE},
    status::{LETTERS, STATE, STATUS},
};
use super::companion::{HEAD, digits};

/// Milliseconds as a score: far below 2^53, where `f64` would begin to round.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are below 2^53")]
fn score(millis: i64) -> f64 {
    millis as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "scores are whole milliseconds"
)]
fn millis(score: f64) -> i64 {
    score as i64
}

/// Milliseconds since the Unix epoch.
fn now_ms(tx: &dyn Transaction) -> i64 {
    i64::try_from(tx.now() / 1_000).unwrap_or(i64::MAX)
}

fn put_score(tx: &mut dyn Transaction, set: &Key, at: i64, member: &Bytes) -> Result<()> {
    let members = [(score(at), member.clone())];
    tx.zadd(set, ZAddCondition::Always, &members).map(drop)
}

fn take_out(tx: &mut dyn Transaction, set: &Key, member: &Bytes) -> Result<()> {
    tx.zrem(set, std::slice::from_ref(member)).map(drop)
}

/// The lowest score of a set.
fn lowest(tx: &mut dyn Transaction, set: &Key) -> Result<Option<i64>> {
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let found = tx.zrange_by_score(set, all, 1)?;
    Ok(found.first().map(|(_, score)| millis(*score)))
}

/// `oldest.lua` in Rust.
fn oldest(tx: &mut dyn Transaction, due: &Key, waiting: &Key, window: i64) -> Result<Option<i64>> {
    let due = lowest(tx, due)?.map(|at| at - window);
    Ok(due.into_iter().chain(lowest(tx, waiting)?).min())
}

/// Overwrites a part of a string, as `SETRANGE` does.
fn set_range(tx: &mut dyn Transaction, key: &Key, at: usize, part: &str) -> Result<()> {
    let mut bytes = BytesMut::from(&tx.get(key)?.unwrap_or_default()[..]);
    let least = at + part.len();
    if bytes.len() < least {
        bytes.resize(least, 0);
    }
    bytes[at..least].copy_from_slice(part.as_bytes());
    let options = SetOptions::new(Expiration::Keep);
    tx.set(key, bytes.freeze(), options).map(drop)
}

/// The sequence of an unpersisted write as its text, empty where there is none.
fn sequence_of(tx: &mut dyn Transaction, write: &Key) -> Result<Bytes> {
    let bytes = tx.get(write)?.unwrap_or_default();
    let end = bytes.len().min(17);
    Ok(bytes.slice(end.min(1)..end))
}

/// The highest persisted sequence.
fn persisted(tx: &mut dyn Transaction, key: &Key) -> Result<u64> {
    let text = tx.get(key)?;
    Ok(text.and_then(|text| digits(&text)).unwrap_or(0))
}

fn set_number(tx: &mut dyn Transaction, key: &Key, number: u64) -> Result<()> {
    let options = SetOptions::new(Expiration::Never);
    tx.set(key, number.to_string().into(), options).map(drop)
}

/// `is_held` of `requeue.lua` in Rust.
fn is_held(tx: &mut dyn Transaction, held: &Key, member: &[u8], claim: i64) -> Result<bool> {
    Ok(tx.zscore(held, member)? == Some(score(claim)))
}

/// `wait_until` of `requeue.lua` in Rust.
fn wait_until(tx: &mut dyn Transaction, held: &Key, at: i64, member: &Bytes) -> Result<()> {
    let members = [(score(at) - 0.5, member.clone())];
    tx.zadd(held, ZAddCondition::Always, &members).map(drop)
}

/// The claim of one key.
struct Claim<'a> {
    due: &'a Key,
    held: &'a Key,
    waiting: &'a Key,
    /// When it was made, in milliseconds.
    at: i64,
    window: i64,
}

impl Claim<'_> {
    /// `requeue` of `requeue.lua` in Rust.
    fn requeue(
        &self,
        tx: &mut dyn Transaction,
        write: &Key,
        member: &Bytes,
        count: i64,
    ) -> Result<()> {
        put_score(tx, self.due, self.at + self.window, member)?;
        self.end(tx, member)?;
        let bytes = tx.get(write)?.unwrap_or_default();
        let counted = bytes.get(34..bytes.len().min(HEAD - 8));
        let counted = counted.and_then(digits).unwrap_or(1);
        let left = i64::try_from(counted).unwrap_or(i64::MAX) - count;
        set_range(tx, write, 17, &format!("{:013}000", self.at))?;
        set_range(tx, write, 34, &format!("{:08}", left.max(1)))
    }

    /// Takes a key out of what is claimed.
    fn end(&self, tx: &mut dyn Transaction, member: &Bytes) -> Result<()> {
        take_out(tx, self.held, member)?;
        take_out(tx, self.waiting, member)
    }
}
