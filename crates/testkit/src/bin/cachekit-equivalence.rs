//! Compares the memory store with a server for as long as one likes: `cargo xtask equivalence`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is its interface"
)]

fn main() {}
