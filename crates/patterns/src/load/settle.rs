//! What becomes of a loader's answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use cachekit_codec::Meta;
use cachekit_keys::{Key, Root, Tag, Ttl};
use cachekit_store::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{Engine, Loaded, Request, Seen, flight::End, flights::Outcome, loaded::Answer};
use crate::{
    error::encode_error,
    index::{Write, check_count, tag_roots},
};

/// What becomes of a loader's answer.
pub(super) enum Settled<V> {
    /// With tags that only the loader names.
    Store(Write, Vec<Root>, Option<V>),
    /// It is given and not stored: to all who joined where `shared` and nobody has invalidated it.
    Give {
        value: Option<V>,
        shared: bool,
    },
    Ended(End<V>),
}

impl<V> Engine<V>
where
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// What to do with a loader's answer.
    pub(super) fn settle(
        &self,
        request: &Request<V>,
        seen: Seen<V>,
        loaded: Loaded<V>,
        load_time: Duration,
    ) -> Settled<V> {
        let refused = |error| Settled::Ended(End::releasing(Outcome::Refused(error)));
        let value = match loaded.answer {
            Answer::Value(value) => Some(value),
            Answer::Negative => None,
            Answer::NotModified if seen.value.is_some() => seen.value,
            Answer::NotModified => {
                return Settled::Ended(self.failed(request, not_modified(&request.key)));
            }
            Answer::Uncached(value) => {
                return Settled::Give {
                    value: Some(value),
                    // Whether what only the loader names has been invalidated is only looked at where something is stored.
                    shared: loaded.tags.is_empty(),
                };
            }
            Answer::Failed(failure) => {
                let error = failure.into_error().with_key(&request.key);
                return Settled::Ended(self.failed(request, error));
            }
        };
        let late = match self.late_tags(request, &loaded.tags) {
            Ok(late) => late,
            Err(error) => return refused(error),
        };
        match self.encode(request, value.as_ref(), loaded.ttl, load_time) {
            Ok(Some(write)) => Settled::Store(write, late, value),
            Ok(None) => Settled::Give {
                value,
                shared: late.is_empty(),
            },
            Err(error) => refused(error),
        }
    }

    /// The tags that were not known when the load began.
    ///
    /// # Errors
    /// Those of tags that cannot be stored, which is a mistake of the program.
    pub(super) fn late_tags(&self, request: &Request<V>, named: &[Tag]) -> Result<Vec<Root>> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let mut late = tag_roots(self.access.base(), named)?;
        late.retain(|tag| !request.tags.contains(tag));
        check_count(request.tags.len() + late.len())
            .map_err(|error| error.with_key(&request.key))?;
        Ok(late)
    }

    /// The entry to be stored; none for one that cannot be stored and is served all the same.
    ///
    /// # Errors
    /// Those of a value that can never be encoded, which is a mistake of the program.
    pub(super) fn encode(
        &self,
        request: &Request<V>,
        value: Option<&V>,
        ttl: Option<Ttl>,
        load_time: Duration,
    ) -> Result<Option<Write>> {
        let access = &self.access;
        let encoded = match value {
            Some(value) => {
                let ttl = ttl.unwrap_or_else(|| {
                    access
                        .lifetime()
                        .drawn(request.options.ttl, request.options.jitter)
                });
                let refresh = request.options.refresh;
                let (meta, ttl) = access.stamp_for(ttl, Some(load_time), refresh);
                let format = access.base().format_in(request.options.codec);
                let encode = AssertUnwindSafe(|| format.encode(value, &meta));
                let Ok(encoded) = catch_unwind(encode) else {
                    let error = Error::new(ErrorKind::Encode, "load").with_key(&request.key);
                    return Err(error.with_detail("the value's Serialize panicked"));
                };
                (encoded, ttl)
            }
            None => {
                let ttl = ttl.or(request.options.negative_ttl);
                let ttl = ttl.unwrap_or(self.policy.negative_ttl);
                (access.base().format.encode_negative(&Meta::default()), ttl)
            }
        };
        let (encoded, ttl) = encoded;
        let encoded = match encoded {
            Ok(encoded) => encoded,
            // Plain JSON cannot say that there is no value.
            Err(_) if value.is_none() => return Ok(None),
            Err(error) => match encode_error(&request.key, error) {
                error if error.kind() == ErrorKind::TooLarge => return Ok(None),
                error => return Err(error),
            },
        };
        if encoded.len() > access.base().store.capabilities().max_value_size {
            return Ok(None);
        }
        Ok(Some(Write {
            key: request.key.clone(),
            roots: request.roots.clone(),
            value: encoded,
            ttl,
        }))
    }
}

pub(super) fn not_modified(key: &Key) -> Error {
    Error::new(ErrorKind::LoadFailed, "load")
        .with_detail("the loader said \"not modified\", and there is no value to keep")
        .with_key(key)
}
