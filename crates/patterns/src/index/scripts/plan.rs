//! The two scripts that write values as plain commands: what a service runs all day decides nothing on the server.
//!
//! Only a store on one server runs plans. So every index is reached together with its values there, and a member's score needs
//! not rise with every write, as no clearing tells by it what was written meanwhile.
//!
//! A value that a transaction wrote is never written again: a write that came after it would be undone. What a transaction
//! leaves to be done is to wake those who waited for a lease that it ended, and to enter the keys by the server's own clock
//! where the estimate of it was wrong.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Commands, Deviation, Mend, Reply, Script, ScriptCall};

use super::{GRACE, NOTE, halves, number, parsed};

/// Wakes those who wait for leases that have ended, as `end.lua` does.
const WAKE: Script = Script::new(
    "lease_wake",
    "for i = 1, #KEYS do redis.pcall('PUBLISH', 'ck:wake:' .. string.sub(KEYS[i], 10), '') end return #KEYS",
);

/// [`SET`](super::SET) without a condition or trimming.
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
        commands.attempt(&[b"ZADD", index.as_bytes(), b"GT", score.as_bytes(), member]);
        cover(commands, index, now_ms, life);
    }
    commands.add(&[b"SET", key.as_bytes(), value, b"PX", ttl]);
    commands.expect(&[b"DEL", lease.as_bytes()], 0);
    Some(Reply::Integer(1))
}

/// What is left to do after [`set`].
pub(super) fn mend_set(keys: &[Key], args: &[Bytes], deviation: Deviation) -> Vec<Mend> {
    let ([_, lease, indices @ ..], [_, ttl, .., member]) = (keys, args) else {
        return Vec::new();
    };
    let (members, ttls) = ([member.clone()], [ttl.clone()]);
    mends(
        deviation,
        std::slice::from_ref(lease),
        indices,
        &members,
        &ttls,
    )
}

/// [`SET_MANY`](super::SET_MANY) likewise.
pub(super) fn set_many(
    commands: &mut dyn Commands,
    keys: &[Key],
    args: &[Bytes],
    now_ms: u64,
) -> Option<Reply> {
    let [_, trim, condition, ..] = args else {
        return None;
    };
    if &trim[..] != b"0" || !condition.is_empty() {
        return None;
    }
    let Many {
        indices,
        keys,
        leases,
        values,
        members,
        ttls,
    } = Many::read(keys, args)?;
    let ttl_of = |place: usize| ttls.get(place).or(ttls.first());
    let mut lives = Vec::with_capacity(keys.len());
    for place in 0..keys.len() {
        lives.push(parsed(std::slice::from_ref(ttl_of(place)?), 0).ok()?);
    }
    let longest = lives.iter().copied().max()?;
    enter(commands, indices, members, now_ms, &lives);
    indices
        .iter()
        .for_each(|index| cover(commands, index, now_ms, longest));
    for (place, (key, value)) in keys.iter().zip(values).enumerate() {
        commands.add(&[b"SET", key.as_bytes(), value, b"PX", ttl_of(place)?]);
    }
    let end = [&b"DEL"[..]].into_iter();
    let end: Vec<&[u8]> = end.chain(leases.iter().map(Key::as_bytes)).collect();
    commands.expect(&end, 0);
    Some(Reply::Integer(1))
}

/// What is left to do after [`set_many`].
pub(super) fn mend_set_many(keys: &[Key], args: &[Bytes], deviation: Deviation) -> Vec<Mend> {
    let Some(many) = Many::read(keys, args) else {
        return Vec::new();
    };
    mends(
        deviation,
        many.leases,
        many.indices,
        many.members,
        many.ttls,
    )
}

/// The keys and arguments of [`SET_MANY`](super::SET_MANY).
struct Many<'a> {
    indices: &'a [Key],
    keys: &'a [Key],
    leases: &'a [Key],
    values: &'a [Bytes],
    members: &'a [Bytes],
    /// One for each key, or one for all.
    ttls: &'a [Bytes],
}

impl<'a> Many<'a> {
    fn read(keys: &'a [Key], args: &'a [Bytes]) -> Option<Self> {
        let (indices, keys) = keys.split_at_checked(number(args, 0).ok()?)?;
        let (keys, leases) = halves(keys).ok()?;
        let (values, rest) = args.get(3..)?.split_at_checked(keys.len())?;
        let (members, ttls) = rest.split_at_checked(keys.len())?;
        Some(Self {
            indices,
            keys,
            leases,
            values,
            members,
            ttls,
        })
    }
}

fn enter(
    commands: &mut dyn Commands,
    indices: &[Key],
    members: &[Bytes],
    now_ms: u64,
    lives: &[u64],
) {
    let scores = lives.iter().map(|life| (now_ms + life).to_string());
    let scores: Vec<String> = scores.collect();
    let entries = scores.iter().zip(members);
    let entries: Vec<&[u8]> = entries
        .flat_map(|(score, member)| [score.as_bytes(), &member[..]])
        .collect();
    for index in indices {
        let mut words: Vec<&[u8]> = vec![b"ZADD", index.as_bytes(), b"GT"];
        words.extend(&entries);
        commands.attempt(&words);
    }
}

/// Covers members that live for `longest` with the index's own TTL, which only ever rises: one command for an index that has
/// none yet, one for another.
///
/// The TTL is relative, so that no error of the estimated time can make it too short, and reaches to the end of a whole
/// minute as far as is known: most writes change nothing then, which would have to be replicated.
fn cover(commands: &mut dyn Commands, index: &Key, now_ms: u64, longest: u64) {
    let until = (now_ms + longest + GRACE).next_multiple_of(GRACE);
    let left = (until - now_ms).to_string();
    for condition in [&b"NX"[..], b"GT"] {
        commands.attempt(&[b"PEXPIRE", index.as_bytes(), left.as_bytes(), condition]);
    }
}

/// The values are written and the leases ended. Where one was there, its waiters are to be woken. Where the time was wrong, or
/// an index took no member, the keys are to be entered: an index that holds another type fails the call, as it fails
/// every clearing.
fn mends(
    deviation: Deviation,
    leases: &[Key],
    indices: &[Key],
    members: &[Bytes],
    ttls: &[Bytes],
) -> Vec<Mend> {
    let mut mends = Vec::new();
    if deviation.unexpected {
        let wake = ScriptCall::new(leases.to_vec(), Vec::new());
        mends.push(Mend::optional(WAKE, wake));
    }
    if deviation.failed || deviation.untimely {
        let mut args = vec!["0".into(), members.len().to_string().into()];
        args.extend(members.iter().chain(ttls).cloned());
        let note = |index: &Key| ScriptCall::new(vec![index.clone()], args.clone());
        mends.extend(indices.iter().map(|index| Mend::vital(NOTE, note(index))));
    }
    mends
}
