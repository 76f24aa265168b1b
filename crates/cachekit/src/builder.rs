//! How a kit is put together.

use std::sync::Arc;

#[cfg(feature = "patterns")]
use cachekit_codec::ValueFormat;
#[cfg(feature = "patterns")]
use cachekit_keys::LevelTtls;
use cachekit_keys::{KeyFormat, KeySchema, Namespace};
#[cfg(feature = "patterns")]
use cachekit_patterns::LevelCaches;
use cachekit_store::{MemoryStore, Result, Store};

use crate::CacheKit;

/// Options of a [`CacheKit`]; setters cannot fail, [`build`](Self::build) does.
///
/// The store comes ready made, so that everything about a connection is said in one place, its own builder.
///
/// # Examples
/// On a server, in a namespace:
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn f() -> Result<(), cachekit::Error> {
/// use std::{sync::Arc, time::Duration};
///
/// use cachekit::{CacheKit, Namespace, RedisStore};
///
/// let store = RedisStore::builder("redis://127.0.0.1:6379")
///     .request_timeout(Duration::from_millis(250))
///     .connect()
///     .await?;
/// let kit = CacheKit::builder().store(Arc::new(store)).namespace(Namespace::new("staging")?).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheKitBuilder {
    store: Option<Arc<dyn Store>>,
    key_format: Option<KeyFormat>,
    namespace: Option<Namespace>,
    #[cfg(feature = "patterns")]
    level_ttls: LevelTtls,
    #[cfg(feature = "patterns")]
    value_format: ValueFormat,
}

impl CacheKitBuilder {
    /// Where everything is kept; a memory store of its own by default.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cachekit::{CacheKit, MemoryStore};
    ///
    /// let store = Arc::new(MemoryStore::new());
    /// let kit = CacheKit::builder().store(store).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How keys are rendered. By default [`KeyFormat::Sharded`] where the store is clustered, so that an owner's keys share
    /// a slot, and [`KeyFormat::Plain`] elsewhere. All services of a deployment must agree on it.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, KeyFormat};
    ///
    /// let kit = CacheKit::builder().key_format(KeyFormat::Sharded).build()?;
    /// assert_eq!(kit.schema().format(), KeyFormat::Sharded);
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn key_format(mut self, format: KeyFormat) -> Self {
        self.key_format = Some(format);
        self
    }

    /// A prefix of all keys, for a deployment or tenant; none by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, Namespace, SessionId, SessionKey};
    ///
    /// let kit = CacheKit::builder().namespace(Namespace::new("staging")?).build()?;
    /// let key = kit.schema().key(&SessionKey::current_file(SessionId::new("abc123")?));
    /// assert_eq!(key.as_str(), Some("staging:session:abc123:current_file"));
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// How long entries of each level live; five minutes, an hour and a day by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, LevelTtls, Ttl};
    ///
    /// let ttls = LevelTtls::default().with_session(Ttl::seconds(900));
    /// let kit = CacheKit::builder().level_ttls(ttls).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn level_ttls(mut self, ttls: LevelTtls) -> Self {
        self.level_ttls = ttls;
        self
    }

    /// How values are written, and how large they may be (64 MiB by default); [`ValueFormat::json`] by default.
    ///
    /// # Examples
    /// ```
    /// use cachekit::{CacheKit, ValueFormat};
    ///
    /// let format = ValueFormat::plain_json().with_max_size(1 << 20);
    /// let kit = CacheKit::builder().value_format(format).build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    #[cfg(feature = "patterns")]
    pub fn value_format(mut self, format: ValueFormat) -> Self {
        self.value_format = format;
        self
    }

    /// Checks the options and puts the kit together. Connects nowhere.
    ///
    /// # Errors
    /// With the feature `patterns`: [`Unsupported`](cachekit_store::ErrorKind::Unsupported) for a codec or compression that
    /// is not built in, [`Configuration`](cachekit_store::ErrorKind::Configuration) for a format that contradicts itself.
    ///
    /// # Examples
    /// ```
    /// let kit = cachekit::CacheKit::builder().build()?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    pub fn build(self) -> Result<CacheKit> {
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let natural = if store.capabilities().clustered {
            KeyFormat::Sharded
        } else {
            KeyFormat::Plain
        };
        let mut schema = KeySchema::new(self.key_format.unwrap_or(natural));
        if let Some(namespace) = self.namespace {
            schema = schema.with_namespace(namespace);
        }
        Ok(CacheKit {
            #[cfg(feature = "patterns")]
            levels: LevelCaches::builder(Arc::clone(&store), schema.clone())
                .ttls(self.level_ttls)
                .format(self.value_format)
                .build()?,
            store,
            schema,
        })
    }
}
