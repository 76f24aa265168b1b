//! What a sink is given.

use std::{fmt, time::Duration};

use cachekit_keys::Key;

/// One write that is to be persisted: the newest of its key that was accepted before the batch was put together.
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_patterns::{WriteItem, WriteOperation, WriteToken};
///
/// let token = WriteToken::new(Key::from_raw("user:1")?, 7);
/// let item = WriteItem::new("user 1", WriteOperation::Put("Ada"), token);
/// assert_eq!(item.value(), Some(&"Ada"));
/// assert_eq!((item.token.sequence, item.attempt, item.coalesced), (7, 1, 1));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct WriteItem<K, V> {
    /// The key as it was written.
    pub key: K,
    /// What is to be done with the row.
    pub operation: WriteOperation<V>,
    /// Names this write: a sink that has persisted the token, or one of the same key with a higher sequence, skips the item.
    pub token: WriteToken,
    /// Which attempt this is, from 1. An attempt whose worker died counts.
    pub attempt: u32,
    /// How many accepted writes this one stands for, at least 1.
    pub coalesced: u32,
    /// For how long the oldest write that it stands for has been waiting, by the server's clock.
    pub age: Duration,
}

impl<K, V> WriteItem<K, V> {
    /// The first attempt of a write that stands for itself alone, and has not waited.
    ///
    /// # Examples
    /// See [`WriteItem`].
    pub const fn new(key: K, operation: WriteOperation<V>, token: WriteToken) -> Self {
        Self {
            key,
            operation,
            token,
            attempt: 1,
            coalesced: 1,
            age: Duration::ZERO,
        }
    }

    /// The value to be stored, `None` for a deletion.
    ///
    /// # Examples
    /// See [`WriteItem`].
    pub const fn value(&self) -> Option<&V> {
        match &self.operation {
            WriteOperation::Put(value) => Some(value),
            WriteOperation::Delete => None,
        }
    }
}

/// Values stay out of logs.
impl<K, V> fmt::Debug for WriteItem<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteItem")
            .field("operation", &self.operation)
            .field("token", &self.token)
            .field("attempt", &self.attempt)
            .field("coalesced", &self.coalesced)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}

/// What is to be done with a row.
///
/// # Examples
/// ```
/// use cachekit_patterns::WriteOperation;
/// assert_ne!(WriteOperation::Put(1), WriteOperation::Delete);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum WriteOperation<V> {
    /// Store the value, whether or not there is a row.
    Put(V),
    /// Delete the row, which need not exist.
    Delete,
}

impl<V> fmt::Debug for WriteOperation<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put(_) => "Put",
            Self::Delete => "Delete",
        })
    }
}

/// Names one write of one key, for a sink that makes at-least-once delivery exactly-once.
///
/// # Examples
/// See [`WriteItem`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WriteToken {
    /// The key as it is rendered in the store, namespace included.
    pub key: Key,
    /// Rises with every write of the key, and never begins anew. About the microseconds since the Unix epoch; below 2^53.
    pub sequence: u64,
}

impl WriteToken {
    /// The token of a write.
    ///
    /// # Examples
    /// See [`WriteItem`].
    #[must_use]
    pub const fn new(key: Key, sequence: u64) -> Self {
        Self { key, sequence }
    }
}
