//! Warming by keys and a loader.

use std::{collections::VecDeque, error::Error as StdError, pin::pin, sync::Arc};

use cachekit_keys::KeyFamily;
use cachekit_store::{Error, ErrorKind, Result};
use futures_core::Stream;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    WarmOptions, WarmProgress, WarmReport,
    pace::Pace,
    progress::{Outcome, Run},
};
use crate::{
    Cache, Cached, Loaded, Origin,
    access::{Found, Look},
};

/// A key that is to be loaded.
struct Missing<K, V> {
    place: u64,
    key: K,
    look: Look<V>,
}

impl<K, V> Cache<K, V>
where
    K: KeyFamily,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Loads the keys of a stream that are not there, or no longer fresh, before anybody asks for them.
    ///
    /// Keys are looked at in batches, as they come. Each load is one of [`get_or_load`](Self::get_or_load): it runs once in the
    /// fleet, and does not bring back what is invalidated meanwhile. A key whose load fails is counted; where the store is away
    /// all are, and the origin is left alone.
    ///
    /// # Cancel safety
    /// A dropped call begins no more loads. Those that run go on, and store their values.
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
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain()).build()?;
    /// let keys = [ProjectId::new("proj456")?, ProjectId::new("proj457")?].map(ProjectKey::file_tree);
    /// cache.set(&keys[0], &"known".to_owned()).await?;
    ///
    /// let report = cache
    ///     .warm(each(keys.clone()), |key: ProjectKey| async move { Ok::<_, std::io::Error>(format!("{key:?}")) })
    ///     .await;
    /// assert_eq!((report.progress.stored, report.progress.skipped), (1, 1));
    /// assert!(report.completed && cache.get(&keys[1]).await?.is_some());
    /// # Ok(()) }
    /// ```
    pub async fn warm<F, Fut, T, E>(&self, keys: impl Stream<Item = K>, loader: F) -> WarmReport
    where
        K: Send + 'static,
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.warm_with(keys, &WarmOptions::new(), loader, |_| {})
            .await
    }

    /// [`warm`](Self::warm) with options, telling `progress` after each key.
    ///
    /// # Cancel safety
    /// As [`warm`](Self::warm). The last position that was told is where to start again.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::{WarmOptions, each};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u64>::builder(store, KeySchema::plain()).build()?;
    /// let keys = (0..20).map(|n| ProjectKey::file_tree(ProjectId::new(format!("p{n}")).unwrap()));
    /// let polite = WarmOptions::new().with_loads_per_second(10); // this takes two seconds
    /// let mut last = 0;
    /// let report = cache
    ///     .warm_with(each(keys), &polite, |_| async { Ok::<_, std::io::Error>(7) }, |progress| {
    ///         last = progress.position; // or a step of a progress bar: progress.done() of 20
    ///     })
    ///     .await;
    /// assert_eq!((report.progress.done(), last), (20, 20));
    /// # Ok(()) }
    /// ```
    pub async fn warm_with<F, Fut, T, E>(
        &self,
        keys: impl Stream<Item = K>,
        options: &WarmOptions,
        loader: F,
        progress: impl FnMut(&WarmProgress),
    ) -> WarmReport
    where
        K: Send + 'static,
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let first = usize::try_from(options.start).unwrap_or(usize::MAX);
        let mut batches = pin!(keys.skip(first).ready_chunks(options.batch));
        let (mut run, mut pace) = (
            Run::new(options, progress),
            Pace::new(options.loads_per_second),
        );
        let (loader, load_options) = (Arc::new(loader), options.load());
        let (mut missing, mut loads) = (VecDeque::new(), FuturesUnordered::new());
        let mut at_the_end = false;
        loop {
            // The loads run on tasks. This begins those that were added, and notes those that have ended.
            while let Some(Some((place, outcome))) = loads.next().now_or_never() {
                run.note(place, outcome);
                run.tell();
            }
            if run.is_stopped() {
                break;
            }
            let has_room = loads.len() < options.loads_at_once();
            if has_room && missing.is_empty() && !at_the_end {
                match batches.next().await {
                    Some(batch) => self.sift(batch, &mut run, &mut missing).await,
                    None => at_the_end = true,
                }
            } else if has_room && let Some(Missing { place, key, look }) = missing.pop_front() {
                pace.wait().await;
                let loader = Arc::clone(&loader);
                let load_options = &load_options;
                loads.push(async move {
                    let load = self.warm_one(key, look, load_options, loader);
                    (place, load.await)
                });
            } else if let Some((place, outcome)) = loads.next().await {
                run.note(place, outcome);
                run.tell();
            } else {
                break;
            }
        }
        // They go on in any case.
        while let Some((place, outcome)) = loads.next().await {
            run.note(place, outcome);
            run.tell();
        }
        run.end(at_the_end && missing.is_empty())
    }

    /// Looks at keys in one round trip, and keeps those that are to be loaded.
    async fn sift<P: FnMut(&WarmProgress)>(
        &self,
        batch: Vec<K>,
        run: &mut Run<P>,
        missing: &mut VecDeque<Missing<K, V>>,
    ) {
        let stored = self.keys(&batch);
        let looks = self
            .engine
            .look_many(&stored, &crate::LoadOptions::new())
            .await;
        for (key, look) in batch.into_iter().zip(looks) {
            let place = run.take(1);
            match look {
                Err(error) => run.note(place, Outcome::Failed(error)),
                Ok(look) if is_warm(&look.found) => run.note(place, Outcome::Skipped),
                Ok(look) => {
                    // What is stale is replaced, and answers nobody here.
                    let found = Found::Nothing;
                    let look = Look { found, ..look };
                    missing.push_back(Missing { place, key, look });
                    continue;
                }
            }
            run.tell();
        }
    }

    async fn warm_one<F, Fut, T, E>(
        &self,
        key: K,
        look: Look<V>,
        options: &crate::LoadOptions,
        loader: Arc<F>,
    ) -> Outcome
    where
        K: Send + 'static,
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let place = self.place(&key);
        let request = self.tags_of(&key, &options.tags).and_then(|tags| {
            let load = move |_| async move { loader(key).await };
            self.request_at(place, tags, options, load)
        });
        let request = match request {
            Ok(request) => request,
            Err(error) => return Outcome::Failed(error),
        };
        let engine = Arc::clone(&self.engine);
        match engine
            .load(self.tasks.clone(), request, Ok(look), None)
            .await
        {
            Ok(cached) => outcome(&cached),
            Err(error) => Outcome::Failed(error),
        }
    }
}

/// Whether there is nothing to be done: the entry is fresh, or another deployment's.
fn is_warm<V>(found: &Found<V>) -> bool {
    match found {
        Found::Fresh(_) => true,
        Found::Unreadable(error) => error.kind() == ErrorKind::Newer,
        Found::Stale(_) | Found::Nothing => false,
    }
}

fn outcome<V>(cached: &Cached<V>) -> Outcome {
    match cached.origin {
        Origin::Loaded => Outcome::Stored,
        Origin::Fresh => Outcome::Skipped,
        Origin::Stale | Origin::Uncached => {
            let error = Error::new(ErrorKind::LoadFailed, "warm");
            Outcome::Failed(error.with_detail("what was loaded could not be stored"))
        }
    }
}
