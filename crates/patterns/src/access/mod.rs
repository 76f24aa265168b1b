//! Values in a store: the one place that encodes, decodes, reads, writes and counts.
//!
//! [`Cache`](crate::Cache) and the level handles differ in how they name keys; everything behind the name is here.

mod look;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_codec::{Codec, Meta, ValueFormat};
use cachekit_keys::{Key, KeySchema, Ttl};
use cachekit_store::{CallOutcome, Event, KeyExpiry, Observer, Observers, Result, Store, StoreExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CacheCounters, CacheCounts, Lookup, Refresh, WriteOptions,
    clock::ServerClock,
    error::{encode_error, format_error},
    index::{Place, Write, Writer, Writes},
    lease::{self, Leases},
    options::Lifetime,
};

pub(crate) use self::look::{Found, Hit, Look};

/// What handles over one store have in common.
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) format: ValueFormat,
    pub(crate) counters: CacheCounters,
    pub(crate) observers: Observers,
    pub(crate) clock: ServerClock,
    pub(crate) leases: Leases,
    pub(crate) writes: Writes,
}

impl Base {
    /// The default format, and counters of its own.
    pub(crate) fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            store,
            schema,
            format: ValueFormat::default(),
            counters: CacheCounters::new(),
            observers: Observers::none(),
            clock: ServerClock::new(),
            leases: Leases::new(),
            writes: Writes::new("set"),
        }
    }

    /// # Errors
    /// `Unsupported` or `Configuration` for a format that cannot be used.
    pub(crate) fn checked(self) -> Result<Arc<Self>> {
        self.format.check().map_err(format_error)?;
        Ok(Arc::new(self))
    }

    /// The format with another codec, where a call names one.
    pub(crate) fn format_in(&self, codec: Option<Codec>) -> Cow<'_, ValueFormat> {
        match codec {
            Some(codec) if codec != self.format.codec() => {
                Cow::Owned(self.format.clone().with_codec(codec))
            }
            _ => Cow::Borrowed(&self.format),
        }
    }

    /// # Errors
    /// `Unsupported` or `Configuration` for a codec that nothing can be written in.
    pub(crate) fn check_codec(&self, codec: Option<Codec>) -> Result<()> {
        match self.format_in(codec) {
            Cow::Borrowed(_) => Ok(()),
            Cow::Owned(format) => format.check().map_err(format_error),
        }
    }

    /// What loads look at, so that no clearing by pattern is missed.
    pub(crate) fn word(&self) -> Option<Key> {
        lease::word_of(&*self.store, &self.schema)
    }
}

/// Reads and writes values by key, with the lifetime of one level or cache.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    base: Arc<Base>,
    lifetime: Lifetime,
    /// Under which name it is reported.
    family: &'static str,
}

impl Access {
    pub(crate) fn new(base: Arc<Base>, lifetime: Lifetime, family: &'static str) -> Self {
        Self {
            base,
            lifetime,
            family,
        }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    pub(crate) fn family(&self) -> &'static str {
        self.family
    }

    /// Counts what a read of these keys found, and reports it.
    pub(crate) fn note_reads(&self, keys: &[Key], counts: CacheCounts) {
        self.base.counters.add(counts);
        if !self.base.observers.is_empty() && counts.requests() > 0 {
            let event = Event::cache_read(self.family, keys, counts.reads());
            self.base.observers.observe(&event);
        }
    }

    /// Counts an answer that was past its fresh time, and reports it.
    pub(crate) fn note_stale(&self) {
        self.base.counters.add(CacheCounts {
            stale_hits: 1,
            ..CacheCounts::default()
        });
        if !self.base.observers.is_empty() {
            let event = Event::cache_served_stale(self.family);
            self.base.observers.observe(&event);
        }
    }

    /// Counts a call of a loader for so many keys, and reports it.
    pub(crate) fn note_load<T>(&self, keys: usize, result: &Result<T>, elapsed: Duration) {
        self.base.counters.add(CacheCounts {
            loads: 1,
            load_errors: u64::from(result.is_err()),
            ..CacheCounts::default()
        });
        if !self.base.observers.is_empty() {
            let outcome = match result {
                Ok(_) => CallOutcome::Completed,
                Err(error) => CallOutcome::Failed(error.kind()),
            };
            let event = Event::cache_load(self.family, keys, outcome, elapsed);
            self.base.observers.observe(&event);
        }
    }

    pub(crate) async fn lookup<V: DeserializeOwned>(&self, key: &Key) -> Result<Lookup<V>> {
        let (bytes, expires_in) = self.read(key, false).await?;
        let lookup = self.judge(key, bytes, expires_in)?.found.into();
        self.note_reads(std::slice::from_ref(key), CacheCounts::of(&lookup));
        Ok(lookup)
    }

    /// Reads one key, and the rest of its life where that is needed, or wanted.
    pub(crate) async fn read(
        &self,
        key: &Key,
        with_expiry: bool,
    ) -> Result<(Option<Bytes>, Option<Duration>)> {
        if !self.lifetime.reads_expiry && !with_expiry {
            return Ok((self.base.store.get(key).await?, None));
        }
        let entries = self
            .base
            .store
            .get_entries(std::slice::from_ref(key))
            .await?;
        Ok(match entries.into_iter().next().flatten() {
            Some(entry) => (Some(entry.value), entry.expires_in),
            None => (None, None),
        })
    }

    /// Reads many keys likewise, in one round trip.
    pub(crate) async fn read_many(
        &self,
        keys: &[Key],
        with_expiry: bool,
    ) -> Result<Vec<(Option<Bytes>, Option<Duration>)>> {
        if !self.lifetime.reads_expiry && !with_expiry {
            let stored = self.base.store.get_many(keys).await?;
            return Ok(stored.into_iter().map(|bytes| (bytes, None)).collect());
        }
        let entries = self.base.store.get_entries(keys).await?.into_iter();
        Ok(entries
            .map(|entry| entry.map_or((None, None), |entry| (Some(entry.value), entry.expires_in)))
            .collect())
    }

    pub(crate) async fn get<V: DeserializeOwned>(&self, key: &Key) -> Result<Option<V>> {
        Ok(self.lookup(key).await?.into_value())
    }

    /// All values in one round trip, in the order of the keys.
    pub(crate) async fn get_many<V: DeserializeOwned>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Option<V>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.read_many(keys, false).await?;
        let mut counts = CacheCounts::default();
        let mut values = Vec::with_capacity(keys.len());
        for (key, (bytes, expires_in)) in keys.iter().zip(stored) {
            let lookup: Lookup<V> = self.judge(key, bytes, expires_in)?.found.into();
            counts += CacheCounts::of(&lookup);
            values.push(lookup.into_value());
        }
        self.note_reads(keys, counts);
        Ok(values)
    }

    /// Writes one value, and enters its key into the indices of its owner and tags.
    pub(crate) async fn set<V>(
        &self,
        place: Place,
        value: &V,
        options: &WriteOptions,
    ) -> Result<bool>
    where
        V: Serialize + ?Sized,
    {
        let write = self.encode(place, value, options)?;
        Writer::new(&self.base, options)?.one(write).await
    }

    /// Writes a batch in one round trip. All of it is encoded before anything is sent, so that a value which cannot be stored
    /// leaves nothing half-written.
    pub(crate) async fn set_many<'v, V>(
        &self,
        values: impl Iterator<Item = (Place, &'v V)>,
        options: &WriteOptions,
    ) -> Result<Vec<bool>>
    where
        V: Serialize + ?Sized + 'v,
    {
        let writes: Vec<Write> = values
            .map(|(place, value)| self.encode(place, value, options))
            .collect::<Result<_>>()?;
        Writer::new(&self.base, options)?.many(&writes).await
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<bool> {
        Ok(self.remove_many(std::slice::from_ref(key)).await? > 0)
    }

    pub(crate) async fn remove_many(&self, keys: &[Key]) -> Result<u64> {
        lease::remove(&*self.base.store, keys).await
    }

    pub(crate) async fn expiry(&self, key: &Key) -> Result<KeyExpiry> {
        self.base.store.expiry(key).await
    }

    /// Writes an encoded entry with the defaults of the handle.
    pub(crate) async fn store_plain(&self, write: Write) -> Result<bool> {
        Writer::new(&self.base, &WriteOptions::new())?
            .one(write)
            .await
    }

    /// What an entry says about a fresh time that begins now, and how long its key lives.
    pub(crate) fn stamp(&self, fresh: Ttl, load_time: Option<Duration>) -> (Meta, Ttl) {
        self.stamp_for(fresh, load_time, None)
    }

    /// The same for an entry that is to be refreshed as the call says that loads it.
    pub(crate) fn stamp_for(
        &self,
        fresh: Ttl,
        load_time: Option<Duration>,
        refresh: Option<Refresh>,
    ) -> (Meta, Ttl) {
        let tells = |refresh: Refresh| {
            !refresh.is_never() && (refresh.is_xfetch() || self.lifetime.is_unusual(fresh))
        };
        let is_wanted = self.lifetime.may_have_header && refresh.is_some_and(tells);
        let life = self.lifetime.stale_for.map_or(fresh, |stale| {
            let life = fresh.as_duration().saturating_add(stale.as_duration());
            Ttl::new(life).unwrap_or(Ttl::MAX)
        });
        if !is_wanted && !self.lifetime.needs_header(fresh) {
            return (Meta::default(), life);
        }
        let now = self.base.clock.now_millis();
        let meta = Meta::default()
            .with_created_at(now)
            .with_fresh_until(now.saturating_add(fresh.as_millis()));
        let meta = load_time.map_or(meta, |load_time| meta.with_load_time(load_time));
        (meta, life)
    }

    pub(crate) fn encode<V>(&self, place: Place, value: &V, options: &WriteOptions) -> Result<Write>
    where
        V: Serialize + ?Sized,
    {
        let (key, roots) = place;
        let (meta, ttl) = self.stamp(self.lifetime.of(options), None);
        match self.base.format_in(options.codec).encode(value, &meta) {
            Ok(value) => Ok(Write {
                key,
                roots,
                value,
                ttl,
            }),
            Err(error) => Err(encode_error(&key, error)),
        }
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("store", &self.store)
            .field("schema", &self.schema)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
