//! How a typed cache is set up.

use std::{fmt, marker::PhantomData, sync::Arc};

use cachekit_codec::ValueFormat;
use cachekit_keys::{Jitter, KeyFamily, KeySchema, Ttl};
use cachekit_store::{Result, Store};

use super::Cache;
use crate::{
    CacheCounters,
    access::{Access, Base},
    options::Lifetime,
};

/// Options of a [`Cache`]; setters cannot fail, [`build`](Self::build) does.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_codec::ValueFormat;
/// use cachekit_keys::{Jitter, KeySchema, ProjectKey, Ttl};
/// use cachekit_patterns::Cache;
/// use cachekit_store::MemoryStore;
///
/// let cache = Cache::<ProjectKey, String>::builder(Arc::new(MemoryStore::new()), KeySchema::plain())
///     .ttl(Ttl::seconds(600))
///     .jitter(Jitter::fraction(0.1)?)
///     .format(ValueFormat::plain_json())
///     .build()?;
/// # Ok::<(), cachekit_store::Error>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder<K, V> {
    base: Base,
    lifetime: Lifetime,
    types: PhantomData<fn(K) -> V>,
}

impl<K: KeyFamily, V> CacheBuilder<K, V> {
    pub(super) fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            base: Base::new(store, schema),
            lifetime: Lifetime {
                ttl: K::LEVEL.default_ttl(),
                jitter: Jitter::NONE,
            },
            types: PhantomData,
        }
    }
}

impl<K, V> CacheBuilder<K, V> {
    /// How long entries live; by default as long as the level of the family says.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.lifetime.ttl = ttl;
        self
    }

    /// How much of the lifetime is taken away at random, so that entries written together do not expire together; none by
    /// default.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.lifetime.jitter = jitter;
        self
    }

    /// How values are written, and how large they may be; [`ValueFormat::json`] by default. Reading takes every form.
    ///
    /// # Examples
    /// See [`CacheBuilder`].
    pub fn format(mut self, format: ValueFormat) -> Self {
        self.base.format = format;
        self
    }

    /// Where requests are counted; counters of its own by default.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::CacheCounters;
    ///
    /// let all = CacheCounters::new();
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .counters(all.part())
    ///     .build()?;
    /// assert_eq!(cache.counts(), all.snapshot());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn counters(mut self, counters: CacheCounters) -> Self {
        self.base.counters = counters;
        self
    }

    /// Checks the options once, so that no call fails for them later.
    ///
    /// # Errors
    /// [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for a codec or compression that is not built in,
    /// [`Configuration`](cachekit_store::ErrorKind::Configuration) for a format that contradicts itself.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_codec::ValueFormat;
    /// # use cachekit_keys::{KeySchema, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::{ErrorKind, MemoryStore};
    /// use cachekit_codec::Codec;
    ///
    /// # let store = Arc::new(MemoryStore::new());
    /// let refused = Cache::<ProjectKey, String>::builder(store, KeySchema::plain())
    ///     .format(ValueFormat::plain_json().with_codec(Codec::Bincode))
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Configuration);
    /// ```
    pub fn build(self) -> Result<Cache<K, V>> {
        Ok(Cache {
            access: Access::new(self.base.checked()?, self.lifetime),
            types: PhantomData,
        })
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("base", &self.base)
            .field("lifetime", &self.lifetime)
            .finish()
    }
}
