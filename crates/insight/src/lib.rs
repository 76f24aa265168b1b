//! What the caches of a fleet do: hit rates, time saved, and the keys that are asked for most.
//!
//! Both halves are [`Observer`](cachekit_store::Observer)s: caches report what they find and load, and know of nobody who
//! listens.
//!
//! - [`HitTracker`] counts by key family, without locks and without a call of the store, and its [`HitFlusher`] adds the counts
//!   to those of the fleet every few seconds. [`HitTracker::stats`] is the fleet's numbers in one call.
//! - [`HotKeys`] names the keys of a family that are asked for most, in this process, within bounded memory.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//!
//! use cachekit_insight::{HitOptions, HitTracker, HotKeys};
//! use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
//! use cachekit_store::{Error, MemoryStore, Observers, Tasks};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
//! let (hits, flusher) = HitTracker::new(store, schema, HitOptions::new());
//! let hot = HotKeys::new();
//! // For `CacheBuilder::observers`:
//! let observers = Observers::none().with(Arc::new(hits.clone())).with(Arc::new(hot.clone()));
//!
//! let tasks = Tasks::new();
//! tasks.spawn_until_stopped("flush hit counts", |stop| flusher.run(stop))?;
//!
//! hits.track_hit(&ProjectKey::file_tree(ProjectId::new("proj456")?)); // or by hand
//! let stats = hits.stats().await?;
//! assert_eq!((stats.total_hits, stats.hit_rate), (1, Some(1.0)));
//! # Ok(()) }
//! ```

mod clock;
mod flush;
mod hot;
mod options;
mod scripts;
mod shard;
mod stats;
mod tally;
mod tracker;
mod worker;

#[cfg(test)]
mod tests;

pub use self::{
    hot::{HotKey, HotKeys, HotKeysBuilder},
    options::HitOptions,
    stats::{CacheStats, FamilyStats, HitRange},
    tracker::HitTracker,
    worker::HitFlusher,
};
