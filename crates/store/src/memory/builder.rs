//! Options of a memory store.

use super::{MemoryStore, keyspace::Keyspace};
use crate::Capabilities;

const DEFAULT_MAX_VALUE_SIZE: usize = 64 << 20;
const DEFAULT_BYTE_BUDGET: u64 = 256 << 20;

/// Options of a [`MemoryStore`].
///
/// # Examples
/// ```
/// use cachekit_store::{MemoryStore, Store};
///
/// let store = MemoryStore::builder().byte_budget(1 << 30).max_value_size(1 << 20).build();
/// assert_eq!(store.capabilities().max_value_size, 1 << 20);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct MemoryStoreBuilder {
    max_value_size: usize,
    byte_budget: Option<u64>,
    clustered: bool,
}

impl MemoryStoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_value_size: DEFAULT_MAX_VALUE_SIZE,
            byte_budget: Some(DEFAULT_BYTE_BUDGET),
            clustered: false,
        }
    }

    /// Largest value in bytes, also of a field or member of a collection; a larger one is refused with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
    /// Default: 64 MiB.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// let store = MemoryStore::builder().max_value_size(512).build();
    /// assert_eq!(store.capabilities().max_value_size, 512);
    /// ```
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// Bytes that all keys and values may use, each entry charged with about 150 bytes on top, and each field or member
    /// of a collection with 128. Default: 256 MiB.
    ///
    /// A write beyond it evicts entries that have a TTL, or fails with
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory).
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::{Key, Ttl};
    /// use cachekit_store::{ErrorKind, MemoryStore, SetOptions, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::builder().byte_budget(1_000).build();
    /// let key = Key::from_raw("k")?;
    /// let refused = store.set(&key, vec![0; 1_000].into(), SetOptions::ttl(Ttl::seconds(1))).await;
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::OutOfMemory);
    /// # Ok(()) }
    /// ```
    pub fn byte_budget(mut self, bytes: u64) -> Self {
        self.byte_budget = Some(bytes);
        self
    }

    /// Lifts the byte budget: nothing is evicted before its time, and memory is bounded by the machine alone.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = MemoryStore::builder().unbounded().build();
    /// assert_eq!(store.server_facts().await?.eviction_policy, "noeviction");
    /// # Ok(()) }
    /// ```
    pub fn unbounded(mut self) -> Self {
        self.byte_budget = None;
        self
    }

    /// Behaves as a cluster does: [`Capabilities::clustered`] is set, and atomic calls over several keys need
    /// keys of one slot. Default: `false`.
    ///
    /// Batches of independent operations may span slots, as they may on a cluster.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{MemoryStore, Store};
    ///
    /// assert!(MemoryStore::builder().clustered(true).build().capabilities().clustered);
    /// ```
    pub fn clustered(mut self, clustered: bool) -> Self {
        self.clustered = clustered;
        self
    }

    /// An empty store with these options.
    ///
    /// # Examples
    /// ```
    /// let store = cachekit_store::MemoryStore::builder().build();
    /// # drop(store);
    /// ```
    #[must_use]
    pub fn build(self) -> MemoryStore {
        let mut capabilities = Capabilities::basic(self.max_value_size);
        capabilities.clustered = self.clustered;
        capabilities.scripts = true;
        MemoryStore::from_parts(Keyspace::new(self.byte_budget), capabilities)
    }
}
