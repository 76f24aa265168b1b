//! Values in a store: the one place that encodes, decodes, reads, writes and counts.
//!
//! [`Cache`](crate::Cache) and the level handles differ in how they name keys; everything behind the name is here.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use cachekit_codec::{Entry, Meta, ValueFormat};
use cachekit_keys::{Key, KeySchema};
use cachekit_store::{ErrorKind, KeyExpiry, Result, Store, StoreExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CacheCounters, CacheCounts, Invalidation, Lookup, WriteOptions,
    error::{decode_error, encode_error, format_error},
    index::{Place, Write, Writer},
    options::Lifetime,
};

/// What handles over one store have in common.
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schema: KeySchema,
    pub(crate) format: ValueFormat,
    pub(crate) counters: CacheCounters,
}

impl Base {
    /// The default format, and counters of its own.
    pub(crate) fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            store,
            schema,
            format: ValueFormat::default(),
            counters: CacheCounters::new(),
        }
    }

    /// What deletes from the same store.
    pub(crate) fn invalidation(&self) -> Invalidation {
        Invalidation::new(Arc::clone(&self.store), self.schema.clone())
    }

    /// # Errors
    /// `Unsupported` or `Configuration` for a format that cannot be used.
    pub(crate) fn checked(self) -> Result<Arc<Self>> {
        self.format.check().map_err(format_error)?;
        Ok(Arc::new(self))
    }
}

/// Reads and writes values by key, with the lifetime of one level or cache.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    base: Arc<Base>,
    lifetime: Lifetime,
}

impl Access {
    pub(crate) fn new(base: Arc<Base>, lifetime: Lifetime) -> Self {
        Self { base, lifetime }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    pub(crate) async fn lookup<V: DeserializeOwned>(&self, key: &Key) -> Result<Lookup<V>> {
        let stored = self.base.store.get(key).await?;
        let lookup = self.decode(key, stored.as_deref())?;
        self.base.counters.add(CacheCounts::of(&lookup));
        Ok(lookup)
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
        let stored = self.base.store.get_many(keys).await?;
        let mut counts = CacheCounts::default();
        let mut values = Vec::with_capacity(keys.len());
        for (key, stored) in keys.iter().zip(&stored) {
            let lookup = self.decode(key, stored.as_deref())?;
            counts += CacheCounts::of(&lookup);
            values.push(lookup.into_value());
        }
        self.base.counters.add(counts);
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
        self.base.store.delete_one(key).await
    }

    pub(crate) async fn remove_many(&self, keys: &[Key]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.base.store.delete(keys).await
    }

    pub(crate) async fn expiry(&self, key: &Key) -> Result<KeyExpiry> {
        self.base.store.expiry(key).await
    }

    fn encode<V>(&self, place: Place, value: &V, options: &WriteOptions) -> Result<Write>
    where
        V: Serialize + ?Sized,
    {
        let (key, roots) = place;
        match self.base.format.encode(value, &Meta::default()) {
            Ok(value) => Ok(Write {
                key,
                roots,
                value,
                ttl: self.lifetime.of(options),
            }),
            Err(error) => Err(encode_error(&key, error)),
        }
    }

    fn decode<V: DeserializeOwned>(&self, key: &Key, stored: Option<&[u8]>) -> Result<Lookup<V>> {
        let Some(stored) = stored else {
            return Ok(Lookup::Absent);
        };
        match self.base.format.decode_entry(stored) {
            Ok(Entry::Value(decoded)) => Ok(Lookup::Found(decoded.value)),
            Ok(Entry::Negative(_)) => Ok(Lookup::Negative),
            Err(error) => match decode_error(key, error) {
                // Not the entry's fault: a miss would hide a mistake that no overwriting mends.
                error if error.kind() == ErrorKind::Configuration => Err(error),
                error => Ok(Lookup::Unreadable(error)),
            },
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
