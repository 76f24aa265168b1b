//! Filling a cache before anybody asks, and keeping it filled.
//!
//! - [`Cache::warm`](crate::Cache::warm) takes keys and a loader. Its loads are the loads of
//!   [`get_or_load`](crate::Cache::get_or_load): one in the fleet for each key, and none that brings back what was
//!   invalidated. What is there already is not loaded.
//! - [`Cache::warm_values`](crate::Cache::warm_values) takes ready values, and writes them in batches as fast as the store
//!   takes them.
//! - [`Cache::keep_warm`](crate::Cache::keep_warm) makes a worker that loads the keys which are asked for most before they
//!   expire, and after a flush.
//!
//! # Ready values and what is newer
//! A ready value was read from its origin some time ago, so that it can be older than what the cache holds, or than an
//! invalidation. What is there already therefore stays, unless [told otherwise](WarmOptions::overwriting). What was
//! invalidated after the value was read cannot be seen: where the origin changes meanwhile, warm by keys and a loader instead.

mod keep;
mod keys;
mod options;
mod pace;
mod progress;
#[cfg(test)]
mod tests;
mod values;

use futures_core::Stream;
use futures_util::stream;

pub use self::{
    keep::{HotKeySource, KeepWarm},
    options::WarmOptions,
    progress::{WarmProgress, WarmReport},
};

/// A stream of what an iterator yields, for [`Cache::warm`](crate::Cache::warm) and its kin.
///
/// # Examples
/// See [`Cache::warm`](crate::Cache::warm).
pub fn each<I>(items: I) -> impl Stream<Item = I::Item> + Send + use<I>
where
    I: IntoIterator<IntoIter: Send>,
{
    stream::iter(items)
}
