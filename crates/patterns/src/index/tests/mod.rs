//! The scripts' two bodies on the memory store and on servers.

mod equivalence;
mod plan;
mod together;
