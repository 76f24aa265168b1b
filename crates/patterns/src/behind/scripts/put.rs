//! Accepting a write.

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::Key;
use cachekit_store::{Expiration, Reply, Result, Script, SetOptions, Transaction};

use super::{now_ms, oldest, persisted, put_score};
use crate::{
    behind::companion::{HEAD, Head, MOST_COUNTED},
    index::{Entering, enter, life, parsed, parsed_number as number, wrong_arguments},
    lease::end_lease,
};

/// Accepts the write of one key: caches the value, or removes it for a deletion, and keeps the write until it is persisted, in
/// place of one that is there. Ends the lease of a load under way.
///
/// Answers 1, the sequence, 1 where nothing was due before and 2 where the write was claimed, and the time in milliseconds. Where the write is not accepted and
/// nothing was changed: 0 and how many keys there are where the backlog is full, 2 and the age in milliseconds where it is
/// too old, 3 where the key has a write of another queue.
///
/// `KEYS`: the key, its lease, its unpersisted write, `due`, `held`, `waiting`, `persisted`, `dead`, then indices. `ARGV`: `P`
/// or `D`, the encoded value, its TTL in milliseconds, how many members to trim from each index, the member that names the
/// key, the window in milliseconds, the greatest count and age of the backlog (0 for none, -1 for a count that is reached), the queue's tag, and for how long
/// the write of a key without one is claimed at once, in milliseconds (0 for not at all).
pub(in crate::behind) const PUT: Script = Script::new(
    "write_put",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("whole.lua"),
        include_str!("oldest.lua"),
        include_str!("put.lua")
    ),
)
.with_body(put)
.with_time();

fn put(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [
        key,
        lease,
        write,
        due,
        held,
        waiting,
        persisted_key,
        dead,
        indices @ ..,
    ] = keys
    else {
        return Err(wrong_arguments());
    };
    let [op, value, _, _, member, .., tag, _] = args else {
        return Err(wrong_arguments());
    };
    let window: i64 = parsed(args, 5)?;
    let claim: i64 = parsed(args, 9)?;
    let now = now_ms(tx);
    let before = tx.get(write)?.unwrap_or_default();
    let head = before.slice(..before.len().min(HEAD));
    let (mut sequence, mut first, mut count, mut was_empty) = (tx.now(), now, 1, 0);
    if head.is_empty() {
        let fresh = tx.zcard(due)?;
        let (bound, most): (i64, i64) = (parsed(args, 6)?, parsed(args, 7)?);
        if bound != 0 {
            let holds = fresh + tx.zcard(held)? + tx.zcard(dead)?;
            let holds = i64::try_from(holds).unwrap_or(i64::MAX);
            if holds >= bound {
                return Ok(integers([0, holds]));
            }
        }
        if most > 0 {
            let age = now - oldest(tx, due, waiting, window)?.unwrap_or(now);
            if age > most {
                return Ok(integers([2, age]));
            }
        }
        sequence = sequence.max(persisted(tx, persisted_key)? + 1);
        if claim > 0 {
            put_score(tx, held, now + claim, member)?;
            put_score(tx, waiting, now, member)?;
            was_empty = 2;
        } else {
            put_score(tx, due, now + window, member)?;
            was_empty = i64::from(fresh == 0);
        }
    } else {
        if head.get(42..) != Some(&tag[..]) {
            return Ok(integers([3]));
        }
        let head = Head::parse(&head)?;
        sequence = sequence.max(head.sequence + 1);
        first = i64::try_from(head.first).unwrap_or(i64::MAX);
        count = (u64::from(head.count) + 1).min(MOST_COUNTED);
    }
    let op_text = String::from_utf8_lossy(op);
    let tag_text = String::from_utf8_lossy(tag);
    let head = format!("1{sequence:016}{first:013}000{op_text}{count:08}{tag_text}");
    if &op[..] == b"P" {
        let (ttl, trim) = (parsed(args, 2)?, number(args, 3)?);
        for index in indices {
            let entering = Entering {
                member: member.clone(),
                ttl,
            };
            enter(tx, index, &[entering], trim)?;
        }
        let mut bytes = BytesMut::with_capacity(head.len() + value.len());
        bytes.put_slice(head.as_bytes());
        bytes.put_slice(value);
        tx.set(write, bytes.freeze(), SetOptions::new(Expiration::Never))?;
        tx.set(key, value.clone(), SetOptions::ttl(life(ttl)?))?;
    } else {
        tx.set(write, head.into(), SetOptions::new(Expiration::Never))?;
        tx.del(key)?;
    }
    end_lease(tx, lease)?;
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    Ok(integers([1, sequence, was_empty, now]))
}

fn integers<const N: usize>(numbers: [i64; N]) -> Reply {
    Reply::Array(numbers.map(Reply::Integer).to_vec())
}
