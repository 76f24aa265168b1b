//! Reads through the cache, as every handle makes them.

use std::{collections::HashMap, hash::Hash, slice, sync::Arc};

use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Result, Tasks};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use super::{
    BoxError, Engine, LoadOptions, Loaded, ManyLoader, Member, Request, Seen, Slot, is_away,
};
use crate::{
    CacheCounts, Cached, Origin,
    access::{Found, Look},
};

/// How many keys of a call of many are loaded by themselves at once, because they have to be looked at again.
const SINGLES: usize = 8;

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Reads one key, and loads what is missing. The request is made only where there is something to load.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        tasks: &Tasks,
        key: &Key,
        options: &LoadOptions,
        request: impl FnOnce() -> Result<Request<V>>,
    ) -> Result<Cached<V>> {
        let look = self.look(key, options).await;
        self.access.note_reads(slice::from_ref(key), counts(&look));
        let look = match look {
            Ok(look) => match look.found {
                Found::Fresh(hit) => {
                    if self.is_due(&hit, options) {
                        let seen = Seen::of_hit(look.bytes.as_ref(), look.expires_in, &hit);
                        self.refresh(tasks, request()?, seen);
                    }
                    return Ok(hit.cached(Origin::Fresh));
                }
                found => Ok(Look { found, ..look }),
            },
            Err(error) => Err(error),
        };
        let request = request()?;
        // Boxed, so that a hit does not carry the size of what only a miss needs.
        let load = Arc::clone(self).load(tasks.clone(), request, look, None);
        Box::pin(load).await
    }

    /// Reads many keys, and loads what is missing, together. A request is made of the place of a key, and of a loader of it
    /// alone.
    pub(crate) async fn fetch_many(
        self: &Arc<Self>,
        tasks: &Tasks,
        keys: &[Key],
        options: &LoadOptions,
        loader: ManyLoader<V>,
        request: impl Fn(usize, Slot<V>) -> Result<Request<V>>,
    ) -> Result<Vec<Result<Cached<V>>>> {
        let looks = self.look_many(keys, options).await;
        let turns = Arc::new(Semaphore::new(SINGLES));
        let (mut answers, mut missing) = (Vec::with_capacity(keys.len()), Vec::new());
        let mut due = Vec::new();
        let mut total = CacheCounts::default();
        for (index, look) in looks.into_iter().enumerate() {
            total += counts(&look);
            let request = || request(index, single(index, &loader, &turns));
            let look = match look {
                Ok(look) => match look.found {
                    Found::Fresh(hit) => {
                        if self.is_due(&hit, options) {
                            let seen = Seen::of_hit(look.bytes.as_ref(), look.expires_in, &hit);
                            due.push((index, request()?, seen));
                        }
                        answers.push(Some(Ok(hit.cached(Origin::Fresh))));
                        continue;
                    }
                    found => Ok(Look { found, ..look }),
                },
                Err(error) => Err(error),
            };
            answers.push(None);
            missing.push(Member::new(index, request()?, look));
        }
        self.access.note_reads(keys, total);
        self.refresh_many(tasks, due, Arc::clone(&loader));
        let load = Arc::clone(self).load_many(tasks.clone(), missing, loader);
        for (index, answer) in Box::pin(load).await {
            answers[index] = Some(answer);
        }
        let unexpected = || Err(Error::new(ErrorKind::Unexpected, "load"));
        let answers = answers.into_iter();
        Ok(answers
            .map(|answer| answer.unwrap_or_else(unexpected))
            .collect())
    }
}

/// One request that found this.
fn counts<V>(look: &Result<Look<V>>) -> CacheCounts {
    match look {
        Ok(look) => look.found.counts(),
        Err(error) if is_away(error) => CacheCounts {
            misses: 1,
            ..CacheCounts::default()
        },
        Err(_) => CacheCounts::default(),
    }
}

/// A loader of many keys as a loader of many places among them: one answer for each place, in their order.
pub(crate) fn many_loader<K, V, F, Fut, T, E>(keys: Vec<K>, loader: F) -> ManyLoader<V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, T>, E>> + Send + 'static,
    T: Into<Loaded<V>>,
    E: Into<BoxError>,
{
    Arc::new(move |places: Vec<usize>| {
        let wanted: Vec<K> = places.iter().map(|&place| keys[place].clone()).collect();
        let loading = loader(wanted.clone());
        Box::pin(async move {
            let mut found = loading.await.map_err(Into::into)?;
            let answers = wanted.iter().map(|key| found.remove(key));
            Ok(answers
                .map(|answer| answer.map_or_else(Loaded::negative, Into::into))
                .collect())
        })
    })
}

/// The same loader for one of the keys.
fn single<V: Send + 'static>(
    place: usize,
    loader: &ManyLoader<V>,
    turns: &Arc<Semaphore>,
) -> Slot<V> {
    let (loader, turns) = (Arc::clone(loader), Arc::clone(turns));
    Slot::new(move |_| async move {
        let _turn = turns.acquire().await;
        let answers = loader(vec![place]).await?;
        let answer = answers.into_iter().next();
        Ok::<_, BoxError>(answer.unwrap_or_else(Loaded::negative))
    })
}
