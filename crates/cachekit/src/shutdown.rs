//! What is left when a kit ends.

/// What [`CacheKit::shutdown`](crate::CacheKit::shutdown) got done before its deadline.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use cachekit::CacheKit;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = CacheKit::memory().shutdown(Duration::from_secs(5)).await;
/// assert!(report.completed && report.cut_off_tasks.is_empty());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "what could not be ended in time is only said here"]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Everything ended before the deadline.
    pub completed: bool,
    /// The names of the tasks that still ran at the deadline and were cut off, oldest first.
    pub cut_off_tasks: Vec<String>,
    /// What was counted of hits and misses is in the fleet's numbers, or nothing was counted. Else it is lost with the process.
    pub hits_flushed: bool,
    /// The store had no call in flight any more, and has ended its connections. Else it takes no more calls, and its
    /// connections end with its last handle.
    pub store_closed: bool,
}
