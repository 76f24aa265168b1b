//! The harness itself: repeatable lists that reach everything, shrinking, and stores with mistakes that it must find.

mod code;
mod generator;
mod shrinking;
mod wrong;

use cachekit_store::MemoryStore;

use super::{Comparison, Side};

/// Memory stores on both sides: what is tested here needs no server.
fn memory_with_itself() -> Comparison {
    Comparison::new(memory(), memory())
}

fn memory() -> Side {
    Side::memory(MemoryStore::new)
}
