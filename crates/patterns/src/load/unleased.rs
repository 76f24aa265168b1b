//! Loads without a lease: on a store that cannot help at present, and on one that runs no scripts.

use std::{sync::Arc, time::Duration};

use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

use super::{
    Engine, Loaded, Request, Seen,
    flights::{Flying, Outcome},
    loaded::Answer,
    settle::not_modified,
};
use crate::{Cached, Origin};

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Loads without a lease: the value is not stored.
    pub(super) async fn fly_unleased(
        self: Arc<Self>,
        flying: Flying<V>,
        request: Request<V>,
        stale: Option<V>,
    ) {
        let (start, limit) = (Instant::now(), request.hard_timeout);
        let permit = timeout(limit, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            let error = overloaded(&request.key);
            return flying.finish(Outcome::Failed(error));
        };
        let left = limit.saturating_sub(start.elapsed());
        let asked = self.ask(&request, stale.clone(), left).await;
        let outcome = match asked {
            Ok((loaded, _)) => self.unleased_outcome(&request.key, loaded, stale),
            Err(error) => self.unleased_failure(&request.key, error),
        };
        flying.finish(outcome);
    }

    /// What came of a load without a lease. `stale` is what the loader was shown.
    pub(super) fn unleased_outcome(
        &self,
        key: &Key,
        loaded: Loaded<V>,
        stale: Option<V>,
    ) -> Outcome<V> {
        let outcome = match (loaded.answer, stale) {
            (Answer::Value(value) | Answer::Uncached(value), _) => uncached(Some(value)),
            (Answer::Negative, _) => uncached(None),
            // Whoever shares the load may have come after that was removed.
            (Answer::NotModified, Some(value)) => Outcome::Private(Cached::new(
                Some(value),
                Origin::Uncached,
                Some(Duration::ZERO),
            )),
            (Answer::NotModified, None) => return self.unleased_failure(key, not_modified(key)),
            (Answer::Failed(failure), _) => {
                return self.unleased_failure(key, failure.into_error().with_key(key));
            }
        };
        self.setbacks.succeeded(key);
        outcome
    }

    pub(super) fn unleased_failure(&self, key: &Key, error: Error) -> Outcome<V> {
        self.setbacks.failed(key, &error, self.policy.failure_hold);
        Outcome::Failed(error)
    }

    /// On a store that runs no scripts: one load in this process, and a plain write.
    pub(super) async fn run_without_lease(
        &self,
        flying: &Flying<V>,
        request: &Request<V>,
        seen: Seen<V>,
    ) -> Outcome<V> {
        let stale = seen.value;
        let asked = self.ask(request, stale.clone(), request.hard_timeout).await;
        let (loaded, load_time) = match asked {
            Ok(asked) => asked,
            Err(error) => return self.unleased_failure(&request.key, error),
        };
        let value = match loaded.answer {
            Answer::Value(value) => Some(value),
            Answer::Negative => None,
            Answer::NotModified if stale.is_some() => stale,
            Answer::NotModified => return Outcome::Failed(not_modified(&request.key)),
            Answer::Uncached(value) => return uncached(Some(value)),
            Answer::Failed(failure) => return Outcome::Failed(failure.into_error()),
        };
        if let Err(error) = self.late_tags(request, &loaded.tags) {
            return Outcome::Refused(error);
        }
        flying.close();
        let stored = match self.encode(request, value.as_ref(), loaded.ttl, load_time) {
            Ok(Some(write)) => self.access.store_plain(write).await.is_ok(),
            Ok(None) => false,
            Err(error) => return Outcome::Refused(error),
        };
        let origin = if stored {
            Origin::Loaded
        } else {
            Origin::Uncached
        };
        Outcome::Loaded(Cached::new(value, origin, Some(Duration::ZERO)))
    }
}

pub(super) fn uncached<V>(value: Option<V>) -> Outcome<V> {
    Outcome::Loaded(Cached::new(value, Origin::Uncached, Some(Duration::ZERO)))
}

pub(super) fn overloaded(key: &Key) -> Error {
    Error::new(ErrorKind::Overloaded, "load")
        .with_detail("too many loads are under way without the store")
        .with_key(key)
}
