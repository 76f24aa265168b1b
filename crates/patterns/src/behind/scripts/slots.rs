//! Which slots of a cluster hold writes: hints of where to look, written before what they are about.
//!
//! A member is a slot, and its score says when a worker should look there, or is infinite where there are only dead letters. One
//! whose slot is empty is harmless. The clocks of the nodes differ, so that only spans of time go from one to the other.
//!
//! A score is a whole number of milliseconds, but where notes of several times have become one: that is half a millisecond
//! earlier. Whoever noted the slot last may be about to write, and relies on its note for a while; so what is found there at the
//! earlier time does not say that the slot is empty.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, ScriptEffect, Transaction, ZAddCondition};

use super::{millis, now_ms, put_score, score, take_out};
use crate::index::{parsed, parsed_number as number, wrong_arguments};

/// Notes that a slot is to be looked at, at the latest after so many milliseconds; answers how many are new. It always changes the
/// score of a slot that is taken, and so whoever settles that notices.
///
/// `KEYS`: a part of the slots. `ARGV`: the slot, and the time in milliseconds.
pub(in crate::behind) const SLOTS_NOTE: Script = Script::new(
    "write_slots_note",
    concat!(include_str!("full.lua"), include_str!("slots_note.lua")),
)
.with_body(note)
.with_time()
.with_start_when_full()
.with_effect(ScriptEffect::Idempotent);

/// Takes slots that are to be looked at, so that nobody else does for a while. Answers the score that they have now, the time
/// until the next one (-1 for none), the slots, and those among them that have to be looked at once more, a window later, as not all who
/// noted them need have written yet.
///
/// `KEYS`: a part of the slots. `ARGV`: how many at most, for how long, the longest time that one is noted ahead, all in milliseconds, and `1` to
/// take all that hold unpersisted writes.
pub(in crate::behind) const SLOTS_TAKE: Script = Script::new(
    "write_slots_take",
    concat!(include_str!("full.lua"), include_str!("slots_take.lua")),
)
.with_body(take)
.with_time()
.with_start_when_full();

/// Notes when slots that were taken are to be looked at again, unless someone has noted another time since. Answers 1.
///
/// `KEYS`: a part of the slots. `ARGV`: the score from taking them; then for each the slot, and the time until then in milliseconds,
/// nothing for one that is empty, or `inf` for one that holds dead letters only.
pub(in crate::behind) const SLOTS_SETTLE: Script = Script::new(
    "write_slots_settle",
    concat!(include_str!("full.lua"), include_str!("slots_settle.lua")),
)
.with_body(settle)
.with_time()
.with_start_when_full();

/// Answers all slots.
///
/// `KEYS`: a part of the slots.
pub(in crate::behind) const SLOTS_LIST: Script =
    Script::new("write_slots_list", include_str!("slots_list.lua"))
        .with_body(list)
        .with_effect(ScriptEffect::ReadOnly);

fn note(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([slots], [slot, _]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let delay: i64 = parsed(args, 1)?;
    let at = score(now_ms(tx) + delay);
    let there = tx.zscore(slots, slot)?;
    let at = match there {
        Some(there) if there.is_finite() => at.min(there.ceil()) - 0.5,
        _ => at,
    };
    tx.zadd(slots, ZAddCondition::Always, &[(at, slot.clone())])?;
    Ok(Reply::Integer(i64::from(there.is_none())))
}

fn take(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [slots] = keys else {
        return Err(wrong_arguments());
    };
    let n = number(args, 0)?;
    let (life, longest): (i64, i64) = (parsed(args, 1)?, parsed(args, 2)?);
    let is_all = args.get(3).is_some_and(|all| &all[..] == b"1");
    let now = now_ms(tx);
    let end = match is_all {
        true => Bound::Excluded(f64::INFINITY),
        false => Bound::Included(score(now)),
    };
    let mut taken = tx.zrange_by_score(slots, (Bound::Unbounded, end), n)?;
    let is_unsure = |(_, at): &&(Bytes, f64)| is_all || at.fract() != 0.0;
    let mut unsure: Vec<Bytes> = taken.iter().filter(is_unsure).map(slot_in).collect();
    hold(tx, slots, now + life, &taken)?;
    if taken.len() < n && !is_all {
        let far = (
            Bound::Excluded(score(now + longest)),
            Bound::Excluded(f64::INFINITY),
        );
        let more = tx.zrevrange_by_score(slots, far, n - taken.len())?;
        hold(tx, slots, now + life, &more)?;
        unsure.extend(more.iter().map(slot_in));
        taken.extend(more);
    }
    let finite = (Bound::Unbounded, Bound::Excluded(f64::INFINITY));
    let next = tx.zrange_by_score(slots, finite, 1)?;
    let next = next
        .first()
        .map_or(-1, |(_, at)| (millis(*at) - now).max(0));
    let taken = taken.into_iter().map(|(slot, _)| Reply::Bytes(slot));
    Ok(Reply::Array(vec![
        Reply::Integer(now + life),
        Reply::Integer(next),
        Reply::Array(taken.collect()),
        Reply::Array(unsure.into_iter().map(Reply::Bytes).collect()),
    ]))
}

fn slot_in((slot, _): &(Bytes, f64)) -> Bytes {
    slot.clone()
}

fn hold(tx: &mut dyn Transaction, slots: &Key, until: i64, taken: &[(Bytes, f64)]) -> Result<()> {
    for (slot, _) in taken {
        put_score(tx, slots, until, slot)?;
    }
    Ok(())
}

fn settle(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([slots], [_, rest @ ..]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let claim: i64 = parsed(args, 0)?;
    let now = now_ms(tx);
    for pair in rest.chunks(2) {
        let [slot, delay] = pair else {
            return Err(wrong_arguments());
        };
        if tx.zscore(slots, slot)? != Some(score(claim)) {
            continue;
        }
        match &delay[..] {
            b"" => take_out(tx, slots, slot)?,
            b"inf" => {
                let forever = [(f64::INFINITY, slot.clone())];
                tx.zadd(slots, ZAddCondition::Always, &forever)?;
            }
            _ => {
                let delay: i64 = parsed(pair, 1)?;
                put_score(tx, slots, now + delay, slot)?;
            }
        }
    }
    Ok(Reply::Integer(1))
}

fn list(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
    let [slots] = keys else {
        return Err(wrong_arguments());
    };
    let all = (Bound::Unbounded, Bound::Unbounded);
    let found = tx.zrange_by_score(slots, all, 16_384)?;
    let found = found.into_iter().map(|(slot, _)| Reply::Bytes(slot));
    Ok(Reply::Array(found.collect()))
}
