//! What to listen to.

use bytes::Bytes;

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
    /// Bytes of the messages that wait for the listener at most; see [`with_buffer_bytes`](Self::with_buffer_bytes).
    pub buffer_bytes: usize,
}

impl SubscribeRequest {
    /// Messages that wait for a listener unless [told otherwise](Self::with_buffer).
    pub const DEFAULT_BUFFER: usize = 1_024;
    /// The largest buffer; a larger number counts as this one.
    pub const MAX_BUFFER: usize = 1 << 20;
    /// Bytes of waiting messages unless [told otherwise](Self::with_buffer_bytes): 16 MiB.
    pub const DEFAULT_BUFFER_BYTES: usize = 16 << 20;

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
            buffer_bytes: Self::DEFAULT_BUFFER_BYTES,
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
            buffer_bytes: Self::DEFAULT_BUFFER_BYTES,
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
    /// When it is full the oldest message goes, and the listener is told by a [`Gap::Overflow`](crate::Gap::Overflow) in its place. Count on
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

    /// How many bytes the messages may have together that wait for a slow listener, names of channels included; 16 MiB by
    /// default.
    ///
    /// When there are more, the oldest messages go, as with [`with_buffer`](Self::with_buffer), whichever limit is reached
    /// first. The latest message is kept whatever its size: a listener costs no more than this and one message.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::SubscribeRequest;
    ///
    /// let small = SubscribeRequest::channel("system:health_check").with_buffer_bytes(64 << 10);
    /// assert_eq!(small.buffer_bytes, 65_536);
    /// ```
    #[must_use]
    pub fn with_buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }
}
