//! Writing through the cache, on the memory store and against servers.

mod equivalence;
mod outcomes;
mod queued;
mod races;
mod support;
