//! The channels of wake-ups, and the keys that they are for.

use bytes::{BufMut, Bytes, BytesMut};
use cachekit_keys::Key;

const START: &[u8] = b"ck:wake:{";

/// What every such channel starts with.
pub(super) const PREFIX: &[u8] = b"ck:wake:";

/// The channel on which waiters for a key are woken: `ck:wake:{T}:K` where T is the key's hash tag, `ck:wake:{K}` where it
/// has none, and `ck:wake:{}:K` where it has none but a brace.
pub(super) fn channel_of(key: &Key) -> Bytes {
    let name = key.as_bytes();
    let has_brace = || name.iter().any(|byte| matches!(byte, b'{' | b'}'));
    let (tag, is_whole) = match key.hash_tag() {
        Some(tag) => (tag, false),
        None if has_brace() => (&b""[..], false),
        None => (name, true),
    };
    let mut out = BytesMut::with_capacity(2 * name.len() + 16);
    out.put_slice(START);
    out.put_slice(tag);
    out.put_slice(b"}");
    if !is_whole {
        out.put_slice(b":");
        out.put_slice(name);
    }
    out.freeze()
}

/// Undoes [`channel_of`]; `None` for any other channel.
pub(super) fn key_of(channel: &[u8]) -> Option<Key> {
    let rest = channel.strip_prefix(START)?;
    let end = rest.iter().position(|&byte| byte == b'}')?;
    let name = match &rest[end + 1..] {
        [] => &rest[..end],
        [b':', name @ ..] => name,
        _ => return None,
    };
    let key = Key::from_raw(name.to_vec()).ok()?;
    // Anyone can publish on a channel that only looks like one.
    (channel_of(&key) == channel).then_some(key)
}
