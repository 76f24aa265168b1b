//! Keeping a lease, and giving it back.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ExpireChange, Reply, Result, Script, ScriptEffect, Transaction};

use super::{
    end_lease,
    found::text,
    lease::{Lease, is_held},
};
use crate::index::{life, parsed, wrong_arguments};

/// Gives a lease a new life; answers 1, or 0 where it is not the token's.
///
/// `KEYS`: the lease. `ARGV`: the token, and the TTL in milliseconds.
pub(in crate::lease) const RENEW: Script = Script::new(
    "lease_renew",
    concat!(include_str!("lease.lua"), include_str!("renew.lua")),
)
.with_body(renew)
.with_effect(ScriptEffect::Idempotent);

/// Ends a lease without a value, and wakes those who wait for it; answers 1, or 0 where it is not the token's or something was
/// cleared by pattern since it was granted.
///
/// `KEYS`: the lease, and perhaps that of the word. `ARGV`: the token.
pub(in crate::lease) const RELEASE: Script = Script::new(
    "lease_release",
    concat!(
        include_str!("lease.lua"),
        include_str!("end.lua"),
        include_str!("release.lua")
    ),
)
.with_body(release);

fn renew(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let ([lease], [token, _]) = (keys, args) else {
        return Err(wrong_arguments());
    };
    if !is_held(tx, lease, token)? {
        return Ok(Reply::Integer(0));
    }
    let renewed = tx.pexpire(lease, ExpireChange::After(life(parsed(args, 1)?)?))?;
    Ok(Reply::Integer(i64::from(renewed)))
}

fn release(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let (Some((lease, words)), [token]) = (keys.split_first(), args) else {
        return Err(wrong_arguments());
    };
    let held = text(tx, lease)?.unwrap_or_default();
    let Some(held) = Lease::read(&held).filter(|held| held.token == token) else {
        return Ok(Reply::Integer(0));
    };
    let mut is_cleared = false;
    if let Some(word) = words.first() {
        is_cleared = text(tx, word)?.unwrap_or_default() != held.word;
    }
    end_lease(tx, lease)?;
    Ok(Reply::Integer(i64::from(!is_cleared)))
}
