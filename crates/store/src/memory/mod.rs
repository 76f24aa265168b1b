//! A store inside the process, with the semantics of a Redis server: for tests, and for services of one process.
//!
//! It is synchronous inside: the async methods of [`Store`](crate::Store) never wait. From the outside in: `store` (the
//! trait), `scripts` (batches of runs) and `transaction` (what a script's body works with), `commands` (single ones),
//! `access` (what a command does to a key under its lock), `eviction` and `budget` (bounded memory), `keyspace` (shards
//! and locks), `locked` (the locks of one run), `table` (hash table with an order that scans can follow), `entry`,
//! `value` (strings, hashes, sorted sets), `clock`.
//!
//! It is not durable, not shared between processes, and does not speak Lua: it runs the Rust bodies of scripts.

mod access;
mod budget;
mod builder;
mod clock;
mod commands;
mod entry;
mod eviction;
mod integer;
mod keyspace;
mod locked;
mod scripts;
mod store;
mod table;
mod transaction;
mod value;

#[cfg(test)]
mod tests;

pub use self::{builder::MemoryStoreBuilder, store::MemoryStore};
