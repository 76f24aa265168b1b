//! The scripts of a lease, each as Lua text and in Rust.
//!
//! A lease is a hash beside the key of the value: `token` names its holder, `seen` is the digest of the bytes that the key
//! held when it was granted (empty where there were none), and `expiry` is when these were to expire, in milliseconds since
//! the Unix epoch (empty where they were not). Its TTL ends it where the holder does not.

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

/// Whether the lease is the token's.
fn is_held(tx: &mut dyn Transaction, lease: &Key, token: &[u8]) -> Result<bool> {
    Ok(tx.hget(lease, TOKEN)?.as_deref() == Some(token))
}
