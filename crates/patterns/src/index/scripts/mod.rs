//! The scripts of an index, each as Lua text and in Rust.
//!
//! An index is a sorted set. A member is a key's name as its writer knows it, which a layer may change on the way to the
//! store: so members are arguments, and are not read off `KEYS`. A member's score is when the key expires, in milliseconds
//! since the Unix epoch by the server's clock, and always more than the score that it had: so every write changes the
//! score, which thereby serves as the member's version where a clearing takes several steps, on a cluster. On one server the
//! plain commands of [`plan`] raise a score only as far as the expiry, by an estimate of the server's time that is at most
//! ten seconds off; a clearing is one step there. What an index holds and when it loses it is decided in this module alone.

mod clear;
mod plan;
mod set;

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Error, ErrorKind, ExpireChange, KeyExpiry, Result, Transaction, ZAddCondition,
};

pub(in crate::index) use self::{
    clear::{CLEAR, FORGET, PAGE},
    set::{NOTE, SET, SET_MANY},
};

/// How long a member stays after its key has expired, and an index after its longest member, in milliseconds: more than
/// the clocks of two nodes differ.
const GRACE: u64 = 60_000;

/// A member to be entered, and the life of its key in milliseconds.
pub(crate) struct Entering {
    pub(crate) member: Bytes,
    pub(crate) ttl: u64,
}

/// `enter.lua`, and for a single member `enter_one.lua`, in Rust.
pub(crate) fn enter(
    tx: &mut dyn Transaction,
    index: &Key,
    entering: &[Entering],
    trim: usize,
) -> Result<()> {
    let now = tx.now() / 1_000;
    let mut raised = 0;
    for Entering { member, ttl } in entering {
        let expiry = score(now + ttl);
        let before = tx.zscore(index, member)?;
        raised += usize::from(before.is_none_or(|before| before < expiry));
        tx.zadd(index, ZAddCondition::Raise, &[(expiry, member.clone())])?;
    }
    if raised < entering.len() {
        let mut entries = Vec::with_capacity(entering.len());
        for Entering { member, .. } in entering {
            let score = tx.zscore(index, member)?.unwrap_or_default();
            entries.push((score + 1.0, member.clone()));
        }
        tx.zadd(index, ZAddCondition::Always, &entries)?;
    }
    let longest = entering.iter().map(|entering| entering.ttl).max();
    keep(tx, index, longest.unwrap_or_default(), trim)
}

/// `keep.lua` in Rust.
fn keep(tx: &mut dyn Transaction, index: &Key, longest: u64, trim: usize) -> Result<()> {
    let is_covered = match tx.pttl(index)? {
        KeyExpiry::In(left) => left.as_millis() >= u128::from(longest + GRACE),
        _ => false,
    };
    if !is_covered {
        tx.pexpire(index, ExpireChange::After(life(longest + 2 * GRACE)?))?;
    }
    if trim > 0 {
        let limit = score(tx.now() / 1_000) - score(GRACE);
        let over = tx.zrange_by_score(index, (Bound::Unbounded, Bound::Included(limit)), trim)?;
        let over: Vec<Bytes> = over.into_iter().map(|(member, _)| member).collect();
        tx.zrem(index, &over)?;
    }
    Ok(())
}

/// So many milliseconds, or the longest life there is.
pub(crate) fn life(millis: u64) -> Result<Ttl> {
    let millis = millis.min(Ttl::MAX.as_millis());
    Ok(Ttl::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))?)
}

/// Milliseconds as a score. They are far below 2^53, where `f64` would begin to round.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are below 2^53")]
fn score(millis: u64) -> f64 {
    millis as f64
}

/// A whole number among a script's arguments.
pub(crate) fn number(args: &[Bytes], at: usize) -> Result<usize> {
    parsed(args, at)
}

/// One of a script's arguments.
pub(crate) fn argument(args: &[Bytes], at: usize) -> Result<&Bytes> {
    args.get(at).ok_or_else(wrong_arguments)
}

pub(crate) fn parsed<T: std::str::FromStr>(args: &[Bytes], at: usize) -> Result<T> {
    let text = args.get(at).and_then(|arg| std::str::from_utf8(arg).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(wrong_arguments)
}

/// Values' keys, and as many of their leases behind them.
pub(crate) fn halves(keys: &[Key]) -> Result<(&[Key], &[Key])> {
    match keys.len() % 2 {
        0 => Ok(keys.split_at(keys.len() / 2)),
        _ => Err(wrong_arguments()),
    }
}

pub(crate) fn wrong_arguments() -> Error {
    Error::new(ErrorKind::Unexpected, "index")
        .with_detail("a script was called with wrong arguments")
}
