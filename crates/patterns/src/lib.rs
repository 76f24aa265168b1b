//! Typed caches over any store.
//!
//! Two kinds of handle read and write values of your own types:
//!
//! - [`Cache<K, V>`](Cache) holds values of one type under the keys of one family: the choice for what a service
//!   caches all day (a project's file tree, a model's response).
//! - [`LevelCaches`] gives handles of the three levels, [`SessionCache`], [`ProjectCache`] and [`GlobalCache`], which take
//!   values of any type under names chosen per call.
//!
//! Both work on any [`Store`](cachekit_store::Store), take the default lifetime of the level that a key belongs to, write
//! what other programs can read (JSON text, unless told otherwise), read n keys in one round trip, and count hits and
//! misses ([`CacheCounts`]). [`Invalidation`] deletes what belongs together: all of a session or project, all that carries a tag,
//! what matches a pattern. Each write enters its key into indices, so that the first two cost what they find.
//!
//! Values are loaded through the caches ([`load`]), which are filled before anybody asks by [`warm`]. What is cleared is told to
//! caches elsewhere by an [`Announcer`]. [`WriteBehind`] takes writes that reach the database later, through a [`Sink`].
//!
//! An entry that cannot be read is a counted miss and no error: a damaged one is overwritten by the next write, one of a
//! newer version of the program is left to it. [`Cache::lookup`] tells them apart. A store that fails is an error.
//!
//! The crate opens no connection and names no client library. What it runs in the background, loads and announcements, runs on
//! [`Tasks`](cachekit_store::Tasks), which end with the handles or are yours.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//!
//! use cachekit_keys::{KeySchema, SessionId};
//! use cachekit_patterns::LevelCaches;
//! use cachekit_store::{Error, MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
//! let session = levels.session(&SessionId::new("abc123")?);
//!
//! session.set("current_file", "src/main.rs").await?; // for five minutes
//! let file: Option<String> = session.get("current_file").await?;
//! assert_eq!(file.as_deref(), Some("src/main.rs"));
//! # Ok(()) }
//! ```

mod access;
mod announce;
mod behind;
mod cache;
mod clock;
mod counts;
mod error;
mod gather;
mod index;
mod invalidation;
mod lease;
mod levels;
pub mod load;
mod lookup;
mod options;
pub mod through;
pub mod warm;

#[cfg(test)]
mod assertions;

pub use self::{
    announce::{
        Announce, Announced, Announcement, Announcements, Announcer, CacheInvalidated, Cleared,
    },
    behind::{
        Backlog, DeadLetter, DeadLetterCursor, DeadLetterPage, DrainReport, Drained, Flushed,
        Replayed, Sink, SinkError, SinkErrorKind, WhenFull, WriteBehind, WriteBehindBuilder,
        WriteBehindWorker, WriteItem, WriteOperation, WriteToken,
    },
    cache::{Cache, CacheBuilder},
    counts::{CacheCounters, CacheCounts},
    invalidation::Invalidation,
    levels::{
        GlobalCache, GlobalScope, LevelCache, LevelCaches, LevelCachesBuilder, ProjectCache, Scope,
        SessionCache,
    },
    load::{Cached, LoadContext, LoadOptions, Loaded, Origin, Refresh},
    lookup::Lookup,
    options::WriteOptions,
    through::{Persisted, ThroughOptions, WriteOrder, Written},
    warm::{HotKeySource, KeepWarm, WarmOptions, WarmProgress, WarmReport, each},
};
