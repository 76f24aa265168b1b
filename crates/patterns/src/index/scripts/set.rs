//! Entering keys into indices, with their values or alone.

use std::collections::HashSet;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, ScriptEffect, SetOptions, Transaction};

use super::{Entering, enter, halves, life, number, parsed, plan, wrong_arguments};
use crate::lease::end_lease;

/// Writes one value and enters its key into indices; answers 1, or 0 where the condition was not met, which changes nothing.
///
/// `KEYS`: the value's key, its lease's, then the indices. `ARGV`: the value, its TTL in milliseconds, how many members to
/// trim from each index, the condition (`NX`, `XX` or nothing), and the member that names the key.
///
/// This is what a service runs all day, and leaner than [`SET_MANY`] with one key. Each index comes before the value, so that
/// an index which cannot be written leaves no value without one. The plan cannot stop there: where an index holds another
/// type, which only another program can bring about, the value stays for its life, and the call fails. So does every clearing
/// by that index: nobody is told that the value is gone.
pub(in crate::index) const SET: Script = Script::new(
    "index_set",
    concat!(
        include_str!("keep.lua"),
        include_str!("enter_one.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("set.lua")
    ),
)
.with_body(set)
.with_time()
.with_plan(plan::set)
.with_mend(plan::mend_set);

/// Writes many values and enters their keys into indices; answers 1, or with a condition for each key whether it was met.
///
/// `KEYS`: the indices, then the values' keys, then their leases'. `ARGV`: the number of indices, how many members to trim
/// from each, the condition, the values, the members that name their keys, and their TTLs: one for each, or one for all.
pub(in crate::index) const SET_MANY: Script = Script::new(
    "index_set_many",
    concat!(
        include_str!("keep.lua"),
        include_str!("enter.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("set_many.lua")
    ),
)
.with_body(set_many)
.with_time()
.with_plan(plan::set_many)
.with_mend(plan::mend_set_many);

/// Enters keys into one index; answers how many.
///
/// `KEYS`: the index. `ARGV`: how many members to trim, the number of members, the members, and the TTLs of their keys: one
/// for each, or one for all. A repetition leaves scores that are higher by one, which means the same.
pub(in crate::index) const NOTE: Script = Script::new(
    "index_note",
    concat!(
        include_str!("keep.lua"),
        include_str!("enter.lua"),
        include_str!("note.lua")
    ),
)
.with_body(note)
.with_time()
.with_effect(ScriptEffect::Idempotent);

fn set(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [value, _, _, condition, member] = args else {
        return Err(wrong_arguments());
    };
    let [key, lease, indices @ ..] = keys else {
        return Err(wrong_arguments());
    };
    let (ttl, trim) = (parsed(args, 1)?, number(args, 2)?);
    if !is_met(tx, key, condition)? {
        return Ok(Reply::Integer(0));
    }
    for index in indices {
        let entering = Entering {
            member: member.clone(),
            ttl,
        };
        enter(tx, index, &[entering], trim)?;
    }
    tx.set(key, value.clone(), SetOptions::ttl(life(ttl)?))?;
    end_lease(tx, lease)?;
    Ok(Reply::Integer(1))
}

fn set_many(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let (indices, trim) = (number(args, 0)?, number(args, 1)?);
    let condition = args.get(2).ok_or_else(wrong_arguments)?;
    let (indices, keys) = keys.split_at_checked(indices).ok_or_else(wrong_arguments)?;
    let (keys, leases) = halves(keys)?;
    let mut answers = Vec::with_capacity(keys.len());
    let (mut entering, mut values, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let mut written = HashSet::new();
    for (place, key) in keys.iter().enumerate() {
        // As if the writes took place in turn: one that comes before in the batch counts.
        let is_taken = match &condition[..] {
            b"NX" if written.contains(key) => false,
            condition => is_met(tx, key, condition)?,
        };
        answers.push(Reply::Integer(i64::from(is_taken)));
        if is_taken {
            written.insert(key);
            entering.push(Entering {
                member: argument(args, 3 + keys.len() + place)?,
                ttl: ttl_at(args, 3 + 2 * keys.len(), place, keys.len())?,
            });
            ended.push(&leases[place]);
            values.push((key, argument(args, 3 + place)?));
        }
    }
    if !entering.is_empty() {
        for index in indices {
            enter(tx, index, &entering, trim)?;
        }
    }
    for ((key, value), Entering { ttl, .. }) in values.into_iter().zip(&entering) {
        tx.set(key, value, SetOptions::ttl(life(*ttl)?))?;
    }
    for lease in ended {
        end_lease(tx, lease)?;
    }
    Ok(match condition.is_empty() {
        true => Reply::Integer(1),
        false => Reply::Array(answers),
    })
}

fn note(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let (trim, members) = (number(args, 0)?, number(args, 1)?);
    let index = keys.first().ok_or_else(wrong_arguments)?;
    let mut entering = Vec::with_capacity(members);
    for place in 0..members {
        entering.push(Entering {
            member: argument(args, 2 + place)?,
            ttl: ttl_at(args, 2 + members, place, members)?,
        });
    }
    enter(tx, index, &entering, trim)?;
    Ok(Reply::Integer(i64::try_from(members).unwrap_or(i64::MAX)))
}

fn argument(args: &[Bytes], at: usize) -> Result<Bytes> {
    args.get(at).cloned().ok_or_else(wrong_arguments)
}

/// The TTL of the key at `place` among `count`: the TTLs start at `start`, one for each key or one for all.
fn ttl_at(args: &[Bytes], start: usize, place: usize, count: usize) -> Result<u64> {
    let is_each = args.len() == start + count;
    parsed(args, start + if is_each { place } else { 0 })
}

fn is_met(tx: &mut dyn Transaction, key: &Key, condition: &[u8]) -> Result<bool> {
    Ok(condition.is_empty() || tx.exists(key)? != (condition == b"NX"))
}
