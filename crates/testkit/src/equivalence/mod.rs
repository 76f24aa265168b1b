//! Model-based tests: the memory store and a real server carry out the same random operations, and must give the same
//! answers and leave the same state behind.
//!
//! This is what makes unit tests on the memory store worth something, and what holds the two bodies of a
//! [`Script`](cachekit_store::Script) together.
//!
//! - A [`Comparison`] has two [`Side`]s, and plays lists of [`Operation`]s on both, each list in a namespace of its own
//!   that is cleaned up afterwards. After each list everything that is left is compared as well.
//! - [`run`] makes the lists from a seed. Where the sides differ, the list is shrunk, and the [`Difference`] shows
//!   a test to paste: the operations as code, and both answers. [`Comparison::replay`] plays such operations.
//! - Scripts come in [families](ScriptFamily). The kit's [`Program`] reaches every method of
//!   [`Transaction`](cachekit_store::Transaction); a crate adds the scripts that it owns.
//!
//! # Time
//! The memory store's clock stands still but for what [`Operation::Outlive`] lets pass, while a server's runs. So
//! lifetimes are compared within the time that a list has taken, and drawn [so far apart](Draw::ttl) that no comparison
//! of two of them can depend on it. What is meant to expire does so inside one operation, which waits until it
//! certainly has. `now` of scripts is given by the test on both sides, and jumps in both directions.

mod answer;
mod blob;
mod check;
mod code;
mod comparison;
mod config;
mod difference;
mod draw;
mod dump;
mod execute;
mod family;
mod frozen;
mod generate;
mod list;
mod operation;
mod pool;
mod program;
mod report;
mod shrink;
mod side;
mod simplify;
#[cfg(test)]
mod tests;

pub use self::{
    answer::{Answer, Failure, Outcome},
    blob::Blob,
    check::check_family,
    code::ttl,
    comparison::Comparison,
    config::Config,
    difference::{Difference, Mismatch, Place},
    draw::Draw,
    family::ScriptFamily,
    operation::{Addition, Call, Ending, Operation, Write},
    program::Program,
    report::{Failed, Report, run},
    side::Side,
};
