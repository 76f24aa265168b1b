//! The scripts' two bodies on the memory store and on servers.

mod calls;
mod equivalence;
