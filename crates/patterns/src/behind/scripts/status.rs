//! What a queue holds.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, ScriptEffect, Transaction};

use super::{millis, now_ms, oldest, score};
use crate::{
    behind::companion::HEAD,
    index::{parsed, parsed_number as number, wrong_arguments},
};

/// Answers the time in milliseconds, how many keys have an unpersisted write, when the oldest of these was accepted (-1 for
/// none), how many were accepted by a clock that was ahead, how many keys have a dead letter, and how many of these died since a time.
///
/// `KEYS`: `due`, `held`, `waiting`, `dead`. `ARGV`: the window and the time, in milliseconds.
pub(in crate::behind) const STATUS: Script = Script::new(
    "write_status",
    concat!(include_str!("oldest.lua"), include_str!("status.lua")),
)
.with_body(status)
.with_time()
.with_effect(ScriptEffect::ReadOnly);

/// Answers members and the times of their dead letters in turn, the oldest first.
///
/// `KEYS`: `dead`. `ARGV`: since when and until when, in milliseconds, and how many at most.
pub(in crate::behind) const LETTERS: Script =
    Script::new("write_letters", include_str!("letters.lua"))
        .with_body(letters)
        .with_effect(ScriptEffect::ReadOnly);

/// Answers the time in milliseconds, and the headers of a key's unpersisted write and dead letter, empty where there are none.
///
/// `KEYS`: these two.
pub(in crate::behind) const STATE: Script = Script::new("write_state", include_str!("state.lua"))
    .with_body(state)
    .with_time()
    .with_effect(ScriptEffect::ReadOnly);

fn status(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [due, held, waiting, dead] = keys else {
        return Err(wrong_arguments());
    };
    let (window, since): (i64, i64) = (parsed(args, 0)?, parsed(args, 1)?);
    let now = now_ms(tx);
    let pending = tx.zcard(due)? + tx.zcard(held)?;
    let oldest = oldest(tx, due, waiting, window)?.unwrap_or(-1);
    let beyond = (Bound::Excluded(score(now + window)), Bound::Unbounded);
    let ahead = tx.zcount(due, beyond)?;
    let letters = tx.zcard(dead)?;
    let recent = tx.zcount(dead, (Bound::Included(score(since)), Bound::Unbounded))?;
    let count = |count: u64| Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(Reply::Array(vec![
        Reply::Integer(now),
        count(pending),
        Reply::Integer(oldest),
        count(ahead),
        count(letters),
        count(recent),
    ]))
}

fn letters(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [dead] = keys else {
        return Err(wrong_arguments());
    };
    let (since, until): (i64, i64) = (parsed(args, 0)?, parsed(args, 1)?);
    let range = (Bound::Included(score(since)), Bound::Included(score(until)));
    let found = tx.zrange_by_score(dead, range, number(args, 2)?)?;
    let found = found.into_iter().flat_map(|(member, at)| {
        let at = Bytes::from(millis(at).to_string());
        [Reply::Bytes(member), Reply::Bytes(at)]
    });
    Ok(Reply::Array(found.collect()))
}

fn state(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
    let mut parts = vec![Reply::Integer(now_ms(tx))];
    for key in keys {
        let bytes = tx.get(key)?.unwrap_or_default();
        parts.push(Reply::Bytes(bytes.slice(..bytes.len().min(HEAD))));
    }
    Ok(Reply::Array(parts))
}
