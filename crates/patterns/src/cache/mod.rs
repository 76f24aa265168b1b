//! The typed cache: values of one type under the keys of one family.

mod builder;
mod loading;
#[cfg(test)]
mod tests;
mod writing;

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

use cachekit_keys::{Key, KeyError, KeyFamily, KeySchema, Tag, Ttl};
use cachekit_store::{KeyExpiry, Result, Store, Tasks};
use serde::{Serialize, de::DeserializeOwned};

pub use self::builder::CacheBuilder;
use crate::{
    Announcer, CacheCounts, Cleared, Lookup, WriteOptions, access::Access, announce::Telling,
    index::Place, load::Engine,
};

/// Values of type `V` under the keys of the family `K`. Cheap to clone; clones count together.
///
/// An entry that cannot be read is a miss: see [`Lookup::Unreadable`] for the kinds, and [`counts`](Self::counts) for how
/// many there were. Writing replaces whatever was there, of whatever version.
///
/// # Errors
/// Every method can fail with what the [store](Store) answers. Writing fails with
/// [`TooLarge`](cachekit_store::ErrorKind::TooLarge) before anything is sent, and with
/// [`Encode`](cachekit_store::ErrorKind::Encode) where the value's `Serialize` does. Reading fails with
/// [`WrongType`](cachekit_store::ErrorKind::WrongType) where the key holds a list or another type than a string.
///
/// # Cancel safety
/// A dropped read has done nothing. A dropped write or removal has been carried out or not, in a batch for each key.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
/// use cachekit_patterns::Cache;
/// use cachekit_store::{Error, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let store = Arc::new(MemoryStore::new());
/// let trees = Cache::<ProjectKey, Vec<String>>::builder(store, KeySchema::plain())
///     .ttl(Ttl::seconds(600))
///     .build()?;
///
/// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
/// assert_eq!(trees.get(&key).await?, None);
/// trees.set(&key, &vec!["src/main.rs".to_owned()]).await?;
/// assert_eq!(trees.get(&key).await?, Some(vec!["src/main.rs".to_owned()]));
/// assert_eq!(trees.counts().hit_rate(), Some(0.5));
/// # Ok(()) }
/// ```
pub struct Cache<K, V> {
    pub(crate) access: Access,
    pub(crate) engine: Arc<Engine<V>>,
    tags: Option<TagsOf<K>>,
    pub(crate) tasks: Tasks,
    pub(crate) announcer: Option<Announcer>,
    types: PhantomData<fn(K) -> V>,
}

/// What the entry of a key has in common with others.
type TagsOf<K> = Arc<dyn Fn(&K) -> Result<Vec<Tag>, KeyError> + Send + Sync>;

impl<K: KeyFamily, V: Serialize + DeserializeOwned + Send + Sync + 'static> Cache<K, V> {
    /// Starts a cache over `store`, with keys as `schema` names them.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, Level, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, String>::builder(store, KeySchema::plain()).build()?;
    /// assert_eq!(cache.ttl(), Level::Project.default_ttl());
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    pub fn builder(store: Arc<dyn Store>, schema: KeySchema) -> CacheBuilder<K, V> {
        CacheBuilder::new(store, schema)
    }

    /// The value, or `None` on a miss, and for an entry which says that the value does not exist.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`Cache`].
    pub async fn get(&self, key: &K) -> Result<Option<V>> {
        let key = self.key(key);
        self.access.get(&key).await
    }

    /// The same read with its whole answer: what kind of miss it was, and whether a hit was negative.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_patterns::Lookup;
    /// use cachekit_store::{ErrorKind, StoreExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let (store, schema) = (Arc::new(MemoryStore::new()), KeySchema::plain());
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// store.set_ttl(&schema.key(&key), "{ damaged".into(), Ttl::seconds(60)).await?;
    ///
    /// let cache = Cache::<ProjectKey, Vec<String>>::builder(store, schema).build()?;
    /// let Lookup::Unreadable(why) = cache.lookup(&key).await? else { panic!("it is damaged") };
    /// assert_eq!(why.kind(), ErrorKind::Corrupt);
    /// assert_eq!(cache.get(&key).await?, None);
    /// assert_eq!(cache.counts().corrupt, 2);
    /// # Ok(()) }
    /// ```
    pub async fn lookup(&self, key: &K) -> Result<Lookup<V>> {
        let key = self.key(key);
        self.access.lookup(&key).await
    }

    /// Many values in one round trip, in the order of the keys. A key that holds another type than a string is a miss here.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let project = ProjectId::new("proj456")?;
    /// let keys = [ProjectKey::recent_issues(project.clone()), ProjectKey::file_tree(project)];
    /// cache.set(&keys[1], &7).await?;
    /// assert_eq!(cache.get_many(&keys).await?, [None, Some(7)]);
    /// # Ok(()) }
    /// ```
    pub async fn get_many(&self, keys: &[K]) -> Result<Vec<Option<V>>> {
        let keys = self.keys(keys);
        self.access.get_many(&keys).await
    }

    /// Stores a value for the cache's lifetime.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`Cache`].
    pub async fn set(&self, key: &K, value: &V) -> Result<()> {
        self.set_with(key, value, &WriteOptions::new())
            .await
            .map(drop)
    }

    /// Stores a value with options of its own; answers whether it was written, which a condition can prevent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
    /// # use cachekit_patterns::{Cache, WriteOptions};
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::Condition;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// let once = WriteOptions::new().with_ttl(Ttl::seconds(30)).with_condition(Condition::IfAbsent);
    /// assert!(cache.set_with(&key, &1, &once).await?);
    /// assert!(!cache.set_with(&key, &2, &once).await?);
    /// # Ok(()) }
    /// ```
    pub async fn set_with(&self, key: &K, value: &V, options: &WriteOptions) -> Result<bool> {
        let options = self.with_tags(key, options)?;
        self.access.set(self.place(key), value, &options).await
    }

    /// Stores many values in one round trip. Where one cannot be encoded, none is sent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors); some of the values may have been stored then, as
    /// [`Error::may_have_applied`](cachekit_store::Error::may_have_applied) says.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let project = ProjectId::new("proj456")?;
    /// let tree = ProjectKey::file_tree(project.clone());
    /// cache.set_many(&[(tree.clone(), 1), (ProjectKey::recent_issues(project), 2)]).await?;
    /// assert_eq!(cache.get(&tree).await?, Some(1));
    /// # Ok(()) }
    /// ```
    pub async fn set_many(&self, values: &[(K, V)]) -> Result<()> {
        self.set_many_with(values, &WriteOptions::new())
            .await
            .map(drop)
    }

    /// Stores many values with options of their own; answers for each whether it was written. Jitter is drawn for each.
    ///
    /// # Errors
    /// Those of [`set_many`](Self::set_many).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey, Ttl};
    /// # use cachekit_patterns::{Cache, WriteOptions};
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let values = [(ProjectKey::file_tree(ProjectId::new("proj456")?), 1)];
    /// let options = WriteOptions::new().with_ttl(Ttl::seconds(30));
    /// assert_eq!(cache.set_many_with(&values, &options).await?, [true]);
    /// # Ok(()) }
    /// ```
    pub async fn set_many_with(
        &self,
        values: &[(K, V)],
        options: &WriteOptions,
    ) -> Result<Vec<bool>> {
        let Some(_) = &self.tags else {
            let values = values.iter().map(|(key, value)| (self.place(key), value));
            return self.access.set_many(values, options).await;
        };
        // One batch for all keys with the same tags.
        let mut batches: Vec<(WriteOptions, Vec<usize>)> = Vec::new();
        for (place, (key, _)) in values.iter().enumerate() {
            let options = self.with_tags(key, options)?.into_owned();
            match batches.iter_mut().find(|(known, _)| *known == options) {
                Some((_, places)) => places.push(place),
                None => batches.push((options, vec![place])),
            }
        }
        let mut written = vec![false; values.len()];
        let mut sent = false;
        for (options, places) in batches {
            let batch = places.iter().map(|&place| {
                let (key, value) = &values[place];
                (self.place(key), value)
            });
            let answers = self.access.set_many(batch, &options).await;
            let answers = answers.map_err(|error| match sent {
                true => error.with_may_have_applied(true),
                false => error,
            })?;
            sent = true;
            for (place, answer) in places.into_iter().zip(answers) {
                written[place] = answer;
            }
        }
        Ok(written)
    }

    /// Removes a value; answers whether there was an entry.
    ///
    /// # Errors
    /// Those of the [store](Store).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// cache.set(&key, &1).await?;
    /// assert!(cache.remove(&key).await?);
    /// assert!(!cache.remove(&key).await?);
    /// # Ok(()) }
    /// ```
    pub async fn remove(&self, key: &K) -> Result<bool> {
        let key = self.key(key);
        let telling = self.announcer.as_ref();
        let telling = telling.and_then(|told| told.removal(|| Cleared::Keys(vec![key.clone()])));
        Telling::end(telling, self.access.remove(&key).await)
    }

    /// Removes many values in one round trip; answers how many entries there were.
    ///
    /// # Errors
    /// Those of the [store](Store).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let project = ProjectId::new("proj456")?;
    /// let keys = [ProjectKey::recent_issues(project.clone()), ProjectKey::file_tree(project)];
    /// cache.set(&keys[1], &7).await?;
    /// assert_eq!(cache.remove_many(&keys).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn remove_many(&self, keys: &[K]) -> Result<u64> {
        let keys = self.keys(keys);
        let telling = self.announcer.as_ref();
        let telling = telling.and_then(|told| told.removal(|| Cleared::Keys(keys.clone())));
        Telling::end(telling, self.access.remove_many(&keys).await)
    }

    /// What is left of an entry's life. Counts as no request.
    ///
    /// # Errors
    /// Those of the [store](Store).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// # use cachekit_patterns::Cache;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::KeyExpiry;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let store = Arc::new(MemoryStore::new());
    /// let cache = Cache::<ProjectKey, u32>::builder(store, KeySchema::plain()).build()?;
    /// let key = ProjectKey::file_tree(ProjectId::new("proj456")?);
    /// assert_eq!(cache.expiry(&key).await?, KeyExpiry::Missing);
    /// # Ok(()) }
    /// ```
    pub async fn expiry(&self, key: &K) -> Result<KeyExpiry> {
        let key = self.key(key);
        self.access.expiry(&key).await
    }

    /// The name under which reads and loads are reported.
    ///
    /// # Examples
    /// See [`CacheBuilder::named`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.access.family()
    }

    /// The lifetime of entries, before jitter.
    ///
    /// # Examples
    /// See [`Cache::builder`].
    #[must_use]
    pub fn ttl(&self) -> Ttl {
        self.access.lifetime().ttl
    }

    /// Hits and misses of this cache and its clones, since it was built.
    ///
    /// # Examples
    /// See [`Cache`].
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.access.base().counters.snapshot()
    }

    /// The options of a write with the tags that the cache declares.
    fn with_tags<'o>(&self, key: &K, options: &'o WriteOptions) -> Result<Cow<'o, WriteOptions>> {
        let Some(tags) = &self.tags else {
            return Ok(Cow::Borrowed(options));
        };
        let mut options = options.clone();
        options.tags.extend(tags(key)?);
        Ok(Cow::Owned(options))
    }

    /// All tags of a key's entry.
    pub(crate) fn tags_of(&self, key: &K, more: &[Tag]) -> Result<Vec<Tag>> {
        let mut all = more.to_vec();
        if let Some(declared) = &self.tags {
            all.extend(declared(key)?);
        }
        Ok(all)
    }

    pub(crate) fn key(&self, key: &K) -> Key {
        self.access.base().schema.key(key)
    }

    pub(crate) fn place(&self, key: &K) -> Place {
        self.access.base().schema.key_with_roots(key)
    }

    pub(crate) fn keys(&self, keys: &[K]) -> Vec<Key> {
        keys.iter().map(|key| self.key(key)).collect()
    }
}

impl<K, V> Cache<K, V> {
    /// The same cache, with its loads on another tracker.
    pub(crate) fn on_tracker(&self, tasks: Tasks) -> Self {
        Self {
            tasks,
            announcer: None,
            ..self.clone()
        }
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self {
            access: self.access.clone(),
            engine: Arc::clone(&self.engine),
            tags: self.tags.clone(),
            tasks: self.tasks.clone(),
            announcer: self.announcer.clone(),
            types: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("access", &self.access)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}
