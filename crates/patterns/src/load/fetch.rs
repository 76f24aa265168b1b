//! A read through the cache, as every handle makes it.

use std::sync::Arc;

use cachekit_keys::Key;
use cachekit_store::{Result, Tasks};
use serde::{Serialize, de::DeserializeOwned};

use super::{Engine, Request, Seen, is_away};
use crate::{
    CacheCounts, Cached, Origin,
    access::{Found, Look},
};

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Reads one key, and loads what is missing. The request is made only where there is something to load.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        tasks: &Tasks,
        key: &Key,
        request: impl FnOnce() -> Result<Request<V>>,
    ) -> Result<Cached<V>> {
        let look = self.look(key).await;
        let counts = match &look {
            Ok(look) => look.found.counts(),
            Err(error) if is_away(error) => CacheCounts {
                misses: 1,
                ..CacheCounts::default()
            },
            Err(_) => CacheCounts::default(),
        };
        self.access.note_reads(std::slice::from_ref(key), counts);
        let look = match look {
            Ok(look) => match look.found {
                Found::Fresh(hit) => {
                    if self.is_due(&hit) {
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
}
