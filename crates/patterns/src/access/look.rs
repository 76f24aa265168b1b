//! What a look at a key found, and how fresh it is.

use std::time::Duration;

use bytes::Bytes;
use cachekit_codec::{Entry, Meta};
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use super::Access;
use crate::{CacheCounts, Cached, Lookup, Origin, error::decode_error};

/// What a key held.
pub(crate) struct Look<V> {
    pub(crate) bytes: Option<Bytes>,
    /// How long they were to live, where that was read.
    pub(crate) expires_in: Option<Duration>,
    pub(crate) found: Found<V>,
}

/// What it is worth.
pub(crate) enum Found<V> {
    Fresh(Hit<V>),
    /// Past its fresh time, and within the bound up to which it may be served all the same.
    Stale(Hit<V>),
    /// Nothing, or something past that bound.
    Nothing,
    Unreadable(Error),
}

/// A value, or that there is none, and its times as far as they are known.
#[derive(Clone)]
pub(crate) struct Hit<V> {
    pub(crate) value: Option<V>,
    pub(crate) age: Option<Duration>,
    /// How long it stays fresh.
    pub(crate) left: Option<Duration>,
    /// How long ago it ceased to be fresh.
    pub(crate) over: Option<Duration>,
    /// How long loading it took.
    pub(crate) load_time: Option<Duration>,
}

impl<V> Hit<V> {
    pub(crate) fn cached(self, origin: Origin) -> Cached<V> {
        Cached::new(self.value, origin, self.age)
    }
}

impl<V> From<Found<V>> for Lookup<V> {
    fn from(found: Found<V>) -> Self {
        match found {
            Found::Fresh(Hit { value: None, .. }) => Self::Negative,
            Found::Fresh(Hit {
                value: Some(value), ..
            }) => Self::Found(value),
            Found::Stale(Hit {
                value: Some(value), ..
            }) => Self::Stale(value),
            Found::Stale(_) | Found::Nothing => Self::Absent,
            Found::Unreadable(error) => Self::Unreadable(error),
        }
    }
}

impl Access {
    /// Makes sense of what a key held. `expires_in` matters only where the freshness is derived from it.
    ///
    /// # Errors
    /// `Configuration` for a type that the codec can never read.
    pub(crate) fn judge<V: DeserializeOwned>(
        &self,
        key: &Key,
        bytes: Option<Bytes>,
        expires_in: Option<Duration>,
    ) -> Result<Look<V>> {
        let found = match bytes.as_deref() {
            None => Found::Nothing,
            Some(stored) => match self.base.format.decode_entry(stored) {
                Ok(Entry::Value(decoded)) => {
                    self.freshness(Some(decoded.value), &decoded.meta, expires_in)
                }
                Ok(Entry::Negative(meta)) => self.freshness(None, &meta, expires_in),
                Err(error) => match decode_error(key, error) {
                    // Not the entry's fault: a miss would hide a mistake that no overwriting mends.
                    error if error.kind() == ErrorKind::Configuration => return Err(error),
                    error => Found::Unreadable(error),
                },
            },
        };
        Ok(Look {
            bytes,
            expires_in,
            found,
        })
    }

    fn freshness<V>(
        &self,
        value: Option<V>,
        meta: &Meta,
        expires_in: Option<Duration>,
    ) -> Found<V> {
        let stale_for = self.lifetime.stale_for.map_or(Duration::ZERO, Into::into);
        let since = |then: u64| {
            let now = self.base.clock.now_millis();
            (Duration::from_millis(now.saturating_sub(then)), now >= then)
        };
        // How long it stays fresh, or how long ago that ended.
        let (left, over) = match (meta.fresh_until, expires_in) {
            (Some(until), _) => match since(until) {
                (over, true) => (None, Some(over)),
                _ => {
                    let now = self.base.clock.now_millis();
                    (Some(Duration::from_millis(until.saturating_sub(now))), None)
                }
            },
            // A negative entry has no stale time, and says so by having no header of freshness.
            (None, left) if value.is_none() || !self.lifetime.is_by_expiry() => (left, None),
            (None, Some(left)) if left > stale_for => (Some(left - stale_for), None),
            (None, Some(left)) => (None, Some(stale_for.saturating_sub(left))),
            (None, None) => (None, None),
        };
        let age = match meta.created_at {
            Some(created) => Some(since(created).0),
            None => left.map(|left| self.lifetime.ttl.as_duration().saturating_sub(left)),
        };
        let hit = Hit {
            value,
            age,
            left,
            over,
            load_time: meta.load_time,
        };
        match over {
            None => Found::Fresh(hit),
            Some(over) if over <= stale_for && !stale_for.is_zero() => Found::Stale(hit),
            Some(_) => Found::Nothing,
        }
    }
}

impl<V> Found<V> {
    /// One request that found this.
    pub(crate) fn counts(&self) -> CacheCounts {
        let mut counts = CacheCounts::default();
        match self {
            Self::Fresh(hit) => {
                counts.hits = 1;
                counts.negative = u64::from(hit.value.is_none());
            }
            Self::Stale(_) | Self::Nothing => counts.misses = 1,
            Self::Unreadable(error) => {
                counts.misses = 1;
                match error.kind() {
                    ErrorKind::Newer => counts.newer = 1,
                    _ => counts.corrupt = 1,
                }
            }
        }
        counts
    }
}
