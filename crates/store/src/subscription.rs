//! Messages of a store's publish/subscribe channels.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

/// Channels and glob patterns to listen to.
///
/// # Examples
/// ```
/// use cachekit_store::SubscribeRequest;
///
/// assert_eq!(SubscribeRequest::channel("system:health_check").channels.len(), 1);
/// assert_eq!(SubscribeRequest::pattern("events:*").patterns.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeRequest {
    /// Exact channel names.
    pub channels: Vec<Bytes>,
    /// Glob patterns over channel names.
    pub patterns: Vec<Bytes>,
}

impl SubscribeRequest {
    /// Listens to one channel.
    ///
    /// # Examples
    /// See [`SubscribeRequest`].
    #[must_use]
    pub fn channel(name: impl Into<Bytes>) -> Self {
        Self {
            channels: vec![name.into()],
            patterns: Vec::new(),
        }
    }

    /// Listens to all channels whose names match a glob pattern.
    ///
    /// # Examples
    /// See [`SubscribeRequest`].
    #[must_use]
    pub fn pattern(pattern: impl Into<Bytes>) -> Self {
        Self {
            channels: Vec::new(),
            patterns: vec![pattern.into()],
        }
    }
}

/// What a subscription yields.
///
/// # Examples
/// ```
/// use cachekit_store::PubSubItem;
///
/// fn must_start_over(item: &PubSubItem) -> bool {
///     matches!(item, PubSubItem::Gap)
/// }
/// assert!(must_start_over(&PubSubItem::Gap));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PubSubItem {
    /// A published message.
    Message {
        /// The channel it was published on.
        channel: Bytes,
        /// What was published.
        payload: Bytes,
    },
    /// Messages may have been missed before this point: the subscription has just been (re)established, or
    /// its buffer overflowed. A listener that keeps derived state starts over from the source.
    Gap,
}

impl fmt::Debug for PubSubItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { channel, payload } => f
                .debug_struct("Message")
                .field("channel", &String::from_utf8_lossy(channel))
                .field("payload_len", &payload.len())
                .finish(),
            Self::Gap => f.write_str("Gap"),
        }
    }
}

/// A running subscription; dropping it unsubscribes.
///
/// # Examples
/// ```
/// use cachekit_store::{MemoryStore, Store, SubscribeRequest};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// if store.capabilities().pubsub {
///     let subscription = store.subscribe(SubscribeRequest::channel("system:health_check")).await?;
///     drop(subscription); // unsubscribes
/// }
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
