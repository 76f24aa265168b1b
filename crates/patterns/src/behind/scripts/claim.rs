//! Claiming what is due, and beginning an attempt.

use std::{collections::BTreeSet, ops::Bound};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, ScoreRange, Script, Transaction};

use super::{lowest, millis, now_ms, put_score, score, set_range, take_out};
use crate::{
    behind::companion::digits,
    index::{parsed, parsed_number as number, wrong_arguments},
};

/// Claims up to so many writes that are due. At most half of them were claimed before where there are others, so that those
/// which fail do not keep others from being tried.
///
/// Answers the time in milliseconds, the score of the claims, the lowest score of what is left or held (-1 for nothing), how
/// many dead letters there are, which of the members (from 1) were claimed before by somebody who did not end that, and the
/// members.
///
/// `KEYS`: `due`, `held`, `waiting`, `dead`. `ARGV`: how many at most, for how long they are claimed, the window, the longest
/// time for which anything is held, all in milliseconds, and `1` to take what is not due yet too.
pub(in crate::behind) const CLAIM: Script = Script::new(
    "write_claim",
    concat!(include_str!("full.lua"), include_str!("claim.lua")),
)
.with_body(claim)
.with_time()
.with_start_when_full();

/// Answers writes of which an attempt begins: 0 for one that is left for later, as the bytes of those before it are too
/// many, and nothing for one that does not exist. Counts the attempts that did not come to their end.
///
/// `KEYS`: unpersisted writes. `ARGV`: how many bytes they may have together (the first one may have more), then which of them
/// (from 1) had such an attempt.
pub(in crate::behind) const BEGIN: Script = Script::new(
    "write_begin",
    concat!(
        include_str!("full.lua"),
        include_str!("whole.lua"),
        include_str!("begin.lua")
    ),
)
.with_body(begin)
.with_start_when_full();

struct Claiming<'a> {
    due: &'a Key,
    held: &'a Key,
    waiting: &'a Key,
    window: i64,
    now: i64,
    score: i64,
    members: Vec<Reply>,
    expired: Vec<Reply>,
}

fn claim(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let [due, held, waiting, dead] = keys else {
        return Err(wrong_arguments());
    };
    let n = number(args, 0)?;
    let (life, window, longest): (i64, i64, i64) =
        (parsed(args, 1)?, parsed(args, 2)?, parsed(args, 3)?);
    let is_all = args.get(4).is_some_and(|all| &all[..] == b"1");
    let now = now_ms(tx);
    let mut claiming = Claiming {
        due,
        held,
        waiting,
        window,
        now,
        score: now + life,
        members: Vec::new(),
        expired: Vec::new(),
    };
    // Of a single one, now the one and now the other.
    let half = match n {
        0 | 1 => usize::from(now % 2 == 1),
        _ => n.div_ceil(2),
    };
    claiming.again(tx, half)?;
    claiming.far_again(tx, half, now + longest)?;
    match is_all {
        true => claiming.anew(tx, n, (Bound::Unbounded, Bound::Unbounded), false)?,
        false => {
            let due = (Bound::Unbounded, Bound::Included(score(now)));
            claiming.anew(tx, n, due, false)?;
            let far = (Bound::Excluded(score(now + window)), Bound::Unbounded);
            claiming.anew(tx, n, far, true)?;
        }
    }
    let left = n.saturating_sub(claiming.members.len());
    claiming.again(tx, left)?;
    let next = [lowest(tx, due)?, lowest(tx, held)?];
    let next = next.into_iter().flatten().min().unwrap_or(-1);
    let letters = i64::try_from(tx.zcard(dead)?).unwrap_or(i64::MAX);
    Ok(Reply::Array(vec![
        Reply::Integer(now),
        Reply::Integer(claiming.score),
        Reply::Integer(next),
        Reply::Integer(letters),
        Reply::Array(claiming.expired),
        Reply::Array(claiming.members),
    ]))
}

impl Claiming<'_> {
    fn again(&mut self, tx: &mut dyn Transaction, half: usize) -> Result<()> {
        let due = (Bound::Unbounded, Bound::Included(score(self.now)));
        let found = tx.zrange_by_score(self.held, due, half)?;
        self.hold_again(tx, found)
    }

    fn far_again(&mut self, tx: &mut dyn Transaction, half: usize, beyond: i64) -> Result<()> {
        let most = half.saturating_sub(self.members.len());
        let far = (Bound::Excluded(score(beyond)), Bound::Unbounded);
        let found = tx.zrevrange_by_score(self.held, far, most)?;
        self.hold_again(tx, found)
    }

    fn anew(
        &mut self,
        tx: &mut dyn Transaction,
        n: usize,
        range: ScoreRange,
        is_reversed: bool,
    ) -> Result<()> {
        let most = n.saturating_sub(self.members.len());
        let found = match is_reversed {
            false => tx.zrange_by_score(self.due, range, most)?,
            true => tx.zrevrange_by_score(self.due, range, most)?,
        };
        for (member, at) in &found {
            take_out(tx, self.due, member)?;
            let first = (millis(*at) - self.window).min(self.now);
            put_score(tx, self.waiting, first, member)?;
        }
        self.hold(tx, found)
    }

    fn hold_again(&mut self, tx: &mut dyn Transaction, found: Vec<(Bytes, f64)>) -> Result<()> {
        for (place, (_, score)) in (self.members.len() + 1..).zip(&found) {
            // What waits for another attempt has a fraction.
            if score.fract() == 0.0 {
                let place = i64::try_from(place).unwrap_or(i64::MAX);
                self.expired.push(Reply::Integer(place));
            }
        }
        self.hold(tx, found)
    }

    fn hold(&mut self, tx: &mut dyn Transaction, found: Vec<(Bytes, f64)>) -> Result<()> {
        for (member, _) in found {
            put_score(tx, self.held, self.score, &member)?;
            self.members.push(Reply::Bytes(member));
        }
        Ok(())
    }
}

fn begin(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut left = number(args, 0)?;
    let expired = (1..args.len()).map(|place| number(args, place));
    let expired = expired.collect::<Result<BTreeSet<_>>>()?;
    let mut given = false;
    let mut answers = Vec::with_capacity(keys.len());
    for (place, write) in (1..).zip(keys) {
        let bytes = tx.get(write)?.unwrap_or_default();
        if bytes.is_empty() {
            answers.push(Reply::Nil);
        } else if given && bytes.len() > left {
            answers.push(Reply::Integer(0));
        } else {
            left = left.saturating_sub(bytes.len());
            given = true;
            answers.push(match expired.contains(&place) {
                true => count_one_more(tx, write, &bytes)?,
                false => Reply::Bytes(bytes),
            });
        }
    }
    Ok(Reply::Array(answers))
}

fn count_one_more(tx: &mut dyn Transaction, write: &Key, bytes: &Bytes) -> Result<Reply> {
    let attempts = bytes.get(30..bytes.len().min(33)).and_then(digits);
    let attempts = (attempts.unwrap_or(0) + 1).min(999);
    set_range(tx, write, 30, &format!("{attempts:03}"))?;
    Ok(tx.get(write)?.map_or(Reply::Nil, Reply::Bytes))
}
