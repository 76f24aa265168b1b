//! Announcements of invalidations: what was cleared, told to whoever keeps copies of cached values.
//!
//! They go to the channel `system:cache_invalidation` as events in the common
//! [`Envelope`](cachekit_codec::Envelope), which programs in any language read. An invalidation deletes first and announces
//! then, so that a listener who looks again finds nothing old. It has taken place when its call returns, whatever becomes of
//! its announcement: nobody waits for that, and its failure fails nothing else.

mod announcer;
mod message;
mod queue;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use self::announcer::Telling;
pub use self::{
    announcer::{Announce, Announced, Announcer},
    message::{CacheInvalidated, Cleared},
    stream::{Announcement, Announcements},
};
