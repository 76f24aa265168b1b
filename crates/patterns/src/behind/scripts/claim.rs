//! Claiming what is due, and beginning an attempt.

use std::ops::Bound;

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

/// Answers writes of which an attempt begins: 0 for those that are left for later, from the first one on for which there is
/// no room behind those before it, and nothing for one that does not exist. Counts the attempts that did not come to their end.
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
    for place in 1..args.len() {
        let write = keys.get(number(args, place)?.wrapping_sub(1));
        count_one_more(tx, write.ok_or_else(wrong_arguments)?)?;
    }
    let (mut reading, mut is_over) = (Reading::default(), false);
    let mut answers = Vec::with_capacity(keys.len());
    for write in keys {
        if is_over && !reading.is_read(answers.len()) {
            answers.push(Reply::Integer(0));
            continue;
        }
        reading.next(answers.len(), left);
        let bytes = tx.get(write)?.unwrap_or_default();
        if bytes.is_empty() {
            answers.push(Reply::Nil);
        } else if is_over || (reading.largest > 0 && bytes.len() > left) {
            is_over = true;
            answers.push(Reply::Integer(0));
        } else {
            left -= bytes.len().min(left);
            reading.largest = reading.largest.max(bytes.len());
            answers.push(Reply::Bytes(bytes));
        }
    }
    Ok(Reply::Array(answers))
}

/// Which writes the Lua text reads by one command: it tells what does not exist from what is left for later in these alone.
#[derive(Default)]
struct Reading {
    largest: usize,
    /// How many have been read by the end of the command.
    until: usize,
}

impl Reading {
    /// How many are read by one command at most.
    const MOST: usize = 64;

    fn is_read(&self, place: usize) -> bool {
        place < self.until
    }

    fn next(&mut self, place: usize, left: usize) {
        if !self.is_read(place) {
            let fit = left.checked_div(self.largest).unwrap_or(1);
            self.until = place + fit.clamp(1, Self::MOST);
        }
    }
}

fn count_one_more(tx: &mut dyn Transaction, write: &Key) -> Result<()> {
    let bytes = tx.get(write)?.unwrap_or_default();
    let Some(attempts) = bytes
        .get(30..bytes.len().min(33))
        .filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    let attempts = (digits(attempts).unwrap_or(0) + 1).min(999);
    set_range(tx, write, 30, &format!("{attempts:03}"))
}
