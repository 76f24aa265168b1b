//! Where writes go in the end.

use std::{error::Error as StdError, fmt, sync::Arc};

use async_trait::async_trait;

use super::WriteItem;

/// Persists writes: a database, as a rule.
///
/// # Contract
/// - Results come in the order of the batch. Where there are fewer than items, or the call panics, or it takes longer than
///   [`sink_timeout`](super::WriteBehindBuilder::sink_timeout), the items without a result count as failed.
/// - Delivery is at least once: an item may come again although it was persisted, when the answer was lost or a worker was
///   frozen beyond its claim. A call that is *late* may even arrive behind a newer write of the same key, which no queue can
///   prevent. A sink that compares [`WriteToken::sequence`](super::WriteToken) with the highest one that it has persisted of the
///   key, in the transaction of the write, is right in each case.
/// - A batch holds a key once at most.
///
/// # Cancel safety
/// The future is dropped at the time-out, and with its worker: what it did by then stays.
///
/// # Examples
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use async_trait::async_trait;
/// use cachekit_keys::ProjectKey;
/// use cachekit_patterns::{Sink, SinkError, WriteItem, WriteOperation};
///
/// /// A table in memory that fences.
/// #[derive(Default)]
/// struct Table(Mutex<HashMap<String, (u64, Option<u32>)>>);
///
/// #[async_trait]
/// impl Sink<ProjectKey, u32> for Table {
///     async fn write(&self, batch: &[WriteItem<ProjectKey, u32>]) -> Vec<Result<(), SinkError>> {
///         let mut rows = self.0.lock().unwrap();
///         let results = batch.iter().map(|item| {
///             let row = rows.entry(item.token.key.to_string()).or_default();
///             if item.token.sequence > row.0 {
///                 *row = (item.token.sequence, item.value().copied());
///             }
///             Ok(())
///         });
///         results.collect()
///     }
/// }
/// ```
#[async_trait]
pub trait Sink<K, V>: Send + Sync + 'static {
    /// Persists a batch, never empty; answers for each item.
    async fn write(&self, batch: &[WriteItem<K, V>]) -> Vec<Result<(), SinkError>>;
}

#[async_trait]
impl<K: Send + Sync + 'static, V: Send + Sync + 'static, S: Sink<K, V> + ?Sized> Sink<K, V>
    for Arc<S>
{
    async fn write(&self, batch: &[WriteItem<K, V>]) -> Vec<Result<(), SinkError>> {
        (**self).write(batch).await
    }
}

/// Why a sink did not persist an item.
///
/// # Examples
/// ```
/// use cachekit_patterns::{SinkError, SinkErrorKind};
///
/// let error = SinkError::permanent("the row violates a constraint");
/// assert_eq!(error.kind(), SinkErrorKind::Permanent);
/// assert_eq!(error.to_string(), "the row violates a constraint");
/// ```
#[derive(Clone)]
pub struct SinkError {
    kind: SinkErrorKind,
    reason: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What becomes of an item that was not persisted.
///
/// # Examples
/// See [`SinkError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SinkErrorKind {
    /// It is tried again after a pause, and becomes a dead letter after so many attempts.
    Transient,
    /// Another attempt would fail alike: it becomes a dead letter at once.
    Permanent,
    /// The sink cannot be reached, which is not the item's fault: it is tried again, the attempt does not count, and the worker
    /// pauses.
    Unavailable,
}

impl SinkError {
    /// Another attempt may succeed.
    ///
    /// # Examples
    /// ```
    /// use cachekit_patterns::{SinkError, SinkErrorKind};
    /// assert_eq!(SinkError::transient("deadlock").kind(), SinkErrorKind::Transient);
    /// ```
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Transient, reason)
    }

    /// Another attempt would fail alike.
    ///
    /// # Examples
    /// See [`SinkError`].
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Permanent, reason)
    }

    /// The sink cannot be reached at present.
    ///
    /// # Examples
    /// ```
    /// use cachekit_patterns::{SinkError, SinkErrorKind};
    /// assert_eq!(SinkError::unavailable("no connection").kind(), SinkErrorKind::Unavailable);
    /// ```
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Unavailable, reason)
    }

    /// Adds what the database said, for logs of the sink's own: it is not kept with a dead letter.
    ///
    /// # Examples
    /// ```
    /// use std::error::Error;
    /// use cachekit_patterns::SinkError;
    ///
    /// let error = SinkError::transient("no answer").with_source(std::io::Error::other("reset"));
    /// assert!(error.source().is_some());
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What becomes of the item.
    ///
    /// # Examples
    /// See [`SinkError`].
    #[must_use]
    pub const fn kind(&self) -> SinkErrorKind {
        self.kind
    }

    fn new(kind: SinkErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            source: None,
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkError")
            .field("kind", &self.kind)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl StdError for SinkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
