//! Writing through the cache: to the database and to the cache, so that neither half leaves a lie behind.
//!
//! [`Cache::write_through`](crate::Cache::write_through) and [`delete_through`](crate::Cache::delete_through), on the handles of
//! the levels too, write the database by a function of the caller, the *persister*.
//!
//! # What happens
//! 1. The key is marked: the writer takes its lease, so that loads under way store nothing and new ones wait. The cached value is
//!    removed. (With [`WriteOrder::CacheFirst`] the new one is written instead, for a short time.)
//! 2. The persister runs, for at most [`ThroughOptions::timeout`].
//! 3. The value is stored if the mark is still the writer's. Whoever else wrote, removed or cleared in between has taken it; then the
//!    order in which the database saw the two is not known, and the cache is emptied, of the other's value too.
//!
//! So two writers of one key at the same time leave nothing in the cache or what the database has, and never the older value.
//!
//! # What the cache holds and what the caller is told
//! | what fails | the cache holds | the call ends with |
//! |---|---|---|
//! | marking | nothing, or what it held | the store's error; the database was not asked |
//! | the persister, by an error, a panic or its time-out | nothing: a load finds out | [`WriteFailed`](cachekit_store::ErrorKind::WriteFailed), with the persister's error as its source |
//! | the same, cache first | nothing, or what another wrote in between | the same |
//! | storing | nothing | [`Written::Uncached`] |
//! | storing, and then each attempt at removing for about a second | nothing, but for what a load finds that runs after the mark is over | [`Written::Behind`] |
//! | the writer's process, before the persister has ended | nothing; cache first, the new value for the time-out at most | |
//! | the same, after it | the same | |
//!
//! A persister whose time-out passes is dropped. What it has sent may still arrive at the database, and after a load has asked:
//! a database client should have a shorter time-out of its own.
//!
//! A store that runs no scripts has no leases: there the value is removed before and after.
//!
//! # Cancel safety
//! A write runs on the cache's tasks. A caller that goes away ends nothing, and a shutdown waits for it.

mod flow;
mod marks;
mod options;
mod outcome;
mod queued;
mod scripts;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    flow::{How, Persister, boxed, only, write},
    marks::Change,
    queued::write as write_queued,
};
pub use self::{
    options::{ThroughOptions, WriteOrder},
    outcome::{Persisted, Written},
};
