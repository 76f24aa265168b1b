//! What a lease says.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Result, Transaction};

/// The parts of a lease: see the [module](super).
pub(in crate::lease) struct Lease<'b> {
    /// Whether somebody waits for its end.
    pub(in crate::lease) is_awaited: bool,
    pub(in crate::lease) token: &'b [u8],
    pub(in crate::lease) seen: &'b [u8],
    pub(in crate::lease) expiry: &'b [u8],
    pub(in crate::lease) word: &'b [u8],
}

impl<'b> Lease<'b> {
    /// `lease.lua` in Rust.
    pub(in crate::lease) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (awaited, rest) = bytes.split_first()?;
        let mut parts = rest.splitn(4, |byte| *byte == b':');
        let (token, seen, expiry, word) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_lease = awaited.is_ascii_digit()
            && seen.iter().all(u8::is_ascii_hexdigit)
            && expiry.iter().all(u8::is_ascii_digit);
        is_lease.then_some(Self {
            is_awaited: *awaited != b'0',
            token,
            seen,
            expiry,
            word,
        })
    }

    pub(in crate::lease) fn to_bytes(&self) -> Bytes {
        let awaited: &[u8] = if self.is_awaited { b"1" } else { b"0" };
        let parts = [self.token, self.seen, self.expiry, self.word].join(&b':');
        [awaited, &parts].concat().into()
    }
}

/// Whether the lease is the token's.
pub(super) fn is_held(tx: &mut dyn Transaction, lease: &Key, token: &[u8]) -> Result<bool> {
    let bytes = tx.get(lease)?.unwrap_or_default();
    Ok(Lease::read(&bytes).is_some_and(|lease| lease.token == token))
}

#[cfg(test)]
mod tests {
    use super::Lease;

    #[test]
    fn a_lease_says_what_was_written_into_it() {
        let lease = Lease {
            is_awaited: true,
            token: b"0a1b",
            seen: b"ff00",
            expiry: b"1795000000000",
            word: b"a:b",
        };
        let bytes = lease.to_bytes();
        assert_eq!(&bytes[..], b"10a1b:ff00:1795000000000:a:b");
        let read = Lease::read(&bytes).unwrap();
        assert!(read.is_awaited);
        assert_eq!(
            (read.token, read.seen, read.expiry, read.word),
            (lease.token, lease.seen, lease.expiry, lease.word)
        );
    }

    #[test]
    fn what_is_no_lease_is_not_read_as_one() {
        for foreign in [
            "",
            "0",
            "0token",
            "0token::",
            "token:::",
            "0token:xyz::",
            "0token::12a:",
        ] {
            assert!(Lease::read(foreign.as_bytes()).is_none(), "{foreign:?}");
        }
    }
}
