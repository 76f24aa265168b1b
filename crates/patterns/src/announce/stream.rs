//! Listening to announcements.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use cachekit_store::{Error, Gap, PubSubItem, Subscription};
use futures_core::Stream;

use super::CacheInvalidated;

/// What a listener hears.
///
/// # Examples
/// See [`Announcements`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Announcement {
    /// Something was invalidated.
    Invalidated(CacheInvalidated),
    /// Announcements may have been missed: whatever the listener holds may be old. The first item of each stream, after
    /// which nothing is missing until the next gap.
    Gap(Gap),
    /// Something was announced that cannot be read: take it as a gap.
    Unreadable(Error),
}

/// The stream of announcements, from [`Invalidation::announcements`](crate::Invalidation::announcements). Dropping it ends the
/// subscription.
///
/// It ends when the store is closed, or withdraws the permission to listen.
///
/// # Examples
/// A cache of one's own in front of the kit's:
/// ```
/// use std::{collections::HashMap, sync::Arc};
///
/// use cachekit_keys::{Key, KeySchema};
/// use cachekit_patterns::{Announcement, Cleared, Invalidation};
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
/// let mut near: HashMap<Key, String> = HashMap::new();
/// let mut heard = invalidation.announcements().await?;
/// while let Some(announcement) = heard.next().await {
///     match announcement {
///         Announcement::Invalidated(event) => match event.cleared {
///             Cleared::Keys(keys) => keys.iter().for_each(|key| drop(near.remove(key))),
///             Cleared::Pattern(pattern) => near.retain(|key, _| !pattern.matches(key.as_bytes())),
///             _ => near.clear(), // cruder than need be, and safe
///         },
///         _ => near.clear(), // something may have been missed
///     }
/// #   break;
/// }
/// # Ok(()) }
/// ```
#[must_use = "dropping it ends the subscription"]
pub struct Announcements {
    subscription: Subscription,
}

impl Announcements {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription }
    }

    /// The next item; `None` when the stream has ended.
    ///
    /// # Cancel safety
    /// A dropped call takes no item.
    ///
    /// # Examples
    /// See [`Announcements`].
    pub async fn next(&mut self) -> Option<Announcement> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Announcements {
    type Item = Announcement;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Announcement>> {
        let polled = Pin::new(&mut self.subscription).poll_next(cx);
        polled.map(|item| {
            item.map(|item| match item {
                PubSubItem::Message { payload, .. } => {
                    match CacheInvalidated::from_json(&payload) {
                        Ok(event) => Announcement::Invalidated(event),
                        Err(error) => Announcement::Unreadable(error),
                    }
                }
                PubSubItem::Gap(gap) => Announcement::Gap(gap),
                // Of a kind that came later: nothing can be said of what it means.
                _ => Announcement::Gap(Gap::Reconnected),
            })
        })
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements").finish_non_exhaustive()
    }
}
