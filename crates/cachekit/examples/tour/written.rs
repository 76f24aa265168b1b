//! Which kinds of keys were written, how often, and for how long they live.

use cachekit::{Key, Level, Ttl};
use serde::Serialize;

/// A kind of key, with the first that was written as its example.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeyKind {
    /// Its pattern, as in the documentation.
    pub(crate) kind: &'static str,
    /// The level that it belongs to.
    pub(crate) level: &'static str,
    /// How long an entry lives.
    pub(crate) ttl_seconds: u64,
    /// The first key of this kind, in full.
    pub(crate) example: String,
    /// What is under the example.
    pub(crate) holds: String,
    /// How many entries were written.
    pub(crate) writes: u64,
}

/// A write that has just been done.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    /// The pattern of its key.
    pub(crate) kind: &'static str,
    /// The level of its key.
    pub(crate) level: Level,
    /// The lifetime that it was given.
    pub(crate) ttl: Ttl,
    /// Its key.
    pub(crate) key: &'a Key,
    /// What was written, in a few words.
    pub(crate) holds: &'a str,
}

/// All kinds so far, in the order of their first keys.
#[derive(Debug, Default)]
pub(crate) struct Written {
    kinds: Vec<KeyKind>,
}

impl Written {
    /// Notes a write. The new kind is returned where this was its first.
    pub(crate) fn note(&mut self, write: &Write<'_>) -> Option<&KeyKind> {
        if let Some(known) = self.kinds.iter_mut().find(|known| known.kind == write.kind) {
            known.writes += 1;
            return None;
        }
        self.kinds.push(KeyKind {
            kind: write.kind,
            level: write.level.as_str(),
            ttl_seconds: write.ttl.as_duration().as_secs(),
            example: String::from_utf8_lossy(write.key.as_bytes()).into_owned(),
            holds: write.holds.to_owned(),
            writes: 1,
        });
        self.kinds.last()
    }

    /// The kinds, in the order of their first keys.
    pub(crate) fn into_kinds(self) -> Vec<KeyKind> {
        self.kinds
    }
}
