//! Typed keys, ids, TTLs, channels and patterns for Redis and Valkey.
//!
//! Services that write key strings by hand meet the same bugs again and again: an id with a `:` in it that reads another
//! owner's entry, a `*` in an id that widens a `DEL`, a key without a TTL, two writers who disagree on a date format. This
//! crate makes the names in the cache values of types, so that these bugs do not compile or are refused once, at the edge.
//!
//! - **Ids** ([`SessionId`], [`ProjectId`], [`UserId`], ...) are validated and percent-encoded once. An id is one segment of
//!   a key and cannot become two.
//! - **Families** ([`SessionKey`], [`ProjectKey`], [`ModelKey`], [`ProviderKey`], [`RateLimitKey`], [`QuotaKey`],
//!   [`CostKey`], [`GlobalKey`], and your own through [`KeyFamily`]) say which keys exist. A [`KeySchema`] renders them to
//!   [`Key`]s and parses them back: `parse(key(k)) == k`, always.
//! - A **schema** holds two choices of a deployment: the [`KeyFormat`] (plain, or sharded for Redis Cluster) and an
//!   optional [`Namespace`].
//! - **Roots** ([`Root`]) stand for all that an owner or a [`Tag`] has, and name the index of it.
//! - **Patterns** ([`Pattern`]) escape what is literal in them; **channels** ([`Channel`]) name what is published.
//! - **Lifetimes** are [`Ttl`]s: never zero, whole milliseconds, with [`Jitter`]; a [`Level`] carries a default.
//! - **Content hashes** ([`ContentHash`]) are full SHA-256.
//!
//! It is pure: no async, no I/O, no clock, no randomness, no global state. It opens no connection and stores nothing; other
//! crates send what it names.
//!
//! # Examples
//!
//! ```
//! use cachekit_keys::{KeySchema, ProjectId, ProjectKey, UserId};
//!
//! let schema = KeySchema::plain();
//! let project = ProjectId::new("proj456")?;
//! let key = schema.key(&ProjectKey::file_tree(project.clone()));
//! assert_eq!(key.as_str(), Some("project:proj456:file_tree"));
//! assert_eq!(schema.parse::<ProjectKey>(&key)?.project(), &project);
//!
//! // An id that tries to be two segments, or a pattern, stays one id.
//! assert_eq!(UserId::new("user:1:*")?.as_encoded(), "user%3A1%3A*");
//! assert!(!schema.project_keys(&ProjectId::new("*")?).matches(key.as_bytes()));
//! # Ok::<(), cachekit_keys::KeyError>(())
//! ```
//!
//! A family of your own is a type that names its shapes; see [`KeyFamily`].

mod channel;
mod conversions;
mod date;
mod encode;
mod error;
mod families;
mod family;
mod field;
mod hash;
mod hits;
mod ids;
mod key;
mod level;
mod namespace;
mod path;
mod pattern;
mod schema;
mod segment;
mod shape;
mod ttl;
mod words;
mod writes;

#[cfg(test)]
mod tests;

pub use channel::{Channel, ChannelPattern};
pub use date::{CivilDate, CivilMonth};
pub use error::KeyError;
pub use families::{
    CostKey, GlobalKey, KnownKey, ModelKey, ProjectKey, ProviderKey, QuotaKey, QuotaRecord,
    RateLimitKey, RateLimitState, SessionKey,
};
pub use family::{FieldReader, FieldWriter, KeyFamily};
pub use field::KeyField;
pub use hash::ContentHash;
pub use hits::{HitCount, HitKey, HitWindow};
pub use ids::{
    ModelName, ModelVersion, ProjectId, ProviderMetric, ProviderName, QuotaMetric, SessionId, Tag,
    UserId,
};
pub use key::{CompanionKind, Key};
pub use level::{Level, LevelTtls};
pub use namespace::Namespace;
pub use path::KeyPath;
pub use pattern::{Pattern, PatternBuilder};
pub use schema::{KeyFormat, KeySchema, PathKeys, Root, Roots};
pub use segment::{BoundedSegment, Segment};
pub use shape::{Part, Shape};
pub use ttl::{Jitter, Ttl, TtlError};
pub use writes::{WriteKey, WriteQueue};
