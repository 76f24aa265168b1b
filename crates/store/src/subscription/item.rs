//! What a listener is given: messages, and the places where some may be missing.

use std::fmt;

use bytes::Bytes;

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
    /// The listener was too slow for its [buffer](crate::SubscribeRequest::with_buffer).
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
