//! Looking again, and taking the lease where there is still nothing to be had.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ExpireChange, KeyExpiry, Reply, Result, Script, Transaction};

use super::{CLEARED, Current, EXPIRY, SEEN, TOKEN, current, is_valid, word};
use crate::index::{Entering, enter, life, parsed, wrong_arguments};

/// Takes the lease of a key whose bytes are still those that the caller has seen, or are gone. Answers the time in
/// microseconds, and then 0, the bytes and their PTTL where they are others; 1 and the lease's PTTL where someone holds it;
/// 2 where it is the caller's now; 3 where the key is of another type.
///
/// `KEYS`: the value's key, its lease's, perhaps that of a word, then the indices. `ARGV`: the token, the lease's TTL in milliseconds, the digest of
/// the bytes that the caller has seen (empty for none), how long the key stays in the indices, in milliseconds, the member
/// that names it there, and one more if there is the key of a word: see [`word`].
pub(in crate::lease) const TAKE: Script = Script::new(
    "lease_take",
    concat!(
        include_str!("../../index/scripts/keep.lua"),
        include_str!("../../index/scripts/enter_one.lua"),
        include_str!("take.lua")
    ),
)
.with_body(take)
.with_time();

fn take(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([key, lease, rest @ ..], [token, _, seen, _, member, ..]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    let now = Reply::Integer(i64::try_from(tx.now()).unwrap_or(i64::MAX));
    let code = |code| Reply::Integer(code);
    let held = match current(tx, key)? {
        Current::OtherType => return Ok(Reply::Array(vec![now, code(3)])),
        Current::Absent => None,
        Current::Bytes(bytes) => Some(bytes),
    };
    let digest = held.as_deref().map(|bytes| tx.sha1hex(bytes));
    let digest = Bytes::from(digest.unwrap_or_default());
    let left = tx.pttl(key)?;
    if let Some(bytes) = held.as_ref().filter(|_| digest != seen) {
        let parts = vec![now, code(0), Reply::Bytes(bytes.clone()), millis(left)];
        return Ok(Reply::Array(parts));
    }
    let (cleared, indices) = word(tx, rest, args, 5)?;
    match tx.pttl(lease)? {
        KeyExpiry::Missing => {}
        left if is_valid(tx, lease, &cleared)? => {
            return Ok(Reply::Array(vec![now, code(1), millis(left)]));
        }
        _ => {}
    }
    for index in indices {
        let entering = Entering {
            member: member.clone(),
            ttl: parsed(args, 3)?,
        };
        enter(tx, index, &[entering], 0)?;
    }
    let expiry = match left {
        KeyExpiry::In(left) => (u128::from(tx.now() / 1_000) + left.as_millis()).to_string(),
        _ => String::new(),
    };
    let fields = [
        (Bytes::from_static(TOKEN), token.clone()),
        (Bytes::from_static(SEEN), digest),
        (Bytes::from_static(EXPIRY), expiry.into()),
        (Bytes::from_static(CLEARED), cleared),
    ];
    tx.hset(lease, &fields)?;
    tx.pexpire(lease, ExpireChange::After(life(parsed(args, 1)?)?))?;
    Ok(Reply::Array(vec![now, code(2)]))
}

/// A life as `PTTL` answers it.
fn millis(expiry: KeyExpiry) -> Reply {
    Reply::Integer(match expiry {
        KeyExpiry::Missing => -2,
        KeyExpiry::In(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
        _ => -1,
    })
}
