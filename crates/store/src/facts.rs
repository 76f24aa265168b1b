//! What a server says about itself.

use std::time::Duration;

/// Facts about the server behind a store, as [`Store::server_facts`](crate::Store::server_facts) reads them.
///
/// These are the numbers of the `INFO` command; the memory store reports its own.
///
/// # Examples
/// ```
/// use cachekit_store::{MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let facts = MemoryStore::new().server_facts().await?;
/// assert_eq!((facts.product.as_str(), facts.keys), ("memory", 0));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// `"redis"`, `"valkey"` or `"memory"`.
    pub product: String,
    /// The version text, such as `7.0.15`.
    pub version: String,
    /// Bytes that the data set and its overhead use.
    pub used_memory: u64,
    /// Bytes after which the server evicts or refuses; 0 means no limit.
    pub max_memory: u64,
    /// What is evicted when memory is full, such as `noeviction` or `allkeys-lru`.
    pub eviction_policy: String,
    /// Clients connected at the moment.
    pub connected_clients: u64,
    /// Commands processed since the start.
    pub total_commands: u64,
    /// Time since the start, in whole seconds.
    pub uptime: Duration,
    /// Keys in the selected database.
    pub keys: u64,
    /// The append-only file is on.
    pub append_only: bool,
    /// The server is part of a cluster.
    pub cluster: bool,
}
