//! The keys of a queue of unpersisted writes, beside the writes themselves.
//!
//! An unpersisted write is a companion of its key ([`CompanionKind::Unpersisted`](crate::CompanionKind)). What says when it is due
//! has to change in the same atomic step, and so lies in the same slot: on a cluster a queue has its keys once for each
//! slot, on a single server once.

use std::sync::LazyLock;

use crate::{Key, KeyError, KeySchema, Segment};

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

/// A queue of unpersisted writes, by its name.
///
/// # Examples
/// ```
/// use cachekit_keys::{KeySchema, WriteKey, WriteQueue};
///
/// let (schema, queue) = (KeySchema::plain(), WriteQueue::new("project")?);
/// let due = schema.write_key(&queue, WriteKey::Due { slot: None });
/// assert_eq!(due.as_str(), Some("ck:writes:{project}:due"));
/// let of_slot = schema.write_key(&queue, WriteKey::Due { slot: Some(7_000) });
/// assert_eq!(of_slot.slot(), 7_000);
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteQueue(Segment);

impl WriteQueue {
    /// Names a queue; the services that share it use the same name.
    ///
    /// # Errors
    /// Those of [`Segment::new`]: it is empty, or longer than 256 encoded bytes.
    ///
    /// # Examples
    /// See [`WriteQueue`].
    pub fn new(name: impl AsRef<str>) -> Result<Self, KeyError> {
        Segment::new(name).map(Self)
    }

    /// The name as it stands in keys.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(cachekit_keys::WriteQueue::new("a:b")?.as_encoded(), "a%3Ab");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn as_encoded(&self) -> &str {
        self.0.as_encoded()
    }
}

/// A key of a queue. A `slot` is that of the keys on a cluster, and `None` on a single server.
///
/// # Examples
/// See [`WriteQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteKey {
    /// The keys with a write that no worker has claimed yet.
    Due {
        /// Where the keys are.
        slot: Option<u16>,
    },
    /// The keys with a write that was claimed, or waits for another attempt.
    Held {
        /// Where the keys are.
        slot: Option<u16>,
    },
    /// The same keys by when they were written.
    Waiting {
        /// Where the keys are.
        slot: Option<u16>,
    },
    /// The highest sequence that was persisted.
    Persisted {
        /// Where the keys are.
        slot: Option<u16>,
    },
    /// The keys with a dead letter.
    Dead {
        /// Where the keys are.
        slot: Option<u16>,
    },
    /// A part of the slots of a cluster where there are writes; there are [`KeySchema::SLOT_PARTS`].
    Slots(u8),
    /// Nothing is stored here: workers listen to its wake-ups for writes.
    Arrivals,
    /// Nothing is stored here: workers listen to its wake-ups for someone who waits for all to be persisted.
    Flush,
    /// Nothing is stored here: those who wait listen to its wake-ups for writes that were persisted.
    Progress,
}

impl KeySchema {
    /// Into how many parts the list of a cluster's slots with writes is divided.
    pub const SLOT_PARTS: u8 = 16;

    /// A key of a queue.
    ///
    /// # Panics
    /// For a slot that no cluster has, which [`Key::slot`] never answers.
    ///
    /// # Examples
    /// See [`WriteQueue`].
    #[must_use]
    pub fn write_key(&self, queue: &WriteQueue, key: WriteKey) -> Key {
        let (prefix, queue) = (self.prefix(), queue.as_encoded());
        let (word, slot) = match key {
            WriteKey::Due { slot } => ("due", slot),
            WriteKey::Held { slot } => ("held", slot),
            WriteKey::Waiting { slot } => ("waiting", slot),
            WriteKey::Persisted { slot } => ("persisted", slot),
            WriteKey::Dead { slot } => ("dead", slot),
            WriteKey::Slots(part) => {
                let text = format!("ck:writes:{{{prefix}{queue}:{part}}}:slots");
                return Key::from_rendered(text);
            }
            WriteKey::Arrivals => ("arrivals", None),
            WriteKey::Flush => ("flush", None),
            WriteKey::Progress => ("progress", None),
        };
        Key::from_rendered(match slot {
            None => format!("ck:writes:{{{prefix}{queue}}}:{word}"),
            Some(slot) => {
                let tag = TAGS[usize::from(slot)];
                format!("ck:writes:{{{tag}}}:{prefix}{queue}:{word}")
            }
        })
    }
}

/// For each slot the least number that, as a hash tag, leads there.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut tags = vec![u32::MAX; SLOTS];
    let mut left = SLOTS;
    for number in 0..u32::MAX {
        let slot = usize::from(Key::from_rendered(number.to_string()).slot());
        if tags[slot] == u32::MAX {
            tags[slot] = number;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    tags
});
