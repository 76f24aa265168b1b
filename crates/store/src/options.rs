//! Requests and answers of the [`Store`](crate::Store) trait, as plain data.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};

/// When a written key expires.
///
/// There is no default: a key without a TTL has to be asked for.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{Expiration, KeyExpiry, MemoryStore, SetOptions, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let key = Key::from_raw("k")?;
/// store.set(&key, "first".into(), SetOptions::ttl(Ttl::seconds(60))).await?;
/// store.set(&key, "second".into(), SetOptions::new(Expiration::Keep)).await?;
/// assert_ne!(store.expiry(&key).await?, KeyExpiry::Never);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiration {
    /// This long after the write.
    After(Ttl),
    /// When the key that is overwritten would have expired; never, where there was none.
    Keep,
    /// Never. For data that must not vanish, and with a reason.
    Never,
}

/// Under which condition a write takes place.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{Condition, MemoryStore, SetOptions, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let key = Key::from_raw("k")?;
/// let once = SetOptions::ttl(Ttl::seconds(60)).with_condition(Condition::IfAbsent);
/// assert!(store.set(&key, "first".into(), once).await?);
/// assert!(!store.set(&key, "second".into(), once).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Only if the key does not exist (`NX`).
    IfAbsent,
    /// Only if the key exists (`XX`).
    IfPresent,
}

/// How a value is written.
///
/// # Examples
/// ```
/// use cachekit_keys::Ttl;
/// use cachekit_store::{Condition, SetOptions};
///
/// let options = SetOptions::ttl(Ttl::seconds(300)).with_condition(Condition::IfAbsent);
/// assert_eq!(options.condition, Condition::IfAbsent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetOptions {
    /// When the key expires.
    pub expiration: Expiration,
    /// When the write takes place at all.
    pub condition: Condition,
}

impl SetOptions {
    /// Writes in any case, with the expiration given.
    ///
    /// # Examples
    /// See [`Expiration`].
    #[must_use]
    pub const fn new(expiration: Expiration) -> Self {
        Self {
            expiration,
            condition: Condition::Always,
        }
    }

    /// Writes in any case, expiring `ttl` later.
    ///
    /// # Examples
    /// See [`SetOptions`].
    #[must_use]
    pub const fn ttl(ttl: Ttl) -> Self {
        Self::new(Expiration::After(ttl))
    }

    /// The same write under a condition.
    ///
    /// # Examples
    /// See [`SetOptions`].
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// One write of a batch.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{SetItem, SetOptions};
///
/// let item = SetItem::new(Key::from_raw("k")?, "v", SetOptions::ttl(Ttl::seconds(5)));
/// assert_eq!(item.value, "v");
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetItem {
    /// Where to write.
    pub key: Key,
    /// What to write.
    pub value: Bytes,
    /// How to write it.
    pub options: SetOptions,
}

impl SetItem {
    /// A write of `value` to `key`.
    ///
    /// # Examples
    /// See [`SetItem`].
    #[must_use]
    pub fn new(key: Key, value: impl Into<Bytes>, options: SetOptions) -> Self {
        Self {
            key,
            value: value.into(),
            options,
        }
    }
}

impl std::fmt::Debug for SetItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetItem")
            .field("key", &self.key)
            .field("value_len", &self.value.len())
            .field("options", &self.options)
            .finish()
    }
}

/// A value with what is left of its life, both read at one moment.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{MemoryStore, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let key = Key::from_raw("k")?;
/// store.set_ttl(&key, "v".into(), Ttl::seconds(60)).await?;
/// let entries = store.get_entries(&[key]).await?;
/// let entry = entries[0].as_ref().expect("it has just been written");
/// assert!(entry.expires_in <= Some(Duration::from_secs(60)));
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The stored bytes.
    pub value: Bytes,
    /// Time until the key expires; `None` where it never does. Whole milliseconds on Redis.
    pub expires_in: Option<Duration>,
}

impl Entry {
    /// An entry as a store answers it.
    ///
    /// # Examples
    /// ```
    /// let entry = cachekit_store::Entry::new("v".into(), None);
    /// assert_eq!(entry.value, "v");
    /// ```
    #[must_use]
    pub fn new(value: Bytes, expires_in: Option<Duration>) -> Self {
        Self { value, expires_in }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("value_len", &self.value.len())
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// What is known of a key's life.
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_store::{KeyExpiry, MemoryStore, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let missing = MemoryStore::new().expiry(&Key::from_raw("k")?).await?;
/// assert_eq!(missing, KeyExpiry::Missing);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyExpiry {
    /// There is no such key.
    Missing,
    /// The key exists and never expires.
    Never,
    /// The key expires after this time. Whole milliseconds on Redis.
    In(Duration),
}

/// A new life for a key, in [`Store::expire`](crate::Store::expire).
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{ExpireChange, MemoryStore, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let keys = [Key::from_raw("k")?];
/// store.set_ttl(&keys[0], "v".into(), Ttl::seconds(60)).await?;
/// assert_eq!(store.expire(&keys, ExpireChange::IfNone(Ttl::seconds(5))).await?, [false]);
/// assert_eq!(store.expire(&keys, ExpireChange::AtLeast(Ttl::seconds(90))).await?, [true]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpireChange {
    /// Expire this long from now, whatever was set before.
    After(Ttl),
    /// Expire this long from now, unless the key already has a TTL.
    IfNone(Ttl),
    /// Expire no earlier than this long from now: a shorter TTL is raised, a longer or absent one stays.
    AtLeast(Ttl),
    /// Never expire.
    Never,
}

/// One addition to a counter, in [`Store::increment`](crate::Store::increment).
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{Increment, MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let hit = Increment::new(Key::from_raw("hits")?, 2, Ttl::seconds(60));
/// assert_eq!(store.increment(&[hit.clone(), hit]).await?, [2, 4]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Increment {
    /// The counter; an absent one counts as 0.
    pub key: Key,
    /// What to add; may be negative.
    pub by: i64,
    /// The TTL of a counter that has none, be it new or damaged. A running TTL is left alone, so
    /// that a window is not extended by use.
    pub ttl: Option<Ttl>,
}

impl Increment {
    /// An addition to a counter that lives for `ttl` from its first use.
    ///
    /// # Examples
    /// See [`Increment`].
    #[must_use]
    pub fn new(key: Key, by: i64, ttl: Ttl) -> Self {
        Self {
            key,
            by,
            ttl: Some(ttl),
        }
    }

    /// An addition to a counter that never expires.
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::Key;
    /// use cachekit_store::Increment;
    ///
    /// assert_eq!(Increment::persistent(Key::from_raw("total")?, 1).ttl, None);
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn persistent(key: Key, by: i64) -> Self {
        Self { key, by, ttl: None }
    }
}

/// Where a scan continues. Opaque; the default is the beginning.
///
/// A cursor belongs to the store that gave it, and to the pattern that it was given for. On a cluster it also belongs to
/// the layout of slots and nodes: given to a store that sees another layout by now, it begins anew.
///
/// # Examples
/// ```
/// use cachekit_keys::Pattern;
/// use cachekit_store::{ScanCursor, ScanRequest};
///
/// assert_eq!(ScanRequest::new(Pattern::everything()).cursor, ScanCursor::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanCursor {
    /// The store's or the server's own cursor.
    pub(crate) position: u64,
    /// Where in a cluster the walk is.
    #[cfg(feature = "redis")]
    pub(crate) walk: Option<WalkPlace>,
}

/// Where a walk over the nodes of a cluster is.
#[cfg(feature = "redis")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkPlace {
    /// The fingerprint of the layout of slots and nodes that the walk goes by.
    pub(crate) layout: u64,
    /// Its node.
    pub(crate) node: u16,
}

impl ScanCursor {
    /// A place in a store of one piece.
    pub(crate) const fn at(position: u64) -> Self {
        Self {
            position,
            #[cfg(feature = "redis")]
            walk: None,
        }
    }
}

/// One step of a walk over the keyspace.
///
/// # Examples
/// ```
/// use cachekit_keys::Pattern;
/// use cachekit_store::ScanRequest;
///
/// let request = ScanRequest::new(Pattern::everything()).with_count(500);
/// assert_eq!(request.count, 500);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanRequest {
    /// Which keys to report.
    pub pattern: Pattern,
    /// Where to go on.
    pub cursor: ScanCursor,
    /// About how many keys the store looks at in this step (not how many it reports); default 1 000, from 1 to
    /// [`MAX_COUNT`](Self::MAX_COUNT): a store takes what lies outside as the nearest of the two.
    pub count: usize,
}

impl ScanRequest {
    /// Most keys that one step looks at: a server answers no one else during a step.
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::Pattern;
    /// use cachekit_store::ScanRequest;
    ///
    /// let request = ScanRequest::new(Pattern::everything()).with_count(usize::MAX);
    /// assert_eq!(request.count, ScanRequest::MAX_COUNT);
    /// ```
    pub const MAX_COUNT: usize = 10_000;

    /// The first step over all keys that match `pattern`.
    ///
    /// # Examples
    /// See [`ScanRequest`].
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            cursor: ScanCursor::default(),
            count: 1_000,
        }
    }

    /// Another number of keys to look at in this step, brought into the range from 1 to [`MAX_COUNT`](Self::MAX_COUNT).
    ///
    /// # Examples
    /// See [`ScanRequest`].
    #[must_use]
    pub fn with_count(mut self, count: usize) -> Self {
        self.count = count.clamp(1, Self::MAX_COUNT);
        self
    }

    /// The next step, from the cursor that the last one answered.
    ///
    /// # Examples
    /// See [`ScanPage`].
    #[must_use]
    pub fn continue_from(mut self, cursor: ScanCursor) -> Self {
        self.cursor = cursor;
        self
    }
}

/// What one step of a scan found.
///
/// The guarantees are those of Redis: a key that exists from the first step to the last is
/// reported at least once; a key may be reported more than once; one that comes or goes meanwhile may be missed.
///
/// # Examples
/// ```
/// use cachekit_keys::{Key, Pattern, Ttl};
/// use cachekit_store::{MemoryStore, ScanRequest, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// store.set_ttl(&Key::from_raw("a:1")?, "v".into(), Ttl::seconds(60)).await?;
/// let mut request = ScanRequest::new(Pattern::raw("a:*")?);
/// let mut found = 0;
/// loop {
///     let page = store.scan(&request).await?;
///     found += page.keys.len();
///     match page.next {
///         Some(cursor) => request = request.continue_from(cursor),
///         None => break,
///     }
/// }
/// assert_eq!(found, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanPage {
    /// Keys found in this step; may be none although more follow.
    pub keys: Vec<Key>,
    /// Where to go on, or `None` at the end.
    pub next: Option<ScanCursor>,
}

impl ScanPage {
    /// A step's result.
    ///
    /// # Examples
    /// ```
    /// let last = cachekit_store::ScanPage::new(Vec::new(), None);
    /// assert!(last.next.is_none());
    /// ```
    #[must_use]
    pub fn new(keys: Vec<Key>, next: Option<ScanCursor>) -> Self {
        Self { keys, next }
    }
}
