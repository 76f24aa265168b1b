//! Reports of every call.

mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::time::Instant;

use super::call::Call;
use crate::{CallOutcome, Event, Observer, Observers, Result, Store};

/// Reports every call of a store to [`Observer`]s, as an [`Event::Call`]: what it was, how it ended, how long it took.
///
/// A call that is dropped before its end is reported as well, as [`CallOutcome::Dropped`]. `subscribe` ends when the
/// subscription stands; `close` counts as completed; `capabilities` is not reported, as it asks nobody. Without observers
/// the layer does nothing.
///
/// # Examples
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use cachekit_keys::Key;
/// use cachekit_store::{Event, MemoryStore, Observed, Observer, Observers, Store};
///
/// #[derive(Debug, Default)]
/// struct Asked(AtomicUsize);
///
/// impl Observer for Asked {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::Call { batch, .. } = event {
///             self.0.fetch_add(*batch, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let asked = Arc::new(Asked::default());
/// let store = Observed::new(Arc::new(MemoryStore::new()), Observers::none().with(asked.clone()));
/// store.get_many(&[Key::from_raw("a")?, Key::from_raw("b")?]).await?;
/// assert_eq!(asked.0.load(Ordering::Relaxed), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Observed {
    inner: Arc<dyn Store>,
    observers: Observers,
}

impl Observed {
    /// Reports the calls of a store.
    ///
    /// # Examples
    /// See [`Observed`].
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, observers: Observers) -> Self {
        Self { inner, observers }
    }

    async fn around<T, F>(&self, call: Call<'_>, attempt: impl FnOnce() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let Some(report) = self.begin(&call) else {
            return attempt().await;
        };
        let answer = attempt().await;
        report.end(match &answer {
            Ok(_) => CallOutcome::Completed,
            Err(error) => CallOutcome::Failed(error.kind()),
        });
        answer
    }

    /// A report of a call that begins now, where somebody listens.
    fn begin(&self, call: &Call<'_>) -> Option<Report<'_>> {
        (!self.observers.is_empty()).then(|| Report {
            observers: &self.observers,
            operation: call.operation,
            batch: call.batch(),
            outcome: CallOutcome::Dropped,
            started: Instant::now(),
        })
    }
}

/// Reports a call when it goes: as dropped, unless it was told of another end.
#[derive(Debug)]
struct Report<'a> {
    observers: &'a Observers,
    operation: &'static str,
    batch: usize,
    outcome: CallOutcome,
    started: Instant,
}

impl Report<'_> {
    fn end(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.observers.observe(&Event::Call {
            operation: self.operation,
            batch: self.batch,
            outcome: self.outcome,
            elapsed: self.started.elapsed(),
        });
    }
}
