//! Keys to bytes with expiry, behind one small async trait.
//!
//! [`Store`] is the contract, [`MemoryStore`] keeps it inside the process (for unit tests, and for
//! services of a single process), and `RedisStore` keeps it on a Redis or Valkey server (feature `redis`,
//! on by default). [`StoreExt`] adds conveniences to any store, and [`LayerExt`] puts layers around one: deadlines,
//! repetition, a circuit breaker, reports, a namespace, faults for tests. All of them fail with one [`Error`],
//! whose [kind](ErrorKind) says what the caller can do.
//!
//! A [`Publisher`] publishes in the background, for those who must not wait for it. A [`Coalescer`] lets callers of one process
//! share calls.
//!
//! An [`Observer`] hears what becomes of connections, calls and subscriptions. With the feature `tracing` every Redis store
//! has one that writes to the log: connections made (`DEBUG`), lost and not made (`WARN`), with the address and the reason,
//! never with a credential, a key or a value.
//!
//! ```
//! use cachekit_keys::{Key, Ttl};
//! use cachekit_store::{MemoryStore, SetOptions, Store};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
//! let store = MemoryStore::new();
//! let key = Key::from_raw("greeting")?;
//! store.set(&key, "hello".into(), SetOptions::ttl(Ttl::seconds(60))).await?;
//! assert_eq!(store.get(&key).await?.as_deref(), Some(&b"hello"[..]));
//! # Ok(()) }
//! ```

mod capability;
mod coalesce;
mod error;
mod ext;
mod facts;
mod layer;
mod memory;
mod observer;
mod options;
mod publisher;
#[cfg(feature = "redis")]
mod redis;
mod script;
mod store;
mod subscription;
mod tasks;
#[cfg(feature = "tracing")]
mod tracing_observer;
mod wakeup;

pub use self::{
    capability::Capabilities,
    coalesce::{CoalescedCall, Coalescer, CoalescerOptions},
    error::{Error, ErrorKind, Result},
    ext::StoreExt,
    facts::ServerFacts,
    layer::{
        CircuitBreaker, CircuitOptions, Fault, FaultId, FaultPlan, FaultRule, Faults, LayerExt,
        Namespaced, Observed, Retry, RetryOptions, Timeout, TimeoutOptions,
    },
    memory::{MemoryStore, MemoryStoreBuilder},
    observer::{
        CacheReads, CallOutcome, CircuitState, ConnectionState, Event, Observer, Observers,
        WritesDrained,
    },
    options::{
        Condition, Entry, Expiration, ExpireChange, Increment, KeyExpiry, ScanCursor, ScanPage,
        ScanRequest, SetItem, SetOptions,
    },
    publisher::{GivenUp, Outgoing, Publisher},
    script::{
        Commands, Deviation, MAX_DRIFT_MS, Mend, NumberBody, Reply, ScoreRange, Script, ScriptBody,
        ScriptCall, ScriptEffect, ScriptMend, ScriptPlan, Transaction, ZAddCondition, sha1hex,
    },
    store::Store,
    subscription::{Gap, PubSubItem, SubscribeRequest, Subscription},
    tasks::{StopSignal, Tasks, TasksReport},
    wakeup::{Wakeup, Woken},
};

#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, RedisStoreBuilder, Topology};
#[cfg(feature = "mock")]
pub use self::store::MockStore;
#[cfg(feature = "tracing")]
pub use self::tracing_observer::TracingObserver;
