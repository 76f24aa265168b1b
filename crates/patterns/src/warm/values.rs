//! Warming with ready values.

use std::{pin::pin, time::Duration};

use cachekit_keys::KeyFamily;
use cachekit_store::{ErrorKind, Result};
use futures_core::Stream;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::sleep;

use super::{
    WarmOptions, WarmProgress, WarmReport,
    progress::{Outcome, Run},
};
use crate::{Cache, WriteOptions};

/// Before the attempts to write a batch again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

impl<K, V> Cache<K, V>
where
    K: KeyFamily,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Stores ready values, in batches and as fast as the store takes them. What is there already stays.
    ///
    /// Keys enter the indices of their owners and tags as with every write. A value that cannot be stored is counted, and the
    /// others of its batch are stored. A batch that found the store busy or away is written again, twice at most; what an earlier
    /// attempt had stored counts as skipped then.
    ///
    /// A value that was read from its origin before an invalidation, and comes after it, is stored: nothing can tell. Where
    /// the origin changes meanwhile, [`warm`](Self::warm) by keys.
    ///
    /// # Cancel safety
    /// A dropped call has stored some of the values.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::each;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u64>::builder(store, KeySchema::plain()).build()?;
    /// let values = (0..1_000).map(|n| (ProjectKey::file_tree(ProjectId::new(format!("p{n}")).unwrap()), n));
    /// let report = cache.warm_values(each(values)).await;
    /// assert_eq!(report.progress.stored, 1_000);
    /// # Ok(()) }
    /// ```
    pub async fn warm_values(&self, values: impl Stream<Item = (K, V)>) -> WarmReport {
        self.warm_values_with(values, &WarmOptions::new(), |_| {})
            .await
    }

    /// [`warm_values`](Self::warm_values) with options, telling `progress` after each batch.
    ///
    /// # Cancel safety
    /// As [`warm_values`](Self::warm_values). The last position that was told is where to start again.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{WarmOptions, each};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u64>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// cache.set(&key, &1).await?;
    /// let values = || each([(key.clone(), 2)]);
    ///
    /// let report = cache.warm_values(values()).await;
    /// assert_eq!((report.progress.skipped, cache.get(&key).await?), (1, Some(1)));
    /// let over = WarmOptions::new().overwriting();
    /// let report = cache.warm_values_with(values(), &over, |_| {}).await;
    /// assert_eq!((report.progress.stored, cache.get(&key).await?), (1, Some(2)));
    /// # Ok(()) }
    /// ```
    pub async fn warm_values_with(
        &self,
        values: impl Stream<Item = (K, V)>,
        options: &WarmOptions,
        progress: impl FnMut(&WarmProgress),
    ) -> WarmReport {
        let first = usize::try_from(options.start).unwrap_or(usize::MAX);
        let mut batches = pin!(values.skip(first).ready_chunks(options.batch));
        let write = options.write();
        let mut run = Run::new(options, progress);
        let mut writes = FuturesUnordered::new();
        let mut at_the_end = false;
        loop {
            if !at_the_end && !run.is_stopped() && writes.len() < options.batches_at_once() {
                match batches.next().await {
                    Some(batch) => {
                        let first = run.take(batch.len());
                        let write = &write;
                        writes.push(async move { (first, self.write_batch(batch, write).await) });
                    }
                    None => at_the_end = true,
                }
            } else if let Some((first, outcomes)) = writes.next().await {
                for (place, outcome) in (first..).zip(outcomes) {
                    run.note(place, outcome);
                }
                run.tell();
            } else {
                return run.end(at_the_end);
            }
        }
    }

    async fn write_batch(&self, batch: Vec<(K, V)>, options: &WriteOptions) -> Vec<Outcome> {
        match self.set_repeatedly(&batch, options).await {
            Ok(written) => written.into_iter().map(outcome).collect(),
            // Nothing was sent, for the sake of one value.
            Err(error) if is_one_values(error.kind()) => {
                let mut outcomes = Vec::with_capacity(batch.len());
                for (key, value) in &batch {
                    let written = self.set_with(key, value, options).await;
                    outcomes.push(written.map_or_else(Outcome::Failed, outcome));
                }
                outcomes
            }
            Err(error) => {
                let failed = |_: &(K, V)| Outcome::Failed(error.clone());
                batch.iter().map(failed).collect()
            }
        }
    }

    /// Writes a batch, and again where the store was busy or away: writing the same twice does no harm.
    async fn set_repeatedly(&self, batch: &[(K, V)], options: &WriteOptions) -> Result<Vec<bool>> {
        for pause in PAUSES {
            match self.set_many_with(batch, options).await {
                Err(error) if error.is_retryable() => sleep(pause).await,
                other => return other,
            }
        }
        self.set_many_with(batch, options).await
    }
}

fn is_one_values(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Encode | ErrorKind::TooLarge)
}

fn outcome(written: bool) -> Outcome {
    match written {
        true => Outcome::Stored,
        false => Outcome::Skipped,
    }
}
