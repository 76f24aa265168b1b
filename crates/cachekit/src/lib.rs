//! The toolkit for everything a service does with Redis or Valkey short of being a database.
//!
//! [`CacheKit`] wires the crates of the kit together: a store, a key schema, lifetimes and a value format, and the handles
//! made from them. It holds no logic of its own, and each crate works alone.
//!
//! ```
//! use cachekit::{CacheKit, Error, SessionId};
//!
//! # #[cfg(not(feature = "patterns"))] fn main() {}
//! # #[cfg(feature = "patterns")]
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let kit = CacheKit::memory(); // CacheKit::connect("redis://127.0.0.1:6379").await? in production
//!     let session = kit.session(&SessionId::new("abc123")?);
//!
//!     session.set("current_file", "src/main.rs").await?; // expires after five minutes, the session level's TTL
//!     let file: Option<String> = session.get("current_file").await?;
//!     assert_eq!(file.as_deref(), Some("src/main.rs"));
//!
//!     session.clear().await?;
//!     assert_eq!(session.get::<String>("current_file").await?, None);
//!     Ok(())
//! }
//! ```
//!
//! # The crates
//! | module | crate | what it is for |
//! |---|---|---|
//! | [`keys`] | `cachekit-keys` | typed keys, ids, TTLs, channels, patterns, content hashes; pure |
//! | [`codec`] | `cachekit-codec` | values to bytes: JSON, bincode, MessagePack, zstd; the envelope of events; pure |
//! | [`store`] | `cachekit-store` | the async store trait, the memory store, the Redis store, the error |
//! | `patterns` | `cachekit-patterns` | typed caches and the handles of the three levels |
//! | `limits` | `cachekit-limits` | rate limits, quotas, costs |
//! | `insight` | `cachekit-insight` | the fleet's hit rates, time saved, hot keys |
//!
//! What is used most is re-exported here at the top.
//!
//! # Cargo features
//! On by default:
//! - `redis`: the Redis store, `CacheKit::connect` and `CacheKitBuilder::connect`.
//! - `bincode`: the bincode codec.
//! - `zstd`: compression of values above 1 KiB.
//! - `patterns`: the typed caches, and the methods of [`CacheKit`] that make them.
//! - `limits`: rate limits and quotas, and the methods of [`CacheKit`] that make them.
//! - `insight`: hit rates of the fleet and hot keys, and the methods of [`CacheKit`] that tell them.
//!
//! Opt-in:
//! - `tls`: `rediss://` URLs.
//! - `msgpack`: the MessagePack codec.
//! - `mock`: a `mockall` mock of the store, for tests that assert calls.
//! - `metrics`: `CacheKit::record_metrics`, the kit's counts for the `metrics` facade.
//! - `tower`: `limits::http`, a layer that limits the requests of an HTTP service.
//! - `tracing`: connections, gaps in subscriptions and panics of tasks are logged, by an observer that is there from the
//!   beginning.

mod builder;
#[cfg(feature = "insight")]
mod insight_of_kit;
mod kit;
#[cfg(feature = "limits")]
mod limits_of_kit;
#[cfg(feature = "metrics")]
mod metrics;
mod shutdown;

#[cfg(test)]
mod tests;

pub use cachekit_codec as codec;
#[cfg(feature = "insight")]
pub use cachekit_insight as insight;
pub use cachekit_keys as keys;
#[cfg(feature = "limits")]
pub use cachekit_limits as limits;
#[cfg(feature = "patterns")]
pub use cachekit_patterns as patterns;
pub use cachekit_store as store;

pub use cachekit_codec::{Codec, Compression, Envelope, ValueFormat};
#[cfg(feature = "insight")]
pub use cachekit_insight::{CacheStats, HitOptions, HitRange, HotKey, HotKeys};
pub use cachekit_keys::{
    ContentHash, Jitter, Key, KeyFamily, KeyFormat, KeyPath, KeySchema, Level, LevelTtls,
    ModelName, ModelVersion, Namespace, Pattern, ProjectId, ProjectKey, SessionId, SessionKey, Tag,
    Ttl, UserId,
};
#[cfg(feature = "limits")]
pub use cachekit_limits::{Decision, Limit, Limiter, Quota, QuotaPlan};
#[cfg(feature = "patterns")]
pub use cachekit_patterns::{
    Announce, Announcement, Cache, CacheBuilder, CacheCounts, Cached, Cleared, GlobalCache,
    Invalidation, KeepWarm, LevelCaches, LoadContext, LoadOptions, Loaded, Lookup, Origin,
    ProjectCache, Refresh, SessionCache, Sink, SinkError, WarmOptions, WhenFull, WriteBehind,
    WriteBehindWorker, WriteItem, WriteOperation, WriteOptions, each,
};
#[cfg(feature = "redis")]
pub use cachekit_store::RedisStore;
pub use cachekit_store::{
    Condition, Error, ErrorKind, KeyExpiry, MemoryStore, Observer, Result, ServerFacts, Store,
    Tasks,
};

pub use self::{builder::CacheKitBuilder, kit::CacheKit, shutdown::ShutdownReport};
