//! The twin of `driver.lua` and `single.lua`: asks all limits of the call before any is written to.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, SetOptions, Transaction};

use super::{
    bucket::Bucket,
    calendar::Calendar,
    log::Log,
    plan::{Plan, Reader, fields, malformed, now, put, ttl_millis},
    sliding::Sliding,
    window::Window,
};

/// How long the id of a refund is remembered, in milliseconds: a day.
const REFUNDS_KEPT: i64 = 86_400_000;

struct Asked<'a> {
    plan: Box<dyn Plan + 'a>,
    block: Option<&'a Key>,
    penalty: i64,
    /// For how long everything is refused, in microseconds.
    blocked: i64,
    /// The window that a refund is for.
    window: i64,
}

pub(super) fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut reader = Reader {
        keys: keys.iter(),
        args: args.iter(),
    };
    let mut op = reader.word()?;
    let (mut cost, need) = (reader.arg()?, reader.arg()?);
    let once = keys.last().filter(|_| op == b"once");
    let made = match once {
        Some(key) => tx.get(key)?.is_some(),
        None => false,
    };
    if once.is_some() {
        (op, cost) = if made {
            (&b"peek"[..], 0)
        } else {
            (&b"refund"[..], cost)
        };
    }
    let reply = decide(tx, &mut reader, op, (cost, need))?;
    if let (Some(key), Some(_), false) = (once, &reply, made) {
        let day = SetOptions::ttl(ttl_millis(REFUNDS_KEPT)?);
        tx.set(key, Bytes::from_static(b"1"), day)?;
    }
    Ok(numbers(&reply.unwrap_or_else(|| vec![-1, now(tx)])))
}

/// What was taken, and six numbers for each limit. `None` where none of the windows of the calendar that the caller knows is
/// the present one.
pub(super) fn decide(
    tx: &mut dyn Transaction,
    reader: &mut Reader<'_>,
    op: &[u8],
    (cost, need): (i64, i64),
) -> Result<Option<Vec<i64>>> {
    let mut asked = Vec::new();
    while reader.has_more() {
        let Some(one) = ask(tx, reader, op)? else {
            return Ok(None);
        };
        asked.push(one);
    }
    let taken = if op == b"refund" {
        refund(tx, &mut asked, cost)?
    } else {
        let free = |one: &Asked<'_>| if one.blocked > 0 { 0 } else { one.plan.free() };
        let most = asked.iter().map(free).fold(cost, i64::min);
        if most < need { 0 } else { most }
    };
    let mut reply = vec![taken];
    for one in &mut asked {
        reply.extend(settle(tx, one, op, taken, need)?);
    }
    Ok(Some(reply))
}

fn ask<'a>(
    tx: &mut dyn Transaction,
    reader: &mut Reader<'a>,
    op: &[u8],
) -> Result<Option<Asked<'a>>> {
    let algorithm = reader.word()?;
    let (penalty, window) = (reader.arg()?, reader.arg()?);
    let mut block = None;
    let mut blocked = 0;
    if penalty > 0 {
        let key = reader.key()?;
        block = Some(key);
        blocked = block_left(tx, key, op)?;
    }
    let plan: Option<Box<dyn Plan + 'a>> = match algorithm {
        b"bucket" => Some(Box::new(Bucket::read(tx, reader)?)),
        b"window" => Some(Box::new(Window::read(tx, reader)?)),
        b"sliding" => Some(Box::new(Sliding::read(tx, reader)?)),
        b"log" => Some(Box::new(Log::read(tx, reader)?)),
        b"calendar" => match Calendar::read(tx, reader)? {
            Some(plan) => Some(Box::new(plan)),
            None => None,
        },
        _ => return Err(malformed("an algorithm")),
    };
    Ok(plan.map(|plan| Asked {
        plan,
        block,
        penalty,
        blocked,
        window,
    }))
}

fn block_left(tx: &mut dyn Transaction, key: &Key, op: &[u8]) -> Result<i64> {
    let stored = tx.get(key)?;
    let now = now(tx);
    let Some([till, span]) = stored.as_deref().and_then(fields) else {
        return Ok(0);
    };
    let left = till - now;
    if left > span && op != b"peek" {
        // Longer than it was set for: the clock went back.
        write_block(tx, key, span)?;
    }
    Ok(left.clamp(0, span))
}

fn write_block(tx: &mut dyn Transaction, key: &Key, span: i64) -> Result<()> {
    let till = now(tx) + span;
    put(tx, key, format!("{till}:{span}"), span)
}

fn refund(tx: &mut dyn Transaction, asked: &mut [Asked<'_>], cost: i64) -> Result<i64> {
    let mut most = 0;
    for one in asked {
        most = most.max(one.plan.refund(tx, cost, one.window)?);
    }
    Ok(most)
}

/// Writes what one limit has to write; answers its six numbers.
fn settle(
    tx: &mut dyn Transaction,
    one: &mut Asked<'_>,
    op: &[u8],
    taken: i64,
    need: i64,
) -> Result<[i64; 6]> {
    let mut retry = one.blocked;
    let mut free = one.plan.free();
    if op == b"refund" {
        retry = 0;
    } else if one.plan.limit() < need {
        retry = -1;
    } else if free < need {
        retry = one.plan.retry(tx, need)?.max(retry);
        if let Some(block) = one.block.filter(|_| one.blocked == 0 && op != b"peek") {
            write_block(tx, block, one.penalty)?;
            one.blocked = one.penalty;
            retry = retry.max(one.penalty);
        }
    }
    if op == b"take" {
        if taken > 0 {
            one.plan.take(tx, taken)?;
            free -= taken;
        } else if one.plan.repair() {
            one.plan.save(tx)?;
        }
    }
    let plan = &one.plan;
    Ok([
        plan.limit(),
        free,
        retry,
        plan.reset(),
        plan.window(),
        one.blocked,
    ])
}

pub(super) fn numbers(numbers: &[i64]) -> Reply {
    Reply::Array(numbers.iter().copied().map(Reply::Integer).collect())
}
