//! The channels of wake-ups, and the keys that they are for.

use cachekit_keys::Key;

const START: &[u8] = b"ck:wake:{";

/// What every such channel starts with.
pub(super) const PREFIX: &[u8] = b"ck:wake:";

/// The key that waiters on a channel wait for, which undoes [`Key::wake_channel`]; `None` for any other channel.
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
    (key.wake_channel() == channel).then_some(key)
}
