//! The scripts that add to the fleet's counts and read them, and their twins in Rust.

use std::{str, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Error, ErrorKind, ExpireChange, KeyExpiry, Reply, Result, Script, ScriptEffect, SetOptions,
    Transaction,
};

/// Adds to an hour's counts, once for each number of an addition; answers the time in microseconds, and 1, or 0 where this
/// addition or a later one of the same process had been made before.
///
/// The number is written before anything is added, so that a run which fails half-way is not made again.
///
/// `KEYS`: the hash of the counts, and the process's last number. `ARGV`: the number, 16 digits; the TTL in milliseconds,
/// which is only ever raised; then fields and what is added to each.
pub(crate) const ADD: Script = Script::new("hits_add", include_str!("add.lua"))
    .with_body(add)
    .with_time()
    .with_effect(ScriptEffect::Idempotent);

/// Answers an hour's counts as fields and numbers in turn. `KEYS`: the hash.
pub(crate) const READ: Script = Script::new("hits_read", include_str!("read.lua"))
    .with_body(read)
    .with_effect(ScriptEffect::ReadOnly);

fn add(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([counts, process], [number, ttl, additions @ ..]) = (keys, args) else {
        return Err(wrong_arguments(&ADD));
    };
    let now = Reply::Integer(i64::try_from(tx.now()).unwrap_or(i64::MAX));
    let last = tx.get(process)?;
    if last.is_some_and(|last| last.len() == number.len() && last >= *number) {
        return Ok(Reply::Array(vec![now, Reply::Integer(0)]));
    }
    let millis = u64::try_from(parsed(ttl)?).map_err(|_| wrong_arguments(&ADD))?;
    let life = Duration::from_millis(millis);
    let ttl = Ttl::new(life).map_err(|_| wrong_arguments(&ADD))?;
    tx.set(process, number.clone(), SetOptions::ttl(ttl))?;
    for addition in additions.chunks(2) {
        let [field, by] = addition else {
            return Err(wrong_arguments(&ADD));
        };
        tx.hincrby(counts, field, parsed(by)?)?;
    }
    let is_longer = match tx.pttl(counts)? {
        KeyExpiry::In(left) => left < life,
        _ => true,
    };
    if is_longer {
        tx.pexpire(counts, ExpireChange::After(ttl))?;
    }
    Ok(Reply::Array(vec![now, Reply::Integer(1)]))
}

fn read(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    let [counts] = keys else {
        return Err(wrong_arguments(&READ));
    };
    let fields = tx.hgetall(counts)?.into_iter();
    let flat = fields.flat_map(|(field, value)| [Reply::Bytes(field), Reply::Bytes(value)]);
    Ok(Reply::Array(flat.collect()))
}

fn parsed(number: &Bytes) -> Result<i64> {
    let text = str::from_utf8(number).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| wrong_arguments(&ADD))
}

fn wrong_arguments(script: &Script) -> Error {
    Error::new(ErrorKind::InvalidInput, script.name).with_detail("wrong arguments")
}

/// A reply that the script never gives.
pub(crate) fn unexpected(script: &Script) -> Error {
    Error::new(ErrorKind::Unexpected, script.name).with_detail("a reply of another form")
}
