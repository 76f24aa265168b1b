//! Storing what was loaded under leases.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, SetOptions, Transaction};

use super::{
    end_lease,
    found::{Current, Found},
    lease::Lease,
};
use crate::index::{Entering, argument, enter, life, parsed, parsed_number as number};

/// Writes values and enters their keys into indices, each if its lease is still the token's and the key still holds what it held
/// when the lease was granted, natural expiry excepted, and nothing was cleared by pattern since; ends the leases that are the
/// tokens' in either case, and wakes those who wait. Answers for each 1 where the value was written.
///
/// `KEYS`: n values' keys, their leases', perhaps that of a word, then the indices. `ARGV`: n, something where there is the key
/// of a word, how many members to trim from each index, and then for each key its token, for each the value, for each its TTL in
/// milliseconds, and for each the member that names it in the indices.
pub(in crate::lease) const FILL: Script = Script::new(
    "lease_fill",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter.lua"),
        include_str!("lease.lua"),
        include_str!("found.lua"),
        include_str!("end.lua"),
        include_str!("fill.lua")
    ),
)
.with_body(fill)
.with_time();

/// How many arguments come before those of the keys.
const FIRST: usize = 3;

fn fill(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let n = number(args, 0)?;
    let found = Found::read(tx, keys, n, !argument(args, 1)?.is_empty())?;
    let trim = number(args, 2)?;
    let mut answers = vec![Reply::Integer(0); n];
    let (mut stored, mut entries, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for (i, answer) in answers.iter_mut().enumerate() {
        let held = found.held[i].as_deref().and_then(Lease::read);
        let token = argument(args, FIRST + i)?;
        let Some(held) = held.filter(|lease| lease.token == token) else {
            continue;
        };
        ended.push((&found.leases[i], held.is_awaited));
        if held.word == found.word && is_unchanged(tx, &found.values[i], &held)? {
            let ttl = parsed(args, FIRST + 2 * n + i)?;
            let member = argument(args, FIRST + 3 * n + i)?.clone();
            entries.push(Entering { member, ttl });
            stored.push((&found.keys[i], argument(args, FIRST + n + i)?.clone(), ttl));
            *answer = Reply::Integer(1);
        }
    }
    if !stored.is_empty() {
        for index in found.indices {
            enter(tx, index, &entries, trim)?;
        }
    }
    for (key, value, ttl) in stored {
        tx.set(key, value, SetOptions::ttl(life(ttl)?))?;
    }
    for (lease, is_awaited) in ended {
        // Nobody is woken where nobody said that he waits.
        if is_awaited {
            end_lease(tx, lease)?;
        } else {
            tx.del(lease)?;
        }
    }
    Ok(Reply::Array(answers))
}

fn is_unchanged(tx: &mut dyn Transaction, value: &Current, held: &Lease<'_>) -> Result<bool> {
    Ok(match value {
        Current::OtherType => false,
        Current::Bytes(bytes) => tx.sha1hex(bytes).as_bytes() == held.seen,
        Current::Absent if held.seen.is_empty() => true,
        Current::Absent if held.expiry.is_empty() => false,
        Current::Absent => {
            let expiry: u64 = parsed(&[Bytes::copy_from_slice(held.expiry)], 0)?;
            tx.now() / 1_000 >= expiry
        }
    })
}
