//! Ending a claim: the write is persisted, or tried again later.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, Transaction};

use super::{
    Claim, is_held, now_ms, persisted, sequence_of, set_number, set_range, take_out, wait_until,
};
use crate::{
    behind::companion::digits,
    index::{parsed, wrong_arguments},
};

/// Removes writes that are persisted, and the dead letters of their keys. Answers for each 1; 2 where a newer write has come,
/// which is in the queue again; 0 where the claim is over, and nothing was changed.
///
/// `KEYS`: `due`, `held`, `waiting`, `persisted`, `dead`, then the unpersisted writes, then their keys' dead letters. `ARGV`: the score of the claim,
/// when it was made, the window, all in milliseconds, and `1` where the writes are short; then for each the member, the sequence, and how many writes it stood for.
pub(in crate::behind) const ACK: Script = Script::new(
    "write_ack",
    concat!(
        include_str!("full.lua"),
        include_str!("whole.lua"),
        include_str!("requeue.lua"),
        include_str!("ack.lua")
    ),
)
.with_body(ack)
.with_time()
.with_start_when_full();

/// Lets writes wait for another attempt; a newer one that has come waits in the place of the one that failed, so that it is as old
/// for who waits for that, and a key that is written all the time is not tried without a pause. Answers for each 1, or 0 where
/// the claim is over or there is no write.
///
/// `KEYS`: `held`, `waiting`, then the unpersisted writes. `ARGV`: the score of the claim, and the least pause of
/// a newer write, in milliseconds; then for each the member, the sequence
/// (empty for any), the pause in milliseconds, and how many attempts there were, in three digits (empty for as many as there are).
pub(in crate::behind) const RETRY: Script = Script::new(
    "write_retry",
    concat!(
        include_str!("full.lua"),
        include_str!("whole.lua"),
        include_str!("requeue.lua"),
        include_str!("retry.lua")
    ),
)
.with_body(retry)
.with_time()
.with_start_when_full();

fn ack(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([due, held, waiting, persisted_key, dead, rest @ ..], [_, _, _, _, items @ ..]) =
        (keys, args)
    else {
        return Err(wrong_arguments());
    };
    let (claim, at, window) = (parsed(args, 0)?, parsed(args, 1)?, parsed(args, 2)?);
    let (writes, dead_letters) = crate::index::halves(rest)?;
    let before = persisted(tx, persisted_key)?;
    let mut highest = before;
    for item in items.chunks(3) {
        highest = highest.max(item.get(1).and_then(|text| digits(text)).unwrap_or(0));
    }
    if highest > before {
        set_number(tx, persisted_key, highest)?;
    }
    let has_letters = tx.zcard(dead)? > 0;
    let ended = Claim {
        due,
        held,
        waiting,
        at,
        window,
    };
    let mut answers = Vec::with_capacity(writes.len());
    for ((write, letter), item) in writes.iter().zip(dead_letters).zip(items.chunks(3)) {
        let [member, sequence, _] = item else {
            return Err(wrong_arguments());
        };
        if !is_held(tx, held, member, claim)? {
            answers.push(Reply::Integer(0));
            continue;
        }
        let there = sequence_of(tx, write)?;
        if there == sequence || there.is_empty() {
            tx.del(write)?;
            ended.end(tx, member)?;
            answers.push(Reply::Integer(1));
        } else {
            ended.requeue(tx, write, member, parsed(item, 2)?)?;
            answers.push(Reply::Integer(2));
        }
        if has_letters {
            tx.del(letter)?;
            take_out(tx, dead, member)?;
        }
    }
    Ok(Reply::Array(answers))
}

fn retry(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([held, waiting, writes @ ..], [_, _, items @ ..]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let (claim, least): (i64, i64) = (parsed(args, 0)?, parsed(args, 1)?);
    let now = now_ms(tx);
    let mut answers = Vec::with_capacity(writes.len());
    for (write, item) in writes.iter().zip(items.chunks(4)) {
        let [member, sequence, _, attempts] = item else {
            return Err(wrong_arguments());
        };
        let mut answer = 0;
        if is_held(tx, held, member, claim)? {
            let there = sequence_of(tx, write)?;
            if there.is_empty() {
                take_out(tx, held, member)?;
                take_out(tx, waiting, member)?;
            } else {
                let mut pause: i64 = parsed(item, 2)?;
                if !sequence.is_empty() && there != sequence {
                    pause = pause.max(least);
                } else if !attempts.is_empty() {
                    set_range(tx, write, 30, &String::from_utf8_lossy(attempts))?;
                }
                wait_until(tx, held, now + pause, member)?;
                answer = 1;
            }
        }
        answers.push(Reply::Integer(answer));
    }
    Ok(Reply::Array(answers))
}
