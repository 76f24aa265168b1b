//! What every store must do, as short async functions with one behaviour each.
//!
//! The cases run on the memory store, on real servers and on every layer around a store, and are the contract
//! of [`Store`](cachekit_store::Store) in a form that can fail. They know a store only through the trait;
//! what the trait cannot do (a value of another type, a second connection) is the [`Subject`]'s part.
//!
//! - Each case has a [namespace of its own](TestSpace), chosen at random and cleaned up afterwards, so that
//!   runs can share a server with each other and with foreign keys.
//! - Cases pass time with tokio's `sleep`. On the memory store they run under paused time, where that costs
//!   nothing; on a server they need real time, and the waits are short. Remaining lifetimes are compared
//!   within a tolerance for the same reason.
//! - Nothing is skipped silently: a case depends on nothing but the store's
//!   [`Capabilities`](cachekit_store::Capabilities), and the absence of a capability has cases as well.

mod batches;
mod case;
mod commands;
mod conditions;
mod counters;
mod expiry;
mod fixture;
mod lifecycle;
mod limits;
mod pubsub;
mod scan;
mod script_hashes;
mod script_keys;
mod script_runs;
mod script_sorted_sets;
mod script_strings;
mod scripts;
mod space;
mod strings;
mod subject;
mod types;

pub use self::{
    case::{Case, cases, run},
    space::TestSpace,
    subject::{MemorySubject, RedisSubject, Subject},
};
