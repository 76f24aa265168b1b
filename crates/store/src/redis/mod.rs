//! The store on a Redis or Valkey server.
//!
//! This is the only module that names the `redis` crate: everything it returns is translated into
//! this crate's own types, so that the client library can change without a change for users.
//!
//! One multiplexed RESP3 connection serves all callers of a store. [`link`] keeps it alive,
//! [`request`] sends with a deadline, [`error`] and [`reply`] translate what comes back, and
//! [`store`] speaks the commands. A second connection serves all subscriptions: see [`hub`].

mod builder;
mod commands;
mod error;
mod hub;
mod inflight;
mod info;
mod link;
mod reply;
mod request;
mod scripts;
mod store;
#[cfg(test)]
mod tests;

pub use self::{builder::RedisStoreBuilder, store::RedisStore};
