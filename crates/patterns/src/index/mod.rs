//! Indices: which keys an owner has and which carry a tag, so that clearing them costs what they are and not what the
//! keyspace is.
//!
//! # What is kept
//! The index of a [`Root`](cachekit_keys::Root) is a sorted set beside it, `ck:index:...` or `ck:tag:...`. It lists at
//! least the root's keys that were written through this crate and have not expired; the scripts say with which scores, and
//! for how long. A member without a value (the key was removed, or a write never reached its value) is harmless: it goes
//! with the next clearing, or when it is over.
//!
//! # The order of steps
//! Where a script can reach both, a value and its members are written, and deleted, in one atomic run. On a cluster an index
//! may lie in another slot than the value. Then:
//!
//! - a **write** enters the key, writes the value, and enters the key once more;
//! - a **clearing** reads the members, deletes the values, and takes out the members whose scores are as it read them.
//!
//! So a value never stands without a member, however the two interleave. A clearing that took the first entry out did so
//! before the second one was made. One that comes upon the second entry deletes the value behind it, and one that read only the
//! first finds the score changed and leaves the member. The first entry is for a writer that dies on the way: only
//! a clearing that passes it in that very moment leaves a value which no index lists, for the rest of its lifetime.

mod clear;
mod plan;
mod reply;
mod scripts;
#[cfg(test)]
mod tests;
mod together;
mod write;

pub(crate) use self::{
    clear::clear,
    plan::{Indices, Notes},
    reply::{integer, run, unexpected},
    scripts::{
        Entering, argument, enter, halves, life, number as parsed_number, parsed, wrong_arguments,
    },
    together::Writes,
    write::{BATCH, Place, Write, Writer, check_count, number, tag_roots, trim, trim_of},
};
