//! What a key holds: a byte string, or a collection behind a box, so that an entry stays as small as a string's.
//!
//! Collections keep their own cost as they change, because the byte budget asks for it after every write.

mod hash;
mod sorted_set;

use std::fmt;

use bytes::Bytes;

pub(super) use self::{
    hash::Hash,
    sorted_set::{Added, Score, SortedSet, Span, span},
};

/// Values up to this length are copied when they are stored. A short slice would otherwise keep alive the whole
/// network buffer that it was cut from, unseen by the byte budget.
const COPIED_LEN: usize = 4 * 1024;

/// What a collection costs beyond its members: the box, and what its tables and nodes take before they are filled.
/// Measured with a counting allocator.
const COLLECTION_OVERHEAD: u64 = 320;

/// A stored value. The kinds follow Redis's types, so that a command for one type can meet another.
pub(super) enum Value {
    /// A byte string.
    Text(Bytes),
    /// A value of another type. Together in one variant they cost an entry no byte: it lives in the niche of `Bytes`.
    Other(Box<Collection>),
}

/// A value of another type than string.
pub(super) enum Collection {
    Hash(Hash),
    SortedSet(SortedSet),
    /// A value of a type that the store's commands do not read.
    Foreign,
}

impl Value {
    /// A byte string, owning its memory where it is short.
    pub(super) fn text(bytes: Bytes) -> Self {
        Self::Text(detached(bytes))
    }

    /// A byte string of its own.
    pub(super) fn copy_of(bytes: &[u8]) -> Self {
        Self::Text(Bytes::copy_from_slice(bytes))
    }

    pub(super) fn foreign() -> Self {
        Self::Other(Box::new(Collection::Foreign))
    }

    /// Bytes that the value is charged with.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Other(other) => other.cost(),
        }
    }
}

impl Collection {
    fn cost(&self) -> u64 {
        match self {
            Self::Hash(hash) => COLLECTION_OVERHEAD + hash.cost(),
            Self::SortedSet(set) => COLLECTION_OVERHEAD + set.cost(),
            Self::Foreign => 0,
        }
    }
}

/// A type of collection that commands read and change in place.
pub(super) trait Typed: Default {
    /// The collection in `value`, if it is of this type.
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    /// An empty collection does not exist: its key is removed.
    fn is_empty(&self) -> bool;
}

impl Typed for Hash {
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Other(other) => match &**other {
                Collection::Hash(hash) => Some(hash),
                _ => None,
            },
            Value::Text(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Other(other) => match &mut **other {
                Collection::Hash(hash) => Some(hash),
                _ => None,
            },
            Value::Text(_) => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Other(Box::new(Collection::Hash(self)))
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Typed for SortedSet {
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Other(other) => match &**other {
                Collection::SortedSet(set) => Some(set),
                _ => None,
            },
            Value::Text(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Other(other) => match &mut **other {
                Collection::SortedSet(set) => Some(set),
                _ => None,
            },
            Value::Text(_) => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Other(Box::new(Collection::SortedSet(self)))
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "Text({} bytes)", bytes.len()),
            Self::Other(other) => match &**other {
                Collection::Hash(hash) => write!(f, "Hash({} fields)", hash.len()),
                Collection::SortedSet(set) => write!(f, "SortedSet({} members)", set.len()),
                Collection::Foreign => f.write_str("Foreign"),
            },
        }
    }
}

/// The bytes, in memory of their own where they are short.
fn detached(bytes: Bytes) -> Bytes {
    if bytes.len() <= COPIED_LEN {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

/// The capacity that a table of `len` entries with room for `capacity` is to shrink to, so that a collection which
/// lost most of its members gives their memory back. The gap between the bounds keeps it from moving to and fro.
fn shrunk(len: usize, capacity: usize) -> Option<usize> {
    (capacity > 32 && len < capacity / 4).then_some(len * 2)
}
