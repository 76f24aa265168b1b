//! The global level, and responses of models by the hash of the prompt.

use std::error::Error as StdError;

use cachekit_keys::{ContentHash, Key, ModelKey, ModelName, ModelVersion, Roots};
use cachekit_store::Result;
use serde::{Serialize, de::DeserializeOwned};

use super::{handle::LevelCache, loading::value, scope::GlobalScope};
use crate::{Cached, LoadContext, LoadOptions, Loaded, WriteOptions};

/// What everyone shares and what rarely changes: whole keys as text, for a day unless set otherwise.
///
/// A text of a built-in family (`model:...`, `provider:...`) must be a key of it, and is rendered as the schema renders that
/// family; any other first word is free, those of the other levels and the kit's own excepted. There is no `clear`: see
/// [`Invalidation`](crate::Invalidation).
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::KeySchema;
/// use cachekit_patterns::{GlobalCache, LevelCaches};
/// use cachekit_store::{Error, ErrorKind, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
/// let global: GlobalCache = levels.global();
/// global.set("provider:openai:health_status", "up").await?;
/// assert_eq!(global.get::<String>("provider:openai:health_status").await?.as_deref(), Some("up"));
///
/// let refused = global.set("session:abc123:line", &7).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
/// # Ok(()) }
/// ```
pub type GlobalCache = LevelCache<GlobalScope>;

impl LevelCache<GlobalScope> {
    /// What a model answered to exactly this prompt, or `None` on a miss.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`set_model_response`](Self::set_model_response).
    pub async fn get_model_response<V: DeserializeOwned>(
        &self,
        name: &ModelName,
        version: &ModelVersion,
        prompt: impl AsRef<[u8]>,
    ) -> Result<Option<V>> {
        let key = self.model_key(name, version, ContentHash::of(prompt));
        self.access.get(&key).await
    }

    /// Stores what a model answered to exactly this prompt; answers the hash of the prompt.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::{ModelName, ModelVersion};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let (name, version) = (ModelName::new("gpt-4")?, ModelVersion::new("v2.1.0")?);
    /// let global = levels.global();
    /// let hash = global.set_model_response(&name, &version, "Why?", "Because.").await?;
    /// let answer: Option<String> = global.get_model_response(&name, &version, "Why?").await?;
    /// assert_eq!(answer.as_deref(), Some("Because."));
    /// assert!(global.remove(&format!("model:gpt-4:v2.1.0:{hash}:response")).await?);
    /// # Ok(()) }
    /// ```
    pub async fn set_model_response<V: Serialize + ?Sized>(
        &self,
        name: &ModelName,
        version: &ModelVersion,
        prompt: impl AsRef<[u8]>,
        value: &V,
    ) -> Result<ContentHash> {
        let hash = ContentHash::of(prompt);
        let key = self.model_key(name, version, hash);
        let place = (key, Roots::default()); // no one owns a model's response
        self.access.set(place, value, &WriteOptions::new()).await?;
        Ok(hash)
    }

    /// What a model answers to exactly this prompt: from the cache, or by asking it. In the whole fleet a version of a model is
    /// asked once, also by callers that come at the same time.
    ///
    /// It is a [`get_or_load`](LevelCache::get_or_load) by the prompt's hash, and inherits all of it. What else has a part in
    /// the answer, such as a temperature, belongs into the prompt that is hashed.
    ///
    /// # Errors
    /// Those of [`get_or_load`](LevelCache::get_or_load).
    ///
    /// # Cancel safety
    /// A dropped call does not stop the model: its answer is stored.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::{ModelName, ModelVersion};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let (name, version) = (ModelName::new("gpt-4")?, ModelVersion::new("v2.1.0")?);
    /// let ask = || async { Ok::<_, std::io::Error>("Because.".to_owned()) };
    /// let answer: String = levels.global().get_or_ask_model(&name, &version, "Why?", ask).await?;
    /// assert_eq!(levels.global().get_model_response(&name, &version, "Why?").await?, Some(answer));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_ask_model<V, F, Fut, T, E>(
        &self,
        name: &ModelName,
        version: &ModelVersion,
        prompt: impl AsRef<[u8]>,
        ask: F,
    ) -> Result<V>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (prompt, options) = (ContentHash::of(prompt), LoadOptions::new());
        let ask = |_| ask();
        let cached = self.get_or_ask_model_with(name, version, &prompt, &options, ask);
        value(&self.model_key(name, version, prompt), cached.await?)
    }

    /// What a model answers to the prompt of this hash, with options of its own: as [`fetch_with`](LevelCache::fetch_with) tells
    /// it.
    ///
    /// # Errors
    /// Those of [`fetch_with`](LevelCache::fetch_with).
    ///
    /// # Cancel safety
    /// As [`get_or_ask_model`](Self::get_or_ask_model).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, Ttl};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use std::time::Duration;
    ///
    /// use cachekit_keys::{ContentHash, ModelName, ModelVersion};
    /// use cachekit_patterns::{Cached, LoadOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let (name, version) = (ModelName::new("gpt-4")?, ModelVersion::new("v2.1.0")?);
    /// let prompt = ContentHash::of_parts(&[b"Why?", b"temperature 0"]);
    /// let patient = LoadOptions::new().with_hard_timeout(Duration::from_secs(120));
    /// let ask = |_| async { Ok::<_, std::io::Error>("Because.".to_owned()) };
    /// let global = levels.global();
    /// let answer: Cached<String> = global
    ///     .get_or_ask_model_with(&name, &version, &prompt, &patient, ask)
    ///     .await?;
    /// assert_eq!(answer.value.as_deref(), Some("Because."));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_ask_model_with<V, F, Fut, T, E>(
        &self,
        name: &ModelName,
        version: &ModelVersion,
        prompt: &ContentHash,
        options: &LoadOptions,
        ask: F,
    ) -> Result<Cached<V>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let place = (self.model_key(name, version, *prompt), Roots::default());
        self.fetch_at(place, options, ask).await
    }

    fn model_key(&self, name: &ModelName, version: &ModelVersion, prompt: ContentHash) -> Key {
        self.access
            .base()
            .schema
            .key(&ModelKey::new(name.clone(), version.clone(), prompt))
    }
}
