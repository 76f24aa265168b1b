//! How many servers there are, and how a key finds its own.

/// What stands behind the address of a [`RedisStore`](crate::RedisStore).
///
/// # Examples
/// ```
/// use cachekit_store::{RedisStore, Store, Topology};
///
/// let store = RedisStore::builder("redis://10.0.0.1:6379")
///     .topology(Topology::Cluster)
///     .seed("10.0.0.2:6379")
///     .build()?; // connects with the first call
/// assert!(store.capabilities().clustered);
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// One server, or an address that always leads to the one in charge.
    #[default]
    Standalone,
    /// Redis Cluster: the store asks the addresses for the layout and talks to all primaries.
    Cluster,
    /// Servers watched by Sentinel. Not built yet: [`build`](crate::RedisStoreBuilder::build) refuses it.
    Sentinel,
}
