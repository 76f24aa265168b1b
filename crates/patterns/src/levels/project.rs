//! The project level, and analyses by the hash of what was analysed.

use std::error::Error as StdError;

use cachekit_keys::{ContentHash, Key, ProjectId, ProjectKey};
use cachekit_store::Result;
use serde::{Serialize, de::DeserializeOwned};

use super::{handle::LevelCache, loading::value};
use crate::{Cached, LoadContext, LoadOptions, Loaded, WriteOptions, index::Place};

/// What is known of one project: names under `project:{id}:`, for an hour unless set otherwise.
///
/// Analyses are kept by the [hash](ContentHash) of the code, so that the same code is analysed once whatever its file is
/// called: [`set_analysis`](LevelCache::set_analysis) hashes the exact bytes, and the methods that end in `_at` take a hash
/// made in another way, such as [`ContentHash::of_text`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::{KeySchema, ProjectId};
/// use cachekit_patterns::{LevelCaches, ProjectCache};
/// use cachekit_store::{Error, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
/// let project: ProjectCache = levels.project(&ProjectId::new("proj456")?);
///
/// let code = "fn main() {}";
/// project.set_analysis(code, &("findings", 0)).await?;
/// let cached: Option<(String, u32)> = project.get_analysis(code).await?;
/// assert_eq!(cached, Some(("findings".to_owned(), 0)));
/// # Ok(()) }
/// ```
pub type ProjectCache = LevelCache<ProjectId>;

/// One of two values, written as what it is.
#[derive(Serialize)]
#[serde(untagged)]
enum Either<'a, T: ?Sized, I: ?Sized> {
    Tree(&'a T),
    Issues(&'a I),
}

impl LevelCache<ProjectId> {
    /// Which project it is.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let id = ProjectId::new("proj456")?;
    /// assert_eq!(levels.project(&id).id(), &id);
    /// # Ok::<(), cachekit_store::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &ProjectId {
        &self.scope
    }

    /// The analysis of code with exactly these bytes, or `None` on a miss.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`ProjectCache`].
    #[doc(alias = "get_cached_analysis")]
    pub async fn get_analysis<V: DeserializeOwned>(
        &self,
        code: impl AsRef<[u8]>,
    ) -> Result<Option<V>> {
        let hash = ContentHash::of(code);
        self.get_analysis_at(&hash).await
    }

    /// Stores the analysis of code with exactly these bytes; answers their hash.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`ProjectCache`].
    #[doc(alias = "cache_analysis_result")]
    pub async fn set_analysis<V: Serialize + ?Sized>(
        &self,
        code: impl AsRef<[u8]>,
        value: &V,
    ) -> Result<ContentHash> {
        let hash = ContentHash::of(code);
        self.set_analysis_at(&hash, value, &WriteOptions::new())
            .await?;
        Ok(hash)
    }

    /// The analysis of a text like this one: line ends, and white space at the end of lines and of the text, do not count.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`set_analysis_text`](Self::set_analysis_text).
    pub async fn get_analysis_text<V: DeserializeOwned>(&self, text: &str) -> Result<Option<V>> {
        self.get_analysis_at(&ContentHash::of_text(text)).await
    }

    /// Stores the analysis of a text as [`get_analysis_text`](Self::get_analysis_text) finds it; answers its hash. It is
    /// another entry than that of the exact bytes.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// project.set_analysis_text("a\nb\n", &2).await?;
    /// assert_eq!(project.get_analysis_text::<u32>("a  \r\nb").await?, Some(2));
    /// assert_eq!(project.get_analysis::<u32>("a\nb\n").await?, None);
    /// # Ok(()) }
    /// ```
    pub async fn set_analysis_text<V: Serialize + ?Sized>(
        &self,
        text: &str,
        value: &V,
    ) -> Result<ContentHash> {
        let hash = ContentHash::of_text(text);
        self.set_analysis_at(&hash, value, &WriteOptions::new())
            .await?;
        Ok(hash)
    }

    /// The analysis of what has this hash, or `None` on a miss.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// See [`set_analysis_at`](Self::set_analysis_at).
    pub async fn get_analysis_at<V: DeserializeOwned>(
        &self,
        code: &ContentHash,
    ) -> Result<Option<V>> {
        let key = self.analysis_key(code);
        self.access.get(&key).await
    }

    /// The analyses of what has these hashes, in their order and in one round trip.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::ContentHash;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let known = project.set_analysis("fn main() {}", &1).await?;
    /// let found: Vec<Option<u32>> = project.get_analyses_at(&[ContentHash::of("new"), known]).await?;
    /// assert_eq!(found, [None, Some(1)]);
    /// # Ok(()) }
    /// ```
    pub async fn get_analyses_at<V: DeserializeOwned>(
        &self,
        code: &[ContentHash],
    ) -> Result<Vec<Option<V>>> {
        let keys: Vec<Key> = code.iter().map(|hash| self.analysis_key(hash)).collect();
        self.access.get_many(&keys).await
    }

    /// Stores the analysis of what has this hash, with options of its own; answers whether it was written, which a
    /// condition can prevent.
    ///
    /// # Errors
    /// Those of the [type](Self#errors).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::{ContentHash, Ttl};
    /// use cachekit_patterns::WriteOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let hash = ContentHash::of_parts(&[b"fn main() {}", b"strict rules"]);
    /// let long = WriteOptions::new().with_ttl(Ttl::seconds(86_400));
    /// assert!(project.set_analysis_at(&hash, &1, &long).await?);
    /// assert_eq!(project.get_analysis_at::<u32>(&hash).await?, Some(1));
    /// # Ok(()) }
    /// ```
    pub async fn set_analysis_at<V: Serialize + ?Sized>(
        &self,
        code: &ContentHash,
        value: &V,
        options: &WriteOptions,
    ) -> Result<bool> {
        self.access.set(self.analysis(code), value, options).await
    }

    /// The analysis of code with exactly these bytes: from the cache, or made and put there. In the whole fleet one analysis is
    /// made of one content, whatever its file is called and whoever asks.
    ///
    /// It is a [`get_or_load`](LevelCache::get_or_load) by the content's hash, and inherits all of it. The analyses go with
    /// [`clear_analyses`](Self::clear_analyses), also one that is being made.
    ///
    /// # Errors
    /// Those of [`get_or_load`](LevelCache::get_or_load).
    ///
    /// # Cancel safety
    /// A dropped call ends no analysis: it goes on, and is stored.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let code = "def hello(): pass";
    /// let lines = project
    ///     .get_or_analyze(code, move || async move { Ok::<_, std::io::Error>(code.lines().count()) })
    ///     .await?;
    /// assert_eq!(lines, 1);
    /// assert_eq!(project.get_analysis(code).await?, Some(lines));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_analyze<V, F, Fut, T, E>(
        &self,
        code: impl AsRef<[u8]>,
        analyze: F,
    ) -> Result<V>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let hash = ContentHash::of(code);
        let options = LoadOptions::new();
        let cached = self.get_or_analyze_at(&hash, &options, |_| analyze());
        value(&self.analysis_key(&hash), cached.await?)
    }

    /// The analysis of what has this hash, with options of its own: as [`fetch_with`](LevelCache::fetch_with) tells it.
    ///
    /// # Errors
    /// Those of [`fetch_with`](LevelCache::fetch_with).
    ///
    /// # Cancel safety
    /// As [`get_or_analyze`](Self::get_or_analyze).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::ContentHash;
    /// use cachekit_patterns::{Cached, LoadOptions, Origin};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// let hash = ContentHash::of_parts(&[b"fn main() {}", b"strict rules"]);
    /// let seen: Cached<u32> = project
    ///     .get_or_analyze_at(&hash, &LoadOptions::new(), |_| async { Ok::<_, std::io::Error>(3) })
    ///     .await?;
    /// assert_eq!((seen.value, seen.origin), (Some(3), Origin::Loaded));
    /// # Ok(()) }
    /// ```
    pub async fn get_or_analyze_at<V, F, Fut, T, E>(
        &self,
        code: &ContentHash,
        options: &LoadOptions,
        analyze: F,
    ) -> Result<Cached<V>>
    where
        V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: FnOnce(LoadContext<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.fetch_at(self.analysis(code), options, analyze).await
    }

    /// Stores what a project is opened with, its file tree and its recent issues, in one batch.
    ///
    /// # Errors
    /// Those of [`set_many`](LevelCache::set_many).
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// project.warm(&["src/main.rs"], &[("1", "high")]).await?;
    /// let tree: Option<Vec<String>> = project.get("file_tree").await?;
    /// let issues: Option<Vec<(String, String)>> = project.get("recent_issues").await?;
    /// assert!(tree.is_some() && issues.is_some());
    /// # Ok(()) }
    /// ```
    #[doc(alias = "warm_project_cache")]
    pub async fn warm<T, I>(&self, file_tree: &T, recent_issues: &I) -> Result<()>
    where
        T: Serialize + ?Sized + Sync,
        I: Serialize + ?Sized + Sync,
    {
        let values = [
            ("file_tree", Either::Tree(file_tree)),
            ("recent_issues", Either::Issues(recent_issues)),
        ];
        self.set_many(&values).await
    }

    /// Removes everything of this project and of no other; answers how many entries there were.
    ///
    /// They are found through an index that every write of this crate keeps, so that the cost is that of the entries and not
    /// of the keyspace: two round trips for up to a thousand. What other programs wrote is not found: see
    /// [`Invalidation`](crate::Invalidation) and [`clear_exhaustive`](Self::clear_exhaustive). A write at the same time survives as a
    /// whole, or is cleared.
    ///
    /// # Errors
    /// Those of the store. Once entries have been removed, a later failure says that the change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`clear_analyses`](Self::clear_analyses).
    #[doc(alias = "invalidate_project_on_change")]
    pub async fn clear(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_project(&self.scope).await
    }

    /// Removes this project's analyses and nothing else, as [`clear`](Self::clear) does; answers how many there were. For a
    /// new version of what analyses.
    ///
    /// # Errors
    /// Those of [`clear`](Self::clear).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the analyses.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// project.set("file_tree", &["src/main.rs"]).await?;
    /// project.set_analysis("fn main() {}", &1).await?;
    /// assert_eq!(project.clear_analyses().await?, 1);
    /// assert_eq!(project.clear().await?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "invalidate_analysis_on_new_version")]
    pub async fn clear_analyses(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_analyses(&self.scope).await
    }

    /// Removes everything of this project, whoever wrote it; answers how many entries there were.
    ///
    /// After [`clear`](Self::clear), the whole keyspace is walked for what the index did not list, in bounded batches. What
    /// is written meanwhile may survive.
    ///
    /// # Errors
    /// Those of [`clear`](Self::clear).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`clear_analyses_exhaustive`](Self::clear_analyses_exhaustive).
    pub async fn clear_exhaustive(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_project_exhaustive(&self.scope).await
    }

    /// Removes this project's analyses and nothing else, whoever wrote them, as
    /// [`clear_exhaustive`](Self::clear_exhaustive) does; answers how many there were.
    ///
    /// # Errors
    /// Those of [`clear`](Self::clear).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the analyses.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{Key, KeySchema, ProjectId, Ttl};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_store::StoreExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// let levels = LevelCaches::builder(store.clone(), KeySchema::plain()).build()?;
    /// for foreign in ["project:proj456:analysis:1", "project:proj456:file_tree"] {
    ///     store.set_ttl(&Key::from_raw(foreign)?, "7".into(), Ttl::seconds(60)).await?;
    /// }
    /// let project = levels.project(&ProjectId::new("proj456")?);
    /// assert_eq!(project.clear_analyses_exhaustive().await?, 1);
    /// assert_eq!(project.clear_exhaustive().await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn clear_analyses_exhaustive(&self) -> Result<u64> {
        let invalidation = self.invalidation();
        invalidation.clear_analyses_exhaustive(&self.scope).await
    }

    fn analysis(&self, code: &ContentHash) -> Place {
        let key = ProjectKey::analysis(self.scope.clone(), *code);
        self.access.base().schema.key_with_roots(&key)
    }

    fn analysis_key(&self, code: &ContentHash) -> Key {
        self.analysis(code).0
    }
}
