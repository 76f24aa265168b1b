//! Storing what was loaded under a lease.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, SetOptions, Transaction};

use super::{Current, EXPIRY, SEEN, current, end_lease, is_held, is_valid, word};
use crate::index::{Entering, enter, life, parsed, parsed_number as number, wrong_arguments};

/// Writes a value and enters its key into indices, if the lease is still the token's and the key still holds what it held
/// when the lease was granted, natural expiry excepted, and nothing was cleared by pattern since; ends the lease in either case. Answers 1 where the value was written.
///
/// `KEYS`: the value's key, its lease's, perhaps that of a word, then the indices. `ARGV`: the token, the value, its TTL in milliseconds, how many
/// members to trim from each index, the member that names the key, and one more if there is the key of a word: see [`word`].
pub(in crate::lease) const FILL: Script = Script::new(
    "lease_fill",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("end.lua"),
        include_str!("fill.lua")
    ),
)
.with_body(fill)
.with_time();

fn fill(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([key, lease, rest @ ..], [token, value, _, _, member, ..]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    if !is_held(tx, lease, token)? {
        return Ok(Reply::Integer(0));
    }
    let (cleared, indices) = word(tx, rest, args, 5)?;
    let is_unchanged = is_valid(tx, lease, &cleared)? && is_unchanged(tx, key, lease)?;
    if is_unchanged {
        let (ttl, trim) = (parsed(args, 2)?, number(args, 3)?);
        for index in indices {
            let entering = Entering {
                member: member.clone(),
                ttl,
            };
            enter(tx, index, &[entering], trim)?;
        }
        tx.set(key, value.clone(), SetOptions::ttl(life(ttl)?))?;
    }
    end_lease(tx, lease)?;
    Ok(Reply::Integer(i64::from(is_unchanged)))
}

fn is_unchanged(tx: &mut dyn Transaction, key: &Key, lease: &Key) -> Result<bool> {
    let seen = tx.hget(lease, SEEN)?.unwrap_or_default();
    Ok(match current(tx, key)? {
        Current::OtherType => false,
        Current::Bytes(bytes) => tx.sha1hex(&bytes) == seen,
        Current::Absent if seen.is_empty() => true,
        Current::Absent => {
            let expiry = tx.hget(lease, EXPIRY)?.unwrap_or_default();
            !expiry.is_empty() && tx.now() / 1_000 >= parsed::<u64>(&[expiry], 0)?
        }
    })
}
