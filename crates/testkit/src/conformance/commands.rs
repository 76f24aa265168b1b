//! Scripts of one command each, in Lua and in Rust, so that a case reads like a dialogue with a server.
//!
//! `KEYS[1]` is the key, the arguments are those of the command in their order, as text.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Condition, Error, Expiration, ExpireChange, KeyExpiry, Reply, Result, ScoreRange, Script,
    ScriptBody, ScriptCall, ScriptEffect, SetOptions, ZAddCondition,
};

use super::fixture::Fixture;

macro_rules! lua {
    ($command:literal) => {
        concat!("return redis.call('", $command, "', KEYS[1], unpack(ARGV))")
    };
}

const fn read(name: &'static str, lua: &'static str, body: ScriptBody) -> Script {
    write(name, lua, body).with_effect(ScriptEffect::ReadOnly)
}

const fn write(name: &'static str, lua: &'static str, body: ScriptBody) -> Script {
    Script::new(name, lua).with_body(body)
}

pub(super) const EXISTS: Script = read("exists", lua!("EXISTS"), |tx, keys, _| {
    Ok(flag(tx.exists(&keys[0])?))
});
pub(super) const DEL: Script = write("del", lua!("DEL"), |tx, keys, _| {
    Ok(flag(tx.del(&keys[0])?))
});
/// Milliseconds, -1 for no TTL, -2 for no key.
pub(super) const PTTL: Script = read("pttl", lua!("PTTL"), |tx, keys, _| {
    Ok(Reply::Integer(match tx.pttl(&keys[0])? {
        KeyExpiry::In(left) => left.as_millis().try_into().expect("short lives"),
        KeyExpiry::Never => -1,
        _ => -2,
    }))
});
/// Milliseconds, and `NX` or `GT`.
pub(super) const PEXPIRE: Script = write("pexpire", lua!("PEXPIRE"), |tx, keys, args| {
    let ttl = ttl(&args[0]);
    let change = match args.get(1).map(|word| &word[..]) {
        None => ExpireChange::After(ttl),
        Some(b"NX") => ExpireChange::IfNone(ttl),
        Some(b"GT") => ExpireChange::AtLeast(ttl),
        Some(_) => panic!("an option that the cases do not use"),
    };
    Ok(flag(tx.pexpire(&keys[0], change)?))
});
pub(super) const PERSIST: Script = write("persist", lua!("PERSIST"), |tx, keys, _| {
    Ok(flag(tx.pexpire(&keys[0], ExpireChange::Never)?))
});

pub(super) const GET: Script = read("get", lua!("GET"), |tx, keys, _| {
    Ok(optional(tx.get(&keys[0])?))
});
/// The value, then any of `NX`, `XX`, `KEEPTTL` and `PX` with milliseconds.
pub(super) const SET: Script = write("set", lua!("SET"), |tx, keys, args| {
    let written = tx.set(&keys[0], args[0].clone(), set_options(&args[1..]))?;
    Ok(match written {
        true => Reply::Status("OK".to_owned()),
        false => Reply::Nil,
    })
});
pub(super) const INCRBY: Script = write("incrby", lua!("INCRBY"), |tx, keys, args| {
    Ok(Reply::Integer(tx.incrby(&keys[0], number(&args[0]))?))
});

pub(super) const HGET: Script = read("hget", lua!("HGET"), |tx, keys, args| {
    Ok(optional(tx.hget(&keys[0], &args[0])?))
});
/// In no particular order.
pub(super) const HGETALL: Script = read("hgetall", lua!("HGETALL"), |tx, keys, _| {
    let fields = tx.hgetall(&keys[0])?.into_iter();
    let parts = fields.flat_map(|(field, value)| [field, value]);
    Ok(Reply::Array(parts.map(Reply::Bytes).collect()))
});
pub(super) const HSET: Script = write("hset", lua!("HSET"), |tx, keys, args| {
    let fields: Vec<(Bytes, Bytes)> = args
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    Ok(count(tx.hset(&keys[0], &fields)?))
});
pub(super) const HDEL: Script = write("hdel", lua!("HDEL"), |tx, keys, args| {
    Ok(count(tx.hdel(&keys[0], args)?))
});
pub(super) const HINCRBY: Script = write("hincrby", lua!("HINCRBY"), |tx, keys, args| {
    let by = number(&args[1]);
    Ok(Reply::Integer(tx.hincrby(&keys[0], &args[0], by)?))
});
pub(super) const HLEN: Script = read("hlen", lua!("HLEN"), |tx, keys, _| {
    Ok(count(tx.hlen(&keys[0])?))
});

/// A condition or nothing, then scores and members.
pub(super) const ZADD: Script = write("zadd", lua!("ZADD"), |tx, keys, args| {
    let condition = match &args[0][..] {
        b"NX" => ZAddCondition::IfAbsent,
        b"XX" => ZAddCondition::IfPresent,
        b"GT" => ZAddCondition::Raise,
        b"LT" => ZAddCondition::Lower,
        _ => ZAddCondition::Always,
    };
    let members = match condition {
        ZAddCondition::Always => args,
        _ => &args[1..],
    };
    let members: Vec<(f64, Bytes)> = members
        .chunks(2)
        .map(|pair| (score(text(&pair[0])), pair[1].clone()))
        .collect();
    Ok(count(tx.zadd(&keys[0], condition, &members)?))
});
pub(super) const ZREM: Script = write("zrem", lua!("ZREM"), |tx, keys, args| {
    Ok(count(tx.zrem(&keys[0], args)?))
});
pub(super) const ZSCORE: Script = read("zscore", lua!("ZSCORE"), |tx, keys, args| {
    let score = tx.zscore(&keys[0], &args[0])?;
    Ok(optional(score.map(|score| score.to_string().into())))
});
pub(super) const ZCARD: Script = read("zcard", lua!("ZCARD"), |tx, keys, _| {
    Ok(count(tx.zcard(&keys[0])?))
});
pub(super) const ZCOUNT: Script = read("zcount", lua!("ZCOUNT"), |tx, keys, args| {
    Ok(count(tx.zcount(&keys[0], range(args))?))
});
/// Two bounds and a limit; answers members and scores in turn.
pub(super) const ZRANGE: Script = read(
    "zrange",
    "return redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')",
    |tx, keys, args| {
        let limit = number(&args[2]).try_into().expect("no negative limit");
        let members = tx.zrange_by_score(&keys[0], range(args), limit)?;
        let parts = members
            .into_iter()
            .flat_map(|(member, score)| [member, score.to_string().into()]);
        Ok(Reply::Array(parts.map(Reply::Bytes).collect()))
    },
);
pub(super) const ZREMRANGE: Script =
    write("zremrange", lua!("ZREMRANGEBYSCORE"), |tx, keys, args| {
        Ok(count(tx.zremrange_by_score(&keys[0], range(args))?))
    });

impl Fixture {
    /// Runs a script once.
    pub(super) async fn call(&self, script: &Script, key: &Key, args: &[&str]) -> Reply {
        let mut replies = self.try_call(script, key, args).await.unwrap();
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    /// Runs a script once, which is to fail.
    pub(super) async fn refusal(&self, script: &Script, key: &Key, args: &[&str]) -> Error {
        match self.try_call(script, key, args).await {
            Ok(reply) => panic!("{} {args:?} was not refused: {reply:?}", script.name),
            Err(error) => error,
        }
    }

    async fn try_call(&self, script: &Script, key: &Key, args: &[&str]) -> Result<Vec<Reply>> {
        let call = ScriptCall::new(vec![key.clone()], bytes(args));
        self.store.run_script(script, &[call]).await
    }
}

/// Arguments from text.
pub(super) fn bytes(texts: &[&str]) -> Vec<Bytes> {
    let owned = |text: &&str| Bytes::copy_from_slice(text.as_bytes());
    texts.iter().map(owned).collect()
}

/// A reply of byte strings.
pub(super) fn strings(texts: &[&str]) -> Reply {
    Reply::Array(bytes(texts).into_iter().map(Reply::Bytes).collect())
}

/// A reply of one byte string.
pub(super) fn string(text: &str) -> Reply {
    Reply::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

fn flag(flag: bool) -> Reply {
    Reply::Integer(i64::from(flag))
}

fn count(count: u64) -> Reply {
    Reply::Integer(count.try_into().expect("small counts"))
}

fn optional(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::Nil, Reply::Bytes)
}

fn text(argument: &Bytes) -> &str {
    std::str::from_utf8(argument).expect("the cases' arguments are text")
}

fn number(argument: &Bytes) -> i64 {
    text(argument).parse().expect("an integer")
}

fn ttl(argument: &Bytes) -> Ttl {
    Ttl::from_millis(number(argument)).expect("a time to live")
}

fn set_options(words: &[Bytes]) -> SetOptions {
    let mut options = SetOptions::new(Expiration::Never);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match &word[..] {
            b"NX" => options.condition = Condition::IfAbsent,
            b"XX" => options.condition = Condition::IfPresent,
            b"KEEPTTL" => options.expiration = Expiration::Keep,
            _ => options.expiration = Expiration::After(ttl(words.next().expect("a time"))),
        }
    }
    options
}

fn score(text: &str) -> f64 {
    text.parse().expect("a number")
}

/// Bounds as a server writes them.
fn range(bounds: &[Bytes]) -> ScoreRange {
    (bound(text(&bounds[0])), bound(text(&bounds[1])))
}

fn bound(text: &str) -> Bound<f64> {
    match text.strip_prefix('(') {
        Some(excluded) => Bound::Excluded(score(excluded)),
        None if text == "-inf" || text == "+inf" => Bound::Unbounded,
        None => Bound::Included(score(text)),
    }
}
