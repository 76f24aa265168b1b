//! A store inside the process, with the semantics of a Redis server: for tests, and for services of one process.
//!
//! It is synchronous inside: the async methods of [`Store`](crate::Store) never wait. From the outside in:
//! `store` (the trait), `commands` (what each command does to a key), `eviction` and `budget` (bounded memory),
//! `keyspace` (shards and locks), `table` (hash table with an order that scans can follow), `entry`, `clock`.
//!
//! It is not durable, not shared between processes, and does not speak Lua.

mod budget;
mod builder;
mod clock;
mod commands;
mod entry;
mod eviction;
mod integer;
mod keyspace;
mod store;
mod table;

#[cfg(test)]
mod tests;

pub use self::{builder::MemoryStoreBuilder, store::MemoryStore};
