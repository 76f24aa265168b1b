//! The stream of one subscription.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::item::PubSubItem;

/// A running subscription; dropping it unsubscribes.
///
/// It is a stream of [`PubSubItem`]s, of which the first is [`Gap::Subscribed`](crate::Gap::Subscribed). From the moment
/// that [`Store::subscribe`](crate::Store::subscribe) returned nothing is missing unless a gap says so: look at the state
/// that the messages are about *after* subscribing, and again after each gap.
///
/// The stream ends when the store is closed or its last handle dropped, after what was already received; and when the
/// server, after the connection had been lost, refuses what it had allowed before. [`Store::subscribe`] tells which.
///
/// [`Store::subscribe`]: crate::Store::subscribe
///
/// # Examples
/// ```
/// use cachekit_store::{Gap, MemoryStore, PubSubItem, Store, SubscribeRequest};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let channel = "system:health_check".into();
/// let mut subscription = store.subscribe(SubscribeRequest::channel("system:health_check")).await?;
/// store.publish(&channel, "up".into()).await?;
/// assert_eq!(subscription.next().await, Some(PubSubItem::Gap(Gap::Subscribed)));
/// assert!(matches!(subscription.next().await, Some(PubSubItem::Message { payload, .. }) if payload == "up"));
/// drop(subscription); // unsubscribes
/// assert_eq!(store.publish(&channel, "down".into()).await?, 0);
/// # Ok(()) }
/// ```
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    items: Pin<Box<dyn Stream<Item = PubSubItem> + Send>>,
}

impl Subscription {
    /// Wraps the stream of a store.
    ///
    /// # Examples
    /// ```
    /// use std::{pin::Pin, task::{Context, Poll}};
    /// use cachekit_store::{PubSubItem, Subscription};
    /// use futures_core::Stream;
    ///
    /// struct Silent;
    /// impl Stream for Silent {
    ///     type Item = PubSubItem;
    ///     fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<PubSubItem>> {
    ///         Poll::Ready(None)
    ///     }
    /// }
    /// let subscription = Subscription::new(Silent);
    /// # drop(subscription);
    /// ```
    pub fn new(items: impl Stream<Item = PubSubItem> + Send + 'static) -> Self {
        Self {
            items: Box::pin(items),
        }
    }

    /// The next item; `None` when the stream has ended.
    ///
    /// # Cancel safety
    /// A dropped call takes no item.
    ///
    /// # Examples
    /// See [`Subscription`].
    pub async fn next(&mut self) -> Option<PubSubItem> {
        poll_fn(|cx| self.items.as_mut().poll_next(cx)).await
    }
}

impl Stream for Subscription {
    type Item = PubSubItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
