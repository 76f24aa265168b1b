//! Accepting writes.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::Key;
use cachekit_store::{Expiration, Reply, Result, Script, SetOptions, Transaction};

use super::{now_ms, oldest, persisted, put_score};
use crate::{
    behind::companion::{HEAD, Head, MOST_COUNTED},
    index::{Entering, enter, life, parsed, parsed_number as number, wrong_arguments},
    lease::end_lease,
};

/// Accepts writes whose keys are in the same indices: caches each value, or removes it for a deletion, and keeps the write until it
/// is persisted, in place of one that is there. Ends the leases of loads under way.
///
/// Answers the time in milliseconds, and for each item three numbers: 1, the sequence, and 1 where nothing was due before or 2
/// where the write was claimed. Where the write is not accepted and nothing was changed: 0 and how many keys there are where the
/// backlog is full, 2 and the age in milliseconds where it is too old, 3 where the key has a write of another queue.
///
/// `KEYS`: `due`, `held`, `waiting`, `persisted`, `dead`, then for each item the key, its lease and its unpersisted write, then indices. `ARGV`:
/// how many items, how many members to trim from each index, the window in milliseconds, the greatest count and age of the backlog
/// (0 for none, -1 for a count that is reached), the queue's tag, and for how long writes of keys without one are claimed at
/// once, in milliseconds (0 for not at all); then for each item `P` or `D`, the encoded value, its TTL in milliseconds, and the
/// member that names the key.
pub(in crate::behind) const PUT: Script = Script::new(
    "write_put",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter.lua"),
        include_str!("../../lease/scripts/end.lua"),
        include_str!("whole.lua"),
        include_str!("oldest.lua"),
        include_str!("put.lua")
    ),
)
.with_body(put)
.with_time();

/// How many keys each item has, how many arguments hold for all, and how many each item has.
const KEYS: usize = 3;
const COMMON: usize = 7;
const ARGS: usize = 4;

/// What holds for all items of a call.
struct Common<'a> {
    due: &'a Key,
    held: &'a Key,
    waiting: &'a Key,
    window: i64,
    bound: i64,
    most: i64,
    tag: &'a Bytes,
    claim: i64,
    now: i64,
    /// The highest persisted sequence.
    last: u64,
}

/// What is decided while the items are looked at.
struct Decided<'a> {
    heads: HashMap<&'a Key, Bytes>,
    fresh: u64,
    holds: i64,
    dues: Vec<&'a Bytes>,
    claims: Vec<&'a Bytes>,
    entering: Vec<Entering>,
}

struct Item<'a> {
    key: &'a Key,
    lease: &'a Key,
    write: &'a Key,
    is_put: bool,
    value: &'a Bytes,
    ttl: u64,
    member: &'a Bytes,
}

fn put(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let n = number(args, 0)?;
    let ([due, held, waiting, persisted_key, dead, rest @ ..], Some(items)) =
        (keys, args.get(COMMON..))
    else {
        return Err(wrong_arguments());
    };
    let Some((keys, indices)) = rest.split_at_checked(KEYS * n) else {
        return Err(wrong_arguments());
    };
    let items = keys.chunks(KEYS).zip(items.chunks(ARGS));
    let items: Vec<Item<'_>> = items.map(item).collect::<Result<_>>()?;
    let common = Common {
        due,
        held,
        waiting,
        window: parsed(args, 2)?,
        bound: parsed(args, 3)?,
        most: parsed(args, 4)?,
        tag: args.get(5).ok_or_else(wrong_arguments)?,
        claim: parsed(args, 6)?,
        now: now_ms(tx),
        last: persisted(tx, persisted_key)?,
    };
    let fresh = tx.zcard(due)?;
    let holds = fresh + tx.zcard(held)? + tx.zcard(dead)?;
    let mut decided = Decided {
        heads: HashMap::new(),
        fresh,
        holds: i64::try_from(holds).unwrap_or(i64::MAX),
        dues: Vec::new(),
        claims: Vec::new(),
        entering: Vec::new(),
    };
    let mut answers = vec![Reply::Integer(common.now)];
    let mut values = Vec::with_capacity(n);
    for item in &items {
        let answer = common.accept(tx, item, &mut decided)?;
        answers.extend(answer.map(Reply::Integer));
        let head = decided.heads.get(item.write).cloned();
        values.push(head.filter(|_| answer[0] == 1));
    }
    if !decided.entering.is_empty() {
        let trim = number(args, 1)?;
        for index in indices {
            enter(tx, index, &decided.entering, trim)?;
        }
    }
    common.queue(tx, &decided)?;
    for (item, head) in items.iter().zip(values) {
        if let Some(head) = head {
            item.write(tx, &head)?;
        }
    }
    Ok(Reply::Array(answers))
}

fn item<'a>((keys, args): (&'a [Key], &'a [Bytes])) -> Result<Item<'a>> {
    let ([key, lease, write], [op, value, _, member]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    Ok(Item {
        key,
        lease,
        write,
        is_put: &op[..] == b"P",
        value,
        ttl: parsed(args, 2)?,
        member,
    })
}

impl Common<'_> {
    fn accept<'a>(
        &self,
        tx: &mut dyn Transaction,
        item: &Item<'a>,
        decided: &mut Decided<'a>,
    ) -> Result<[i64; 3]> {
        let before = match decided.heads.get(item.write) {
            Some(head) => head.clone(),
            None => tx.get(item.write)?.unwrap_or_default(),
        };
        let (mut sequence, mut first, mut count, mut place) = (tx.now(), self.now, 1, 0);
        if before.is_empty() {
            if let Some([why, number]) = self.refusal(tx, decided.holds)? {
                return Ok([why, number, 0]);
            }
            sequence = sequence.max(self.last + 1);
            decided.holds += 1;
            if self.claim > 0 {
                decided.claims.push(item.member);
                place = 2;
            } else {
                decided.dues.push(item.member);
                place = i64::from(decided.fresh == 0);
                decided.fresh += 1;
            }
        } else {
            let before = before.slice(..before.len().min(HEAD));
            if before.get(42..) != Some(&self.tag[..]) {
                return Ok([3, 0, 0]);
            }
            let before = Head::parse(&before)?;
            sequence = sequence.max(before.sequence + 1);
            first = i64::try_from(before.first).unwrap_or(i64::MAX);
            count = (u64::from(before.count) + 1).min(MOST_COUNTED);
        }
        let op = if item.is_put { 'P' } else { 'D' };
        let tag = String::from_utf8_lossy(self.tag);
        let head = format!("1{sequence:016}{first:013}000{op}{count:08}{tag}");
        decided.heads.insert(item.write, head.into());
        if item.is_put {
            decided.entering.push(Entering {
                member: item.member.clone(),
                ttl: item.ttl,
            });
        }
        Ok([1, i64::try_from(sequence).unwrap_or(i64::MAX), place])
    }

    /// Why there is no room for one key more.
    fn refusal(&self, tx: &mut dyn Transaction, holds: i64) -> Result<Option<[i64; 2]>> {
        if self.bound != 0 && holds >= self.bound {
            return Ok(Some([0, holds]));
        }
        if self.most > 0 {
            let oldest = oldest(tx, self.due, self.waiting, self.window)?;
            let age = self.now - oldest.unwrap_or(self.now);
            return Ok((age > self.most).then_some([2, age]));
        }
        Ok(None)
    }

    fn queue(&self, tx: &mut dyn Transaction, decided: &Decided<'_>) -> Result<()> {
        for member in &decided.dues {
            put_score(tx, self.due, self.now + self.window, member)?;
        }
        for member in &decided.claims {
            put_score(tx, self.held, self.now + self.claim, member)?;
            put_score(tx, self.waiting, self.now, member)?;
        }
        Ok(())
    }
}

impl Item<'_> {
    fn write(&self, tx: &mut dyn Transaction, head: &[u8]) -> Result<()> {
        let mut bytes = BytesMut::from(head);
        if self.is_put {
            bytes.put_slice(self.value);
            let ttl = SetOptions::ttl(life(self.ttl)?);
            tx.set(self.key, self.value.clone(), ttl)?;
        } else {
            tx.del(self.key)?;
        }
        let forever = SetOptions::new(Expiration::Never);
        tx.set(self.write, bytes.freeze(), forever)?;
        end_lease(tx, self.lease)
    }
}
