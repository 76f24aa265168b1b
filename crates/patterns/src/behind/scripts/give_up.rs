//! Giving a write up, and what becomes of dead letters.

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::Key;
use cachekit_store::{Expiration, Reply, Result, Script, SetOptions, Transaction};

use super::{is_held, now_ms, persisted, put_score, sequence_of, set_number, take_out, wait_until};
use crate::{
    behind::companion::{HEAD, digits},
    index::{parsed, wrong_arguments},
    lease::end_lease,
};

/// Gives a claimed write up: removes it and the cached value, and with a reason makes it a dead letter. Answers 1; 2 where a
/// newer write has come, which waits in its place for a pause, as old as it is; 0 where the claim is over, and nothing was changed.
///
/// `KEYS`: the key, its lease, its unpersisted write, its dead letter, `held`, `waiting`, `persisted`, `dead`. `ARGV`: the score of the claim
/// and the pause, in milliseconds, the member, the sequence, and perhaps the reason and how many attempts there were, in three digits
/// (empty for as many as are counted).
pub(in crate::behind) const GIVE_UP: Script = Script::new(
    "write_give_up",
    concat!(
        include_str!("full.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("whole.lua"),
        include_str!("requeue.lua"),
        include_str!("give_up.lua")
    ),
)
.with_body(give_up)
.with_time()
.with_start_when_full();

/// Puts a dead letter back into the queue, due at once, and removes what is cached. Answers 1; 2 where a newer write is in the queue, with
/// which the letter goes; 0 where there is none.
///
/// `KEYS`: the key, its lease, its unpersisted write, its dead letter, `due`, `dead`. `ARGV`: the member.
pub(in crate::behind) const REPLAY: Script = Script::new(
    "write_replay",
    concat!(
        include_str!("full.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("whole.lua"),
        include_str!("replay.lua")
    ),
)
.with_body(replay)
.with_time()
.with_start_when_full();

/// Drops a dead letter; answers how many there were.
///
/// `KEYS`: the dead letter, `dead`. `ARGV`: the member.
pub(in crate::behind) const DISCARD: Script =
    Script::new("write_discard", include_str!("discard.lua"))
        .with_body(discard)
        .with_start_when_full();

fn give_up(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [
        key,
        lease,
        write,
        letter,
        held,
        waiting,
        persisted_key,
        dead,
    ] = keys
    else {
        return Err(wrong_arguments());
    };
    let [_, _, member, sequence, letter_args @ ..] = args else {
        return Err(wrong_arguments());
    };
    let (claim, pause): (i64, i64) = (parsed(args, 0)?, parsed(args, 1)?);
    if !is_held(tx, held, member, claim)? {
        return Ok(Reply::Integer(0));
    }
    let there = sequence_of(tx, write)?;
    if !there.is_empty() && there != sequence {
        let now = now_ms(tx);
        wait_until(tx, held, now + pause, member)?;
        return Ok(Reply::Integer(2));
    }
    let number = digits(sequence).unwrap_or(0);
    if persisted(tx, persisted_key)? < number {
        set_number(tx, persisted_key, number)?;
    }
    let bytes = tx.get(write)?.unwrap_or_default();
    if let ([reason, attempts], false) = (letter_args, bytes.is_empty()) {
        let (head, value) = bytes.split_at(bytes.len().min(HEAD));
        let mut head = head.to_vec();
        if !attempts.is_empty() {
            let end = head.len().min(33);
            head.splice(end.min(30)..end, attempts.iter().copied());
        }
        let length = format!("{:04}", reason.len());
        let all = [&head[..], length.as_bytes(), reason, value].concat();
        tx.set(letter, all.into(), SetOptions::new(Expiration::Never))?;
        let now = now_ms(tx);
        put_score(tx, dead, now, member)?;
    }
    tx.del(write)?;
    take_out(tx, held, member)?;
    take_out(tx, waiting, member)?;
    tx.del(key)?;
    end_lease(tx, lease)?;
    Ok(Reply::Integer(1))
}

fn replay(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([key, lease, write, letter, due, dead], [member]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let Some(bytes) = tx.get(letter)? else {
        take_out(tx, dead, member)?;
        return Ok(Reply::Integer(0));
    };
    if tx.exists(write)? {
        return Ok(Reply::Integer(2));
    }
    let now = now_ms(tx);
    let part = |from: usize, to: usize| bytes.get(from.min(bytes.len())..to.min(bytes.len()));
    let length = part(50, 54).and_then(digits).unwrap_or(0);
    let value = 54_usize.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let mut all = BytesMut::new();
    all.put_slice(part(0, 17).unwrap_or_default());
    all.put_slice(format!("{now:013}000").as_bytes());
    all.put_slice(part(33, HEAD).unwrap_or_default());
    all.put_slice(part(value, bytes.len()).unwrap_or_default());
    put_score(tx, due, now, member)?;
    tx.set(write, all.freeze(), SetOptions::new(Expiration::Never))?;
    tx.del(letter)?;
    take_out(tx, dead, member)?;
    tx.del(key)?;
    end_lease(tx, lease)?;
    Ok(Reply::Integer(1))
}

fn discard(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([letter, dead], [member]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let existed = tx.del(letter)?;
    take_out(tx, dead, member)?;
    Ok(Reply::Integer(i64::from(existed)))
}
