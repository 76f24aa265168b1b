//! The scripts of a write through the cache, each as Lua text and in Rust.
//!
//! While the database is written, the writer holds the key's lease, which says as much as a loader's whose key held nothing.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ErrorKind, ExpireChange, Reply, Result, Script, ScriptEffect, SetOptions, Transaction,
};

use crate::{
    index::{Entering, argument, enter, life, parsed, parsed_number as number, wrong_arguments},
    lease::{end_lease, mark, read_mark},
};

/// Takes the lease from whoever has it, and removes the value or writes the new one.
///
/// `KEYS`: the value's key, its lease's, perhaps that of a word, then the indices. `ARGV`: the token, the lease's TTL in
/// milliseconds, how long the key stays in the indices, in milliseconds, the member that names it there, something where there
/// is the key of a word, and perhaps the new value and its TTL in milliseconds.
///
/// Those who wait for the former holder go on waiting, and are woken when the write is over.
pub(super) const BEGIN: Script = Script::new(
    "through_begin",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("begin.lua")
    ),
)
.with_body(begin)
.with_time();

/// Writes the value and enters its key into indices, if the lease is still the token's, nothing was cleared by pattern since,
/// and the key holds nothing or this value already; else it removes the value. Ends the lease, whoever has it. Answers 1 where
/// the value was written.
///
/// `KEYS`: the value's key, its lease's, perhaps that of a word, then the indices. `ARGV`: the token, the value, its TTL in
/// milliseconds, how many members to trim from each index, the member that names the key, and something where there is the
/// key of a word.
pub(super) const SETTLE: Script = Script::new(
    "through_settle",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("../../lease/scripts/lease.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("settle.lua")
    ),
)
.with_body(settle)
.with_time();

/// Removes the value if it is this one, and gives the lease back if it is the token's; answers 1 where the value was removed.
///
/// `KEYS`: the value's key, and its lease's. `ARGV`: the token, and the value.
pub(super) const UNDO: Script = Script::new(
    "through_undo",
    concat!(
        include_str!("../../lease/scripts/lease.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("undo.lua")
    ),
)
.with_body(undo)
.with_effect(ScriptEffect::Idempotent);

/// Gives the value its lifetime and enters its key into indices, if it is still this one; answers 1 then.
///
/// `KEYS`: the value's key, its lease's, perhaps that of a word, then the indices. `ARGV`: the value, its TTL in milliseconds,
/// how many members to trim from each index, the member that names the key, and something where there is the key of a word.
pub(super) const CONFIRM: Script = Script::new(
    "through_confirm",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("confirm.lua")
    ),
)
.with_body(confirm)
.with_time();

fn begin(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let Keys {
        key,
        lease,
        word,
        indices,
    } = Keys::of(tx, keys, !argument(args, 4)?.is_empty())?;
    for index in indices {
        let entering = Entering {
            member: argument(args, 3)?.clone(),
            ttl: parsed(args, 2)?,
        };
        enter(tx, index, &[entering], 0)?;
    }
    match args.get(5) {
        Some(value) => {
            let options = SetOptions::ttl(life(parsed(args, 6)?)?);
            tx.set(key, value.clone(), options)?;
        }
        None => drop(tx.del(key)?),
    }
    let bytes = mark(argument(args, 0)?, &word);
    tx.set(lease, bytes, SetOptions::ttl(life(parsed(args, 1)?)?))?;
    Ok(Reply::Integer(1))
}

fn settle(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let found = Keys::of(tx, keys, !argument(args, 5)?.is_empty())?;
    let (token, value) = (argument(args, 0)?, argument(args, 1)?);
    let held = tx.get(found.lease)?.unwrap_or_default();
    let is_held = read_mark(&held).is_some_and(|mark| mark == (&token[..], &found.word[..]));
    let is_free = match get(tx, found.key)? {
        Current::Absent => true,
        Current::Bytes(bytes) => bytes == *value,
        Current::OtherType => false,
    };
    let is_ours = is_held && is_free;
    if is_ours {
        for index in found.indices {
            let entering = Entering {
                member: argument(args, 4)?.clone(),
                ttl: parsed(args, 2)?,
            };
            enter(tx, index, &[entering], number(args, 3)?)?;
        }
        let options = SetOptions::ttl(life(parsed(args, 2)?)?);
        tx.set(found.key, value.clone(), options)?;
    } else {
        tx.del(found.key)?;
    }
    end_lease(tx, found.lease)?;
    Ok(Reply::Integer(i64::from(is_ours)))
}

fn undo(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([key, lease], [token, value]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let held = tx.get(lease)?.unwrap_or_default();
    let is_ours = matches!(get(tx, key)?, Current::Bytes(bytes) if bytes == *value);
    let undone = is_ours && tx.del(key)?;
    if read_mark(&held).is_some_and(|(holder, _)| holder == token) {
        end_lease(tx, lease)?;
    }
    Ok(Reply::Integer(i64::from(undone)))
}

fn confirm(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let (value, ttl) = (argument(args, 0)?, parsed(args, 1)?);
    let first = if argument(args, 4)?.is_empty() { 2 } else { 3 };
    let (Some(key), Some(indices)) = (keys.first(), keys.get(first..)) else {
        return Err(wrong_arguments());
    };
    if !matches!(get(tx, key)?, Current::Bytes(bytes) if bytes == *value) {
        return Ok(Reply::Integer(0));
    }
    for index in indices {
        let entering = Entering {
            member: argument(args, 3)?.clone(),
            ttl,
        };
        enter(tx, index, &[entering], number(args, 2)?)?;
    }
    let confirmed = tx.pexpire(key, ExpireChange::After(life(ttl)?))?;
    Ok(Reply::Integer(i64::from(confirmed)))
}

/// The keys of a call, and the word of the last clearing by pattern.
struct Keys<'k> {
    key: &'k Key,
    lease: &'k Key,
    word: Bytes,
    indices: &'k [Key],
}

impl<'k> Keys<'k> {
    fn of(tx: &mut dyn Transaction, keys: &'k [Key], has_word: bool) -> Result<Self> {
        let [key, lease, rest @ ..] = keys else {
            return Err(wrong_arguments());
        };
        let (word, indices) = match (has_word, rest) {
            (false, indices) => (Bytes::new(), indices),
            (true, [word, indices @ ..]) => (tx.get(word)?.unwrap_or_default(), indices),
            (true, []) => return Err(wrong_arguments()),
        };
        Ok(Self {
            key,
            lease,
            word,
            indices,
        })
    }
}

enum Current {
    Absent,
    Bytes(Bytes),
    OtherType,
}

fn get(tx: &mut dyn Transaction, key: &Key) -> Result<Current> {
    match tx.get(key) {
        Ok(None) => Ok(Current::Absent),
        Ok(Some(bytes)) => Ok(Current::Bytes(bytes)),
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(Current::OtherType),
        Err(error) => Err(error),
    }
}
