//! The two scripts that write values as plain commands: what a service runs all day decides nothing on the server.
//!
//! Only a store on one server runs plans. So every index is reached together with its values there, and a member's score needs
//! not rise with every write, as no clearing tells by it what was written meanwhile.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Commands, Reply};

use super::{GRACE, halves, number, parsed};

/// [`SET`](super::SET) without a condition or trimming. A lease, which is rare, is left to the script to end.
pub(super) fn set(
    commands: &mut dyn Commands,
    keys: &[Key],
    args: &[Bytes],
    now_ms: u64,
) -> Option<Reply> {
    let ([key, lease, indices @ ..], [value, ttl, trim, condition, member]) = (keys, args) else {
        return None;
    };
    if &trim[..] != b"0" || !condition.is_empty() {
        return None;
    }
    let life: u64 = parsed(args, 1).ok()?;
    let score = (now_ms + life).to_string();
    for index in indices {
        commands.add(&[b"ZADD", index.as_bytes(), b"GT", score.as_bytes(), member]);
        cover(commands, index, now_ms + life);
    }
    commands.add(&[b"SET", key.as_bytes(), value, b"PX", ttl]);
    commands.expect(&[b"EXISTS", lease.as_bytes()], 0);
    Some(Reply::Integer(1))
}

/// [`SET_MANY`](super::SET_MANY) likewise.
pub(super) fn set_many(
    commands: &mut dyn Commands,
    keys: &[Key],
    args: &[Bytes],
    now_ms: u64,
) -> Option<Reply> {
    let [_, trim, condition, rest @ ..] = args else {
        return None;
    };
    if &trim[..] != b"0" || !condition.is_empty() {
        return None;
    }
    let (indices, keys) = keys.split_at_checked(number(args, 0).ok()?)?;
    let (keys, leases) = halves(keys).ok()?;
    let (values, rest) = rest.split_at_checked(keys.len())?;
    let (members, ttls) = rest.split_at_checked(keys.len())?;
    let ttl_of = |place: usize| ttls.get(place).or(ttls.first());
    let mut scores = Vec::with_capacity(keys.len());
    for place in 0..keys.len() {
        let life: u64 = parsed(std::slice::from_ref(ttl_of(place)?), 0).ok()?;
        scores.push(now_ms + life);
    }
    let last = scores.iter().copied().max()?;
    enter(commands, indices, members, &scores);
    indices
        .iter()
        .for_each(|index| cover(commands, index, last));
    for (place, (key, value)) in keys.iter().zip(values).enumerate() {
        commands.add(&[b"SET", key.as_bytes(), value, b"PX", ttl_of(place)?]);
    }
    let exists = [&b"EXISTS"[..]].into_iter();
    let exists: Vec<&[u8]> = exists.chain(leases.iter().map(Key::as_bytes)).collect();
    commands.expect(&exists, 0);
    Some(Reply::Integer(1))
}

fn enter(commands: &mut dyn Commands, indices: &[Key], members: &[Bytes], scores: &[u64]) {
    let scores: Vec<String> = scores.iter().map(u64::to_string).collect();
    let entries = scores.iter().zip(members);
    let entries: Vec<&[u8]> = entries
        .flat_map(|(score, member)| [score.as_bytes(), &member[..]])
        .collect();
    for index in indices {
        let mut words: Vec<&[u8]> = vec![b"ZADD", index.as_bytes(), b"GT"];
        words.extend(&entries);
        commands.add(&words);
    }
}

/// Covers members that are over at `last` with the index's own TTL, which only ever rises: one command for an index that has
/// none yet, one for another. Whole minutes, so that most writes change nothing, which would have to be replicated.
fn cover(commands: &mut dyn Commands, index: &Key, last: u64) {
    let until = (last + GRACE).next_multiple_of(GRACE).to_string();
    for condition in [&b"NX"[..], b"GT"] {
        commands.add(&[b"PEXPIREAT", index.as_bytes(), until.as_bytes(), condition]);
    }
}
