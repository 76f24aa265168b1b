//! The program in Rust: each command as the method of a transaction, each answer as Lua gives it.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Condition, Expiration, ExpireChange, KeyExpiry, Reply, Result, ScoreRange, SetOptions,
    Transaction, ZAddCondition,
};

use super::step::{Step, malformed, number, parse};

pub(super) fn plain(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    run(tx, keys, parse(args)?)
}

pub(super) fn timed(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let now = tx.now();
    let mut steps = parse(args)?;
    for argument in steps.iter_mut().flat_map(|step| &mut step.rest) {
        if let Some(text) = moment(argument, now) {
            *argument = text.into();
        }
    }
    run(tx, keys, steps)
}

/// What `@now+N` or `(@now-N` stands for.
fn moment(argument: &[u8], now: u64) -> Option<String> {
    let text = std::str::from_utf8(argument).ok()?;
    let (open, text) = match text.strip_prefix('(') {
        Some(text) => ("(", text),
        None => ("", text),
    };
    let distance = text.strip_prefix("@now")?;
    let now = i64::try_from(now).ok()?;
    let moment = match distance.split_at_checked(1)? {
        ("+", distance) => now + distance.parse::<i64>().ok()?,
        ("-", distance) => now - distance.parse::<i64>().ok()?,
        _ => return None,
    };
    Some(format!("{open}{moment}"))
}

fn run(tx: &mut dyn Transaction, keys: &[Key], steps: Vec<Step>) -> Result<Reply> {
    let mut replies = Vec::with_capacity(steps.len());
    for step in steps {
        replies.push(match carry_out(tx, keys, &step) {
            Err(_) if step.is_guarded() => Reply::Bytes(Bytes::from_static(b"error")),
            reply => reply?,
        });
    }
    Ok(Reply::Array(replies))
}

fn carry_out(tx: &mut dyn Transaction, keys: &[Key], step: &Step) -> Result<Reply> {
    let rest = &step.rest[..];
    if step.command() == b"PUBLISH" {
        let [channel, payload] = exactly(rest)?;
        tx.publish(channel, payload.clone());
        return Ok(Reply::Integer(0));
    }
    let key = keys
        .get(step.key - 1)
        .ok_or_else(|| malformed("a key that the call does not have"))?;
    match step.command().first() {
        Some(b'H') => hash(tx, key, step.command(), rest),
        Some(b'Z') => sorted_set(tx, key, step.command(), rest),
        _ => generic(tx, key, step.command(), rest),
    }
}

fn generic(tx: &mut dyn Transaction, key: &Key, command: &[u8], rest: &[Bytes]) -> Result<Reply> {
    Ok(match command {
        b"EXISTS" => flag(tx.exists(key)?),
        b"DEL" => flag(tx.del(key)?),
        b"PTTL" => Reply::Integer(match tx.pttl(key)? {
            KeyExpiry::In(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
            KeyExpiry::Never => -1,
            _ => -2,
        }),
        b"PERSIST" => flag(tx.pexpire(key, ExpireChange::Never)?),
        b"PEXPIRE" => flag(tx.pexpire(key, change(rest)?)?),
        b"GET" => optional(tx.get(key)?),
        b"SET" => {
            let (value, options) = rest.split_first().ok_or_else(|| malformed("no value"))?;
            match tx.set(key, value.clone(), set_options(options)?)? {
                true => Reply::Status("OK".to_owned()),
                false => Reply::Nil,
            }
        }
        b"INCRBY" => {
            let [by] = exactly(rest)?;
            text(tx.incrby(key, number(by)?)?)
        }
        _ => return Err(malformed("an unknown command")),
    })
}

fn hash(tx: &mut dyn Transaction, key: &Key, command: &[u8], rest: &[Bytes]) -> Result<Reply> {
    Ok(match command {
        b"HGET" => {
            let [field] = exactly(rest)?;
            optional(tx.hget(key, field)?)
        }
        b"HGETALL" => {
            let fields = tx.hgetall(key)?.into_iter();
            let flat = fields.flat_map(|(field, value)| [field, value]);
            Reply::Array(flat.map(Reply::Bytes).collect())
        }
        b"HSET" => {
            let pairs = rest.chunks_exact(2);
            let fields: Vec<(Bytes, Bytes)> = pairs
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect();
            count(tx.hset(key, &fields)?)
        }
        b"HDEL" => count(tx.hdel(key, rest)?),
        b"HINCRBY" => {
            let [field, by] = exactly(rest)?;
            text(tx.hincrby(key, field, number(by)?)?)
        }
        b"HLEN" => count(tx.hlen(key)?),
        _ => return Err(malformed("an unknown command")),
    })
}

fn sorted_set(
    tx: &mut dyn Transaction,
    key: &Key,
    command: &[u8],
    rest: &[Bytes],
) -> Result<Reply> {
    Ok(match command {
        b"ZADD" => {
            let (condition, pairs) = zadd_condition(rest);
            let pairs = pairs.chunks_exact(2);
            let members = pairs.map(|pair| Ok((number(&pair[0])?, pair[1].clone())));
            let members = members.collect::<Result<Vec<(f64, Bytes)>>>()?;
            count(tx.zadd(key, condition, &members)?)
        }
        b"ZREM" => count(tx.zrem(key, rest)?),
        b"ZSCORE" => {
            let [member] = exactly(rest)?;
            tx.zscore(key, member)?.map_or(Reply::Nil, text)
        }
        b"ZCARD" => count(tx.zcard(key)?),
        b"ZCOUNT" => {
            let [min, max] = exactly(rest)?;
            count(tx.zcount(key, range(min, max)?)?)
        }
        b"ZRANGE" => {
            let [min, max, _by_score, _limit, _offset, limit, _with_scores] = exactly(rest)?;
            let found = tx.zrange_by_score(key, range(min, max)?, number(limit)?)?;
            let flat = found
                .into_iter()
                .flat_map(|(member, score)| [Reply::Bytes(member), text(score)]);
            Reply::Array(flat.collect())
        }
        b"ZREMRANGEBYSCORE" => {
            let [min, max] = exactly(rest)?;
            count(tx.zremrange_by_score(key, range(min, max)?)?)
        }
        _ => return Err(malformed("an unknown command")),
    })
}

fn exactly<const N: usize>(rest: &[Bytes]) -> Result<&[Bytes; N]> {
    rest.try_into()
        .map_err(|_| malformed("another number of arguments"))
}

fn flag(flag: bool) -> Reply {
    Reply::Integer(i64::from(flag))
}

fn count(number: u64) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(number: impl ToString) -> Reply {
    Reply::Bytes(number.to_string().into())
}

fn optional(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::Nil, Reply::Bytes)
}

fn life(millis: &[u8]) -> Result<Ttl> {
    Ok(Ttl::from_millis(number(millis)?)?)
}

fn change(rest: &[Bytes]) -> Result<ExpireChange> {
    match rest {
        [millis] => Ok(ExpireChange::After(life(millis)?)),
        [millis, flag] if flag == "NX" => Ok(ExpireChange::IfNone(life(millis)?)),
        [millis, flag] if flag == "GT" => Ok(ExpireChange::AtLeast(life(millis)?)),
        _ => Err(malformed("an unknown flag of PEXPIRE")),
    }
}

fn set_options(options: &[Bytes]) -> Result<SetOptions> {
    let (expiration, options) = match options {
        [word, millis, options @ ..] if word == "PX" => (Expiration::After(life(millis)?), options),
        [word, options @ ..] if word == "KEEPTTL" => (Expiration::Keep, options),
        options => (Expiration::Never, options),
    };
    let condition = match options {
        [] => Condition::Always,
        [word] if word == "NX" => Condition::IfAbsent,
        [word] if word == "XX" => Condition::IfPresent,
        _ => return Err(malformed("an unknown option of SET")),
    };
    Ok(SetOptions::new(expiration).with_condition(condition))
}

fn zadd_condition(rest: &[Bytes]) -> (ZAddCondition, &[Bytes]) {
    let condition = match rest.first().map(|word| &word[..]) {
        Some(b"NX") => ZAddCondition::IfAbsent,
        Some(b"XX") => ZAddCondition::IfPresent,
        Some(b"GT") => ZAddCondition::Raise,
        Some(b"LT") => ZAddCondition::Lower,
        _ => return (ZAddCondition::Always, rest),
    };
    (condition, &rest[1..])
}

fn range(min: &[u8], max: &[u8]) -> Result<ScoreRange> {
    let from = match min {
        b"-inf" => Bound::Unbounded,
        min => bound(min)?,
    };
    let to = match max {
        b"+inf" => Bound::Unbounded,
        max => bound(max)?,
    };
    Ok((from, to))
}

fn bound(text: &[u8]) -> Result<Bound<f64>> {
    Ok(match text.strip_prefix(b"(") {
        Some(text) => Bound::Excluded(number(text)?),
        None => Bound::Included(number(text)?),
    })
}
