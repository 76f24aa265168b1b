//! How names look behind a namespace, and back.

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::{Key, KeyError, Namespace};

use super::wake;

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
    pub(super) fn channel(&self, channel: &[u8]) -> Result<Bytes, KeyError> {
        match wake::key_of(channel) {
            Some(key) => Ok(self.key(&key)?.wake_channel()),
            None => Ok(self.prefixed(channel)),
        }
    }

    /// The channel as the caller has it; `None` for one outside of the namespace.
    pub(super) fn own_channel(&self, below: &Bytes) -> Option<Bytes> {
        if let Some(key) = wake::key_of(below) {
            return Some(self.own_key(&key)?.wake_channel());
        }
        let own = below.strip_prefix(&self.prefix[..])?;
        wake::key_of(own).is_none().then(|| below.slice_ref(own))
    }

    /// An argument of a script as the store below has it: the channel of a wake-up for one of the script's keys is that for
    /// the key below, and anything else is a value.
    pub(super) fn argument(&self, argument: &Bytes, keys: &[Key], below: &[Key]) -> Bytes {
        if argument.starts_with(wake::PREFIX) {
            let mut pairs = keys.iter().zip(below);
            if let Some((_, below)) = pairs.find(|(key, _)| key.wake_channel() == argument) {
                return below.wake_channel();
            }
        }
        argument.clone()
    }

    fn prefixed(&self, name: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.prefix.len() + name.len());
        out.put_slice(&self.prefix);
        out.put_slice(name);
        out.freeze()
    }
}
