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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeRequest {
    /// Exact channel names.
    pub channels: Vec<Bytes>,
    /// Glob patterns over channel names.
    pub patterns: Vec<Bytes>,
    /// Messages that wait for the listener at most; see [`with_buffer`](Self::with_buffer).
    pub buffer: usize,
}

impl SubscribeRequest {
    /// Messages that wait for a listener unless [told otherwise](Self::with_buffer).
    pub const DEFAULT_BUFFER: usize = 1_024;
    /// The largest buffer; a larger number counts as this one.
    pub const MAX_BUFFER: usize = 1 << 20;

    /// Listens to one channel.
    ///
    /// # Examples
    /// See [`SubscribeRequest`].
    #[must_use]
    pub fn channel(name: impl Into<Bytes>) -> Self {
        Self {
            channels: vec![name.into()],
            patterns: Vec::new(),
            buffer: Self::DEFAULT_BUFFER,
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
            buffer: Self::DEFAULT_BUFFER,
        }
    }

    /// Listens to another channel as well, in the same subscription.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::SubscribeRequest;
    ///
    /// let request = SubscribeRequest::channel("notifications:admin").with_channel("notifications:alerts");
    /// assert_eq!(request.channels.len(), 2);
    /// ```
    #[must_use]
    pub fn with_channel(mut self, name: impl Into<Bytes>) -> Self {
        self.channels.push(name.into());
        self
    }

    /// Listens to another glob pattern as well, in the same subscription. A message that matches several of a
    /// subscription's channels and patterns comes once.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::SubscribeRequest;
    ///
    /// let request = SubscribeRequest::channel("system:health_check").with_pattern("events:*");
    /// assert_eq!(request.patterns.len(), 1);
    /// ```
    #[must_use]
    pub fn with_pattern(mut self, pattern: impl Into<Bytes>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// How many messages may wait for a slow listener; 1 024 by default, from 1 to [`MAX_BUFFER`](Self::MAX_BUFFER).
    ///
    /// When it is full the oldest message goes, and the listener is told by a [`Gap::Overflow`] in its place. Count on
    /// the largest burst that comes while the listener is busy with one message.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::SubscribeRequest;
    ///
    /// let latest_only = SubscribeRequest::channel("system:health_check").with_buffer(1);
    /// assert_eq!(latest_only.buffer, 1);
    /// ```
    #[must_use]
    pub fn with_buffer(mut self, messages: usize) -> Self {
        self.buffer = messages.clamp(1, Self::MAX_BUFFER);
        self
    }
}

/// What a subscription yields.
///
/// # Examples
/// ```
/// use cachekit_store::{Gap, PubSubItem};
///
/// fn must_start_over(item: &PubSubItem) -> bool {
///     matches!(item, PubSubItem::Gap(_))
/// }
/// assert!(must_start_over(&PubSubItem::Gap(Gap::Overflow { dropped: 3 })));
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
    /// Messages may have been missed before this point. A listener that keeps derived state starts over from the source.
    Gap(Gap),
}

/// Why messages may have been missed.
///
/// # Examples
/// See [`PubSubItem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The subscription begins here: the first item of each.
    Subscribed,
    /// The connection was lost and has come back; the server forwards nothing to those who are away.
    Reconnected,
    /// The listener was too slow for its [buffer](SubscribeRequest::with_buffer).
    Overflow {
        /// Messages dropped since the last item.
        dropped: u64,
    },
}

impl fmt::Debug for PubSubItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { channel, payload } => f
                .debug_struct("Message")
                .field("channel", &String::from_utf8_lossy(channel))
                .field("payload_len", &payload.len())
                .finish(),
            Self::Gap(gap) => f.debug_tuple("Gap").field(gap).finish(),
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
