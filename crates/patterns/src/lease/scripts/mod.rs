//! The scripts of a lease, each as Lua text and in Rust.
//!
//! A lease is a string beside the key of the value: `0`, or `1` once somebody waits for its end, the token of its holder, and
//! behind a colon each the digest of the bytes that the key held when it was granted (empty where there were none), when
//! these were to expire, in milliseconds since the Unix epoch (empty where they were not), and the word of the last clearing
//! by pattern (empty for none). Its TTL ends it where the holder does not, and so does a later word.
//!
//! Taking and storing are for many keys at once, of the same indices, in one run.

mod fill;
mod found;
mod lease;
mod release;
mod remove;
mod take;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

pub(super) use self::{
    fill::FILL,
    lease::Lease,
    release::{RELEASE, RENEW},
    remove::REMOVE,
    take::TAKE,
};

/// What stands before the companion's name, `ck:lease:`, is as long as this.
const PREFIX: usize = 9;

/// The lease of a writer, who has seen nothing, and whose end others may wait for.
pub(crate) fn mark(token: &[u8], word: &[u8]) -> Bytes {
    let lease = Lease {
        is_awaited: true,
        token,
        seen: b"",
        expiry: b"",
        word,
    };
    lease.to_bytes()
}

/// The holder's token and the word of the last clearing by pattern in a lease.
pub(crate) fn read_mark(lease: &[u8]) -> Option<(&[u8], &[u8])> {
    Lease::read(lease).map(|lease| (lease.token, lease.word))
}

/// `end.lua` in Rust.
pub(crate) fn end_lease(tx: &mut dyn Transaction, lease: &Key) -> Result<()> {
    if tx.del(lease)? {
        let name = lease.as_bytes().get(PREFIX..).unwrap_or_default();
        tx.publish(&[b"ck:wake:", name].concat(), Bytes::new());
    }
    Ok(())
}
