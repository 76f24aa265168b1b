//! One caller's wish: a key, options, and a loader that runs at most once.

use std::{error::Error as StdError, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use cachekit_keys::{Key, Root, Roots};
use cachekit_store::{Error, ErrorKind, Result};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;

use super::{LoadContext, LoadOptions, Loaded, Policy};
use crate::index::Place;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A loader of any type.
type Loader<V> =
    Box<dyn FnOnce(LoadContext<V>) -> BoxFuture<'static, Result<Loaded<V>, BoxError>> + Send>;

/// A loader that is still there unless a flight has taken it.
pub(crate) struct Slot<V>(Arc<Mutex<Option<Loader<V>>>>);

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: Send + 'static> Slot<V> {
    pub(crate) fn new<F, Fut, T, E>(loader: F) -> Self
    where
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<BoxError>,
    {
        let loader: Loader<V> = Box::new(move |context| {
            // The call itself belongs to the future, so that a panic of it is caught there.
            Box::pin(async move { loader(context).await.map(Into::into).map_err(Into::into) })
        });
        Self(Arc::new(Mutex::new(Some(loader))))
    }

    /// Runs the loader, for at most so long.
    ///
    /// # Errors
    /// `LoadFailed` for whatever else than an answer it ends with.
    pub(super) async fn run(&self, context: LoadContext<V>, limit: Duration) -> Result<Loaded<V>> {
        let key = context.key().clone();
        let loader = self.0.lock().take();
        let Some(loader) = loader else {
            let error = Error::new(ErrorKind::LoadFailed, "load").with_key(&key);
            return Err(error.with_detail("the loader has run before"));
        };
        let answer = guarded(async move { loader(context).await }, limit).await;
        let answer = answer.and_then(Loaded::into_result);
        answer.map_err(|error| error.with_key(&key))
    }
}

/// Runs a loader's future for at most so long, and survives its panic.
pub(super) async fn guarded<T>(
    loading: impl Future<Output = Result<T, BoxError>>,
    limit: Duration,
) -> Result<T> {
    let failed = || Error::new(ErrorKind::LoadFailed, "load");
    let loading = AssertUnwindSafe(loading).catch_unwind();
    match tokio::time::timeout(limit, loading).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(failed().with_boxed_source(error)),
        Ok(Err(_)) => Err(failed().with_detail("the loader panicked")),
        Err(_) => {
            let detail = format!("it took longer than the hard time-out of {limit:?}");
            Err(failed().with_detail(detail))
        }
    }
}

/// What a caller wants, as far as a flight needs to know.
pub(crate) struct Request<V> {
    pub(crate) key: Key,
    pub(crate) roots: Roots,
    pub(crate) tags: Vec<Root>,
    pub(crate) hard_timeout: Duration,
    pub(crate) options: LoadOptions,
    pub(crate) loader: Slot<V>,
}

impl<V> Request<V> {
    /// With the roots of all tags, and what the cache says where the options do not.
    pub(crate) fn new(
        (key, roots): Place,
        tags: Vec<Root>,
        options: &LoadOptions,
        policy: &Policy,
        loader: Slot<V>,
    ) -> Self {
        Self {
            key,
            roots,
            tags,
            hard_timeout: options.hard_timeout.unwrap_or(policy.hard_timeout),
            options: LoadOptions {
                tags: Vec::new(),
                ..options.clone()
            },
            loader,
        }
    }
}

impl<V> Clone for Request<V> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            roots: self.roots.clone(),
            tags: self.tags.clone(),
            hard_timeout: self.hard_timeout,
            options: self.options.clone(),
            loader: self.loader.clone(),
        }
    }
}
