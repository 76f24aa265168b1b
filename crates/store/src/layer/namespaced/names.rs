//! How names look behind a namespace, and back.

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::{Key, KeyError, Namespace};

/// Where the kit's wake-ups are published: `ck:wake:` and the key.
const WAKE: &[u8] = b"ck:wake:";

/// Puts a namespace before keys and channels, and takes it off again.
///
/// What is put on comes off: `own_key(key(k)) == k`. What comes off goes back on, so that no two names of the store below
/// are one above: `own_key` answers `None` for a name that [`key`](Self::key) never makes.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The namespace and its `:`.
    prefix: Bytes,
}

impl Names {
    pub(super) fn new(namespace: &Namespace) -> Self {
        Self {
            prefix: format!("{}:", namespace.as_encoded()).into(),
        }
    }

    /// The namespace and its `:`, as they stand before names.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The key as the store below has it.
    ///
    /// A companion becomes the companion of the prefixed key, in whose slot it must lie. Other keys of the kit are prefixed
    /// like all keys.
    pub(super) fn key(&self, key: &Key) -> Result<Key, KeyError> {
        if key.is_reserved()
            && let Some((kind, accompanied)) = key.accompanied()
        {
            return self.key(&accompanied)?.companion(kind);
        }
        Key::from_raw(self.prefixed(key.as_bytes()))
    }

    /// The key as the caller has it; `None` for one outside of the namespace.
    pub(super) fn own_key(&self, below: &Key) -> Option<Key> {
        if let Some((kind, accompanied)) = below.accompanied() {
            return self.own_key(&accompanied)?.companion(kind).ok();
        }
        let bytes = below.to_bytes();
        let own = Key::from_raw(bytes.slice_ref(bytes.strip_prefix(&self.prefix[..])?)).ok()?;
        // Below, a companion looks otherwise. This is a foreign key that only looks like one.
        own.accompanied().is_none().then_some(own)
    }

    /// The channel as the store below has it. A wake-up for a key becomes one for the prefixed key.
    pub(super) fn channel(&self, channel: &[u8]) -> Bytes {
        match channel.strip_prefix(WAKE) {
            Some(key) => [WAKE, &self.prefix, key].concat().into(),
            None => self.prefixed(channel),
        }
    }

    /// The channel as the caller has it; `None` for one outside of the namespace.
    pub(super) fn own_channel(&self, below: &Bytes) -> Option<Bytes> {
        if let Some(key) = below.strip_prefix(WAKE) {
            let own = key.strip_prefix(&self.prefix[..])?;
            return Some([WAKE, own].concat().into());
        }
        let own = below.strip_prefix(&self.prefix[..])?;
        (!own.starts_with(WAKE)).then(|| below.slice_ref(own))
    }

    /// An argument of a script as the store below has it: the channel of a wake-up for one of the script's keys is
    /// that for the prefixed key, and anything else is a value.
    pub(super) fn argument(&self, argument: &Bytes, keys: &[Key]) -> Bytes {
        let is_wake_up = argument
            .strip_prefix(WAKE)
            .is_some_and(|name| keys.iter().any(|key| key.as_bytes() == name));
        match is_wake_up {
            true => self.channel(argument),
            false => argument.clone(),
        }
    }

    fn prefixed(&self, name: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.prefix.len() + name.len());
        out.put_slice(&self.prefix);
        out.put_slice(name);
        out.freeze()
    }
}
