//! Looking again, and taking the leases where there is still nothing to be had.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Expiration, KeyExpiry, Reply, Result, Script, SetOptions, Transaction};

use super::{
    found::{Current, Found, text},
    lease::Lease,
};
use crate::index::{
    Entering, argument, enter, life, parsed, parsed_number as number, wrong_arguments,
};

/// Takes the leases of keys whose bytes are still those that the caller has seen, or are gone. Answers the time in
/// microseconds, and then for each key: 1 where its lease is the caller's now, and 2 where it is and the key holds nothing; the
/// bytes and their PTTL where they are others, or the same ones written anew; the unpersisted write alone where there is one,
/// which is newer than what anybody could load; the lease's PTTL alone where someone holds it, who is told that somebody waits; 0
/// where the key is of another type.
///
/// `KEYS`: n values' keys, their leases', perhaps that of a word, then their unpersisted writes', then the indices. `ARGV`: n, something where there is the key
/// of a word, the leases' TTL in milliseconds, how long the keys stay in the indices, in milliseconds, and then for each key its
/// token, for each the digest of the bytes that the caller has seen (empty for none), for each how many milliseconds they had
/// left to live (empty where that is not known), and for each the member that names it in the indices.
pub(in crate::lease) const TAKE: Script = Script::new(
    "lease_take",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter.lua"),
        include_str!("lease.lua"),
        include_str!("found.lua"),
        include_str!("take.lua")
    ),
)
.with_body(take)
.with_time();

/// How many arguments come before those of the keys.
const FIRST: usize = 4;

fn take(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let n = number(args, 0)?;
    let found = Found::read(tx, keys, n, !argument(args, 1)?.is_empty())?;
    let (unpersisted, indices) = found
        .indices
        .split_at_checked(n)
        .ok_or_else(wrong_arguments)?;
    let writes = unpersisted.iter().map(|key| text(tx, key));
    let writes: Vec<Option<Bytes>> = writes.collect::<Result<_>>()?;
    let (ttl, stay) = (life(parsed(args, 2)?)?, parsed(args, 3)?);
    let mut answers = vec![Reply::Integer(i64::try_from(tx.now()).unwrap_or(i64::MAX))];
    let (mut granted, mut entries) = (Vec::new(), Vec::new());
    for (i, (key, value)) in found.keys.iter().zip(&found.values).enumerate() {
        let bytes = match value {
            Current::OtherType => {
                answers.push(Reply::Integer(0));
                continue;
            }
            Current::Absent => None,
            Current::Bytes(bytes) => Some(bytes),
        };
        let digest = bytes.map(|bytes| tx.sha1hex(bytes)).unwrap_or_default();
        if let Some(bytes) = bytes
            && is_other(
                tx,
                key,
                &digest,
                (
                    argument(args, FIRST + n + i)?,
                    argument(args, FIRST + 2 * n + i)?,
                ),
            )?
        {
            let left = millis(tx.pttl(key)?);
            answers.push(Reply::Array(vec![Reply::Bytes(bytes.clone()), left]));
        } else if let Some(write) = &writes[i] {
            answers.push(Reply::Array(vec![Reply::Bytes(write.clone())]));
        } else if is_held(tx, &found, i)? {
            let left = millis(tx.pttl(&found.leases[i])?);
            answers.push(Reply::Array(vec![left]));
        } else {
            let expiry = match tx.pttl(key)? {
                KeyExpiry::In(left) if bytes.is_some() => {
                    (u128::from(tx.now() / 1_000) + left.as_millis()).to_string()
                }
                _ => String::new(),
            };
            let lease = Lease {
                is_awaited: false,
                token: argument(args, FIRST + i)?,
                seen: digest.as_bytes(),
                expiry: expiry.as_bytes(),
                word: &found.word,
            };
            granted.push((&found.leases[i], lease.to_bytes()));
            entries.push(Entering {
                member: argument(args, FIRST + 3 * n + i)?.clone(),
                ttl: stay,
            });
            answers.push(Reply::Integer(if bytes.is_some() { 1 } else { 2 }));
        }
    }
    if !granted.is_empty() {
        for index in indices {
            enter(tx, index, &entries, 0)?;
        }
        for (lease, bytes) in granted {
            tx.set(lease, bytes, SetOptions::ttl(ttl))?;
        }
    }
    Ok(Reply::Array(answers))
}

/// Whether the key holds something else than what the caller has seen.
fn is_other(
    tx: &mut dyn Transaction,
    key: &Key,
    digest: &str,
    (seen, most): (&Bytes, &Bytes),
) -> Result<bool> {
    if digest != *seen || most.is_empty() {
        return Ok(digest != *seen);
    }
    let most: u64 = parsed(std::slice::from_ref(most), 0)?;
    Ok(match tx.pttl(key)? {
        KeyExpiry::In(left) => left.as_millis() > u128::from(most),
        _ => true,
    })
}

/// Whether the lease is somebody's; tells its holder then that somebody waits for it.
fn is_held(tx: &mut dyn Transaction, found: &Found<'_>, i: usize) -> Result<bool> {
    let held = found.held[i].as_deref().and_then(Lease::read);
    let Some(held) = held.filter(|lease| lease.word == found.word) else {
        return Ok(false);
    };
    if !held.is_awaited {
        let told = Lease {
            is_awaited: true,
            ..held
        };
        let options = SetOptions::new(Expiration::Keep);
        tx.set(&found.leases[i], told.to_bytes(), options)?;
    }
    Ok(true)
}

/// A life as `PTTL` answers it.
fn millis(expiry: KeyExpiry) -> Reply {
    Reply::Integer(match expiry {
        KeyExpiry::Missing => -2,
        KeyExpiry::In(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
        _ => -1,
    })
}
