//! What the keys of a call hold, all read before anything is written.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Result, Transaction};

use crate::index::wrong_arguments;

/// The keys of a call and what they hold, `found.lua` in Rust.
pub(super) struct Found<'k> {
    pub(super) keys: &'k [Key],
    pub(super) leases: &'k [Key],
    pub(super) indices: &'k [Key],
    pub(super) values: Vec<Current>,
    pub(super) held: Vec<Option<Bytes>>,
    /// The word of the last clearing by pattern.
    pub(super) word: Bytes,
}

/// What a value's key holds.
pub(super) enum Current {
    Absent,
    Bytes(Bytes),
    OtherType,
}

impl<'k> Found<'k> {
    pub(super) fn read(
        tx: &mut dyn Transaction,
        keys: &'k [Key],
        n: usize,
        with_word: bool,
    ) -> Result<Self> {
        let split = |keys: &'k [Key], at| keys.split_at_checked(at).ok_or_else(wrong_arguments);
        let (keys, rest) = split(keys, n)?;
        let (leases, rest) = split(rest, n)?;
        let (words, indices) = split(rest, usize::from(with_word))?;
        let mut word = Bytes::new();
        for key in words {
            word = text(tx, key)?.unwrap_or_default();
        }
        Ok(Self {
            keys,
            leases,
            indices,
            values: keys
                .iter()
                .map(|key| current(tx, key))
                .collect::<Result<_>>()?,
            held: leases
                .iter()
                .map(|key| text(tx, key))
                .collect::<Result<_>>()?,
            word,
        })
    }
}

fn current(tx: &mut dyn Transaction, key: &Key) -> Result<Current> {
    match tx.get(key) {
        Ok(None) => Ok(Current::Absent),
        Ok(Some(bytes)) => Ok(Current::Bytes(bytes)),
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(Current::OtherType),
        Err(error) => Err(error),
    }
}

/// What `MGET` finds.
pub(super) fn text(tx: &mut dyn Transaction, key: &Key) -> Result<Option<Bytes>> {
    match current(tx, key)? {
        Current::Bytes(bytes) => Ok(Some(bytes)),
        _ => Ok(None),
    }
}
