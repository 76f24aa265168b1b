//! The keys of one list.

use cachekit_keys::{Key, Pattern};

/// The ends of the names. The first eight share a slot; what is special to patterns and beyond text is among them.
const NAMES: [&[u8]; 10] = [
    b"a", b"b", b"ab", b"a:1", b"A", b"a*b", b"\\[x]", b"\xff\0", b"a", b"c",
];

/// How many of the keys share the first slot.
pub(super) const TOGETHER: usize = 8;

/// How many keys a list has.
pub(super) const ALL: usize = NAMES.len();

/// The keys of one list, in a namespace that no other list has.
#[derive(Debug)]
pub(super) struct Pool {
    prefix: String,
    keys: Vec<Key>,
}

impl Pool {
    /// Names that nobody else uses.
    pub(super) fn fresh() -> Self {
        let prefix = format!("eq:{:016x}:", fastrand::u64(..));
        loop {
            let (here, there) = (fastrand::u32(..), fastrand::u32(..));
            let key = |(place, name): (usize, &&[u8])| {
                let tag = if place < TOGETHER { here } else { there };
                let start = format!("{prefix}{{{tag:08x}}}");
                Key::from_raw([start.as_bytes(), name].concat()).expect("short names")
            };
            let keys: Vec<Key> = NAMES.iter().enumerate().map(key).collect();
            if keys[0].slot() != keys[TOGETHER].slot() {
                return Self { prefix, keys };
            }
        }
    }

    pub(super) fn key(&self, place: usize) -> Key {
        self.keys[place % ALL].clone()
    }

    pub(super) fn keys(&self, places: &[usize]) -> Vec<Key> {
        places.iter().map(|place| self.key(*place)).collect()
    }

    pub(super) fn all(&self) -> &[Key] {
        &self.keys
    }

    /// The place of a key.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        self.keys.iter().position(|known| known == key)
    }

    /// The pattern behind the namespace's prefix. The prefix holds nothing special.
    pub(super) fn pattern(&self, rest: &[u8]) -> Pattern {
        Pattern::raw([self.prefix.as_bytes(), rest].concat()).expect("a short pattern")
    }
}
