//! The store on a Redis or Valkey server.
//!
//! This is the only module that names the `redis` crate: everything it returns is translated into
//! this crate's own types, so that the client library can change without a change for users.
//!
//! One multiplexed RESP3 connection to each server serves all callers of a store. [`dial`] makes it, [`link`] keeps it
//! alive, [`request`] sends with a deadline, [`route`] finds the node of a cluster, [`error`] and [`reply`] translate what
//! comes back, [`backend`] hides whether there is one server or many, and [`store`] speaks the commands. A further
//! connection serves all subscriptions: see [`hub`].

mod address;
mod backend;
mod builder;
mod commands;
mod dial;
mod error;
mod hub;
mod inflight;
mod info;
mod link;
mod mend;
mod plan;
mod reply;
mod request;
mod route;
mod scripts;
mod store;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod topology;
mod url;

pub use self::{builder::RedisStoreBuilder, store::RedisStore, topology::Topology};
