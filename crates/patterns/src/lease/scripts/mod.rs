//! The scripts of a lease, each as Lua text and in Rust.
//!
//! A lease is a hash beside the key of the value: `token` names its holder, `seen` is the digest of the bytes that the key
//! held when it was granted (empty where there were none), `expiry` is when these were to expire, in milliseconds since
//! the Unix epoch (empty where they were not), and `cleared` is the word of the last clearing by pattern (empty for none).
//! Its TTL ends it where the holder does not, and so does a later word.

mod fill;
mod release;
mod remove;
mod take;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Result, Transaction};

pub(super) use self::{
    fill::FILL,
    release::{RELEASE, RENEW},
    remove::REMOVE,
    take::TAKE,
};

const TOKEN: &[u8] = b"token";
const SEEN: &[u8] = b"seen";
const EXPIRY: &[u8] = b"expiry";
const CLEARED: &[u8] = b"cleared";

/// What stands before the companion's name, `ck:lease:`, is as long as this.
const PREFIX: usize = 9;

/// `end.lua` in Rust.
pub(crate) fn end_lease(tx: &mut dyn Transaction, lease: &Key) -> Result<()> {
    if tx.del(lease)? {
        let name = lease.as_bytes().get(PREFIX..).unwrap_or_default();
        tx.publish(&[b"ck:wake:", name].concat(), Bytes::new());
    }
    Ok(())
}

/// What a key holds, as far as a lease goes.
enum Current {
    Absent,
    Bytes(Bytes),
    OtherType,
}

fn current(tx: &mut dyn Transaction, key: &Key) -> Result<Current> {
    match tx.get(key) {
        Ok(None) => Ok(Current::Absent),
        Ok(Some(bytes)) => Ok(Current::Bytes(bytes)),
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(Current::OtherType),
        Err(error) => Err(error),
    }
}

/// The word of the last clearing by pattern, and the indices behind its key: where a script's arguments go on to `last`, the
/// key of the word comes before the indices.
fn word<'k>(
    tx: &mut dyn Transaction,
    keys: &'k [Key],
    args: &[Bytes],
    last: usize,
) -> Result<(Bytes, &'k [Key])> {
    match (keys, args.len() > last) {
        ([word, indices @ ..], true) => Ok((tx.get(word)?.unwrap_or_default(), indices)),
        _ => Ok((Bytes::new(), keys)),
    }
}

/// Whether there was no clearing by pattern since the lease was granted.
fn is_valid(tx: &mut dyn Transaction, lease: &Key, word: &[u8]) -> Result<bool> {
    Ok(tx.hget(lease, CLEARED)?.unwrap_or_default() == word)
}

/// Whether the lease is the token's.
fn is_held(tx: &mut dyn Transaction, lease: &Key, token: &[u8]) -> Result<bool> {
    Ok(tx.hget(lease, TOKEN)?.as_deref() == Some(token))
}
