//! Deleting what belongs together: an owner's keys and those with a tag through their index, others by pattern.
//!
//! An index costs what it lists. A pattern needs a walk over the whole keyspace on any server: for operators and for rare
//! events.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use cachekit_keys::{Channel, KeyFamily, KeySchema, Pattern, ProjectId, Root, SessionId, Tag};
use cachekit_store::{Error, ErrorKind, Result, Store, SubscribeRequest};

use crate::{Announcements, Announcer, Cleared, announce::Telling, index, lease};

/// Deletes what belongs together, within one schema. Cheap to clone.
///
/// # What an index knows
/// Every write of this crate enters its key into the index of its owner, and of the tags that it declares. Clearing by
/// index takes two round trips for up to a thousand keys, and two for each further thousand, whatever else the store holds.
/// It does not find what was written without the index: by other programs, by versions of this crate that kept none, or before
/// the server evicted the index. The exhaustive forms of the handles find that too, as does
/// [`delete_by_pattern`](Self::delete_by_pattern).
///
/// A write that takes place at the same time survives as a whole, and is found by the next clearing, or is cleared. On a
/// cluster that holds for keys outside the index's slot too, with one exception: a writer that dies between its two
/// steps while it is being cleared can leave a value that no index lists, for the rest of its lifetime.
///
/// A key that is removed alone stays listed until its lifetime would have ended, which costs a few bytes and nothing else.
///
/// A store without the capability [`scripts`](cachekit_store::Capabilities::scripts) keeps no indices. There owners are
/// cleared by walking over the keyspace, and what has no pattern is [`Unsupported`](ErrorKind::Unsupported). On a server with
/// access control lists, the user needs `~ck:*` beside its own keys.
///
/// # Announcements
/// With an [`Announcer`], each clearing is announced to other caches once it has taken place; see there for which, and for
/// what becomes of an announcement that fails. [`announcements`](Self::announcements) listens.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use cachekit_keys::KeySchema;
/// use cachekit_patterns::Invalidation;
/// use cachekit_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
/// assert_eq!(invalidation.delete_by_pattern("project:proj456:*").await?, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Invalidation {
    store: Arc<dyn Store>,
    schema: KeySchema,
    announcer: Option<Announcer>,
}

impl Invalidation {
    /// Deletes in `store` what `schema` names.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Invalidation;
    /// # use cachekit_store::MemoryStore;
    /// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    /// ```
    #[must_use]
    pub fn new(store: Arc<dyn Store>, schema: KeySchema) -> Self {
        Self {
            store,
            schema,
            announcer: None,
        }
    }

    /// Announces what is cleared from now on. Without an announcer nobody is told.
    ///
    /// # Examples
    /// See [`Announcer`].
    #[must_use]
    pub fn with_announcer(mut self, announcer: Announcer) -> Self {
        self.announcer = Some(announcer);
        self
    }

    /// Who announces what is cleared.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Invalidation;
    /// # use cachekit_store::MemoryStore;
    /// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    /// assert!(invalidation.announcer().is_none());
    /// ```
    #[must_use]
    pub const fn announcer(&self) -> Option<&Announcer> {
        self.announcer.as_ref()
    }

    /// Listens to what is invalidated from now on: by whichever process, as far as it announces, and by this one too.
    ///
    /// # Errors
    /// Those of [`Store::subscribe`].
    ///
    /// # Cancel safety
    /// A dropped call leaves no subscription behind.
    ///
    /// # Examples
    /// See [`Announcements`].
    pub async fn announcements(&self) -> Result<Announcements> {
        let channel = self.schema.channel_name(&Channel::CACHE_INVALIDATION);
        let request = SubscribeRequest::channel(channel);
        self.store.subscribe(request).await.map(Announcements::new)
    }

    /// Deletes the keys of a known family that match a text such as `project:proj456:*`; answers how many existed.
    ///
    /// The text is written as in the plain format and without a namespace, and rendered as the schema renders keys, so that
    /// it means the same in every format and never reaches another namespace. The whole keyspace is walked, in bounded
    /// batches, and on a cluster once more before it, for the loads under way. None of them brings back what was deleted;
    /// elsewhere the loads of other keys in the namespace are not stored either, if they take place at this moment, and are
    /// made once more. Keys under the reserved prefix `ck:` are passed over, and keys written meanwhile may survive.
    ///
    /// # Errors
    /// [`InvalidInput`](cachekit_store::ErrorKind::InvalidInput) for a text that starts with no built-in family (`*` too)
    /// or can match no key of it; use [`delete_matching`](Self::delete_matching) for others. Else those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::Invalidation;
    /// use cachekit_store::{ErrorKind, MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let invalidation = Invalidation::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    /// let refused = invalidation.delete_by_pattern("*").await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// # Ok(()) }
    /// ```
    pub async fn delete_by_pattern(&self, text: &str) -> Result<u64> {
        let pattern = self.schema.pattern(text)?;
        let telling = self.telling(|| Cleared::Pattern(pattern.clone()));
        let word = lease::word_of(&*self.store, &self.schema);
        let removed = lease::remove_matching(&*self.store, &pattern, word.as_ref()).await;
        Telling::end(telling, removed)
    }

    /// Deletes the keys that match a pattern made by a [`KeySchema`], with [`Pattern::raw`], or with
    /// [`Pattern::everything`]; answers how many existed.
    ///
    /// A raw pattern is taken as it is, namespace or not, and means the server's keys. [`Pattern::everything`] means
    /// everything of the schema's namespace, or of the server where it has none. Otherwise as
    /// [`delete_by_pattern`](Self::delete_by_pattern).
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// A dropped call has deleted some of the keys.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_patterns::Invalidation;
    /// use cachekit_keys::{Key, KeySchema, Pattern, Ttl};
    /// use cachekit_store::{MemoryStore, StoreExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// store.set_ttl(&Key::from_raw("theirs:1")?, "x".into(), Ttl::seconds(60)).await?;
    /// let invalidation = Invalidation::new(store, KeySchema::plain());
    /// assert_eq!(invalidation.delete_matching(&Pattern::raw("theirs:*")?).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<u64> {
        if pattern.is_everything() {
            let telling = self.telling(|| Cleared::Everything);
            let removed = lease::remove_matching(&*self.store, &self.schema.all_keys(), None).await;
            return Telling::end(telling, removed);
        }
        self.remove_matching(pattern).await
    }

    /// Removes everything of a session and of no other; answers how many entries there were.
    ///
    /// # Errors
    /// Those of the store. Once entries have been removed, a later failure says that the change may have been applied.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, SessionId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let id = SessionId::new("abc123")?;
    /// levels.session(&id).set("line", &7).await?;
    /// assert_eq!(levels.invalidation().clear_session(&id).await?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "invalidate_session_on_logout")]
    pub async fn clear_session(&self, session: &SessionId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Session(session.clone()));
        Telling::end(telling, self.clear_session_quietly(session).await)
    }

    /// Removes everything of a project and of no other; answers how many entries there were.
    ///
    /// # Errors
    /// Those of [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`clear_analyses`](Self::clear_analyses).
    #[doc(alias = "invalidate_project_on_change")]
    pub async fn clear_project(&self, project: &ProjectId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Project(project.clone()));
        Telling::end(telling, self.clear_project_quietly(project).await)
    }

    /// Removes a project's analyses and nothing else; answers how many there were.
    ///
    /// # Errors
    /// Those of [`clear_session`](Self::clear_session).
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
    /// let id = ProjectId::new("proj456")?;
    /// levels.project(&id).set_analysis("fn main() {}", &1).await?;
    /// levels.project(&id).set("file_tree", &["src/main.rs"]).await?;
    /// let invalidation = levels.invalidation();
    /// assert_eq!(invalidation.clear_analyses(&id).await?, 1);
    /// assert_eq!(invalidation.clear_project(&id).await?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "invalidate_analysis_on_new_version")]
    pub async fn clear_analyses(&self, project: &ProjectId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Analyses(project.clone()));
        Telling::end(telling, self.clear_analyses_quietly(project).await)
    }

    /// Removes everything that the owner of `key` has in the key's family, which may be one of your own; answers how many
    /// entries there were.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a key without an owner, [`Unsupported`](ErrorKind::Unsupported) on a
    /// store that runs no scripts. Else those of [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::KeySchema;
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::{RateLimitKey, UserId};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let user = UserId::new("user123")?;
    /// let (daily, monthly) = (
    ///     RateLimitKey::DailyLimit { user: user.clone() },
    ///     RateLimitKey::MonthlyLimit { user },
    /// );
    /// let limits = levels.cache::<RateLimitKey, u32>().build()?;
    /// limits.set_many(&[(daily.clone(), 100), (monthly, 1_000)]).await?;
    /// assert_eq!(levels.invalidation().clear_owner(&daily).await?, 2);
    /// # Ok(()) }
    /// ```
    pub async fn clear_owner<K: KeyFamily>(&self, key: &K) -> Result<u64> {
        let (key, roots) = self.schema.key_with_roots(key);
        let Some(root) = roots.owner() else {
            return Err(Error::new(ErrorKind::InvalidInput, "clear_owner")
                .with_detail("the key has no owner")
                .with_key(&key));
        };
        self.check_scripts("clear_owner")?;
        let telling = self.telling(|| Cleared::Owner(key));
        Telling::end(telling, index::clear(&*self.store, root, None).await)
    }

    /// Removes everything that carries a tag, whoever owns it; answers how many entries there were.
    ///
    /// An entry carries the tags of [`WriteOptions::with_tags`](crate::WriteOptions::with_tags), each for as long as the write
    /// that declared it was to live.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) on a store that runs no scripts. Else those of
    /// [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// # use cachekit_patterns::LevelCaches;
    /// # use cachekit_store::MemoryStore;
    /// use cachekit_keys::Tag;
    /// use cachekit_patterns::WriteOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// # let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain()).build()?;
    /// let release = Tag::new("release-7")?;
    /// let tagged = WriteOptions::new().with_tags([release.clone()]);
    /// levels.project(&ProjectId::new("proj456")?).set_with("file_tree", &["a.rs"], &tagged).await?;
    /// levels.global().set_with("flags:beta", &true, &tagged).await?;
    /// assert_eq!(levels.invalidation().invalidate_tag(&release).await?, 2);
    /// # Ok(()) }
    /// ```
    pub async fn invalidate_tag(&self, tag: &Tag) -> Result<u64> {
        self.check_scripts("invalidate_tag")?;
        let telling = self.telling(|| Cleared::Tag(tag.clone()));
        let root = self.schema.tag_root(tag);
        let cleared = match self.clear_tag(&root).await {
            // What has been removed by now made room for the word.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                self.clear_tag_without_word(&root, error).await
            }
            cleared => cleared,
        };
        Telling::end(telling, cleared)
    }

    /// Removes everything of a session, whoever wrote it: by its index, and then by a walk over the whole keyspace for what
    /// the index did not list.
    ///
    /// # Errors
    /// Those of [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`clear_analyses_exhaustive`](Self::clear_analyses_exhaustive).
    pub async fn clear_session_exhaustive(&self, session: &SessionId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Session(session.clone()));
        let listed = self.clear_session_quietly(session).await;
        let keys = self.schema.session_keys(session);
        Telling::end(telling, self.exhaust(listed, &keys).await)
    }

    /// The same for a project.
    ///
    /// # Errors
    /// Those of [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the entries.
    ///
    /// # Examples
    /// See [`clear_analyses_exhaustive`](Self::clear_analyses_exhaustive).
    pub async fn clear_project_exhaustive(&self, project: &ProjectId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Project(project.clone()));
        let listed = self.clear_project_quietly(project).await;
        let keys = self.schema.project_keys(project);
        Telling::end(telling, self.exhaust(listed, &keys).await)
    }

    /// The same for a project's analyses, and nothing else of the project.
    ///
    /// # Errors
    /// Those of [`clear_session`](Self::clear_session).
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the analyses.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use cachekit_keys::{Key, KeySchema, ProjectId, Ttl};
    /// # use cachekit_patterns::Invalidation;
    /// # use cachekit_store::{MemoryStore, StoreExt};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
    /// let store = Arc::new(MemoryStore::new());
    /// // Written by another program, which keeps no index.
    /// store.set_ttl(&Key::from_raw("project:proj456:analysis:a1b2")?, "7".into(), Ttl::seconds(60)).await?;
    ///
    /// let (invalidation, project) = (Invalidation::new(store, KeySchema::plain()), ProjectId::new("proj456")?);
    /// assert_eq!(invalidation.clear_analyses(&project).await?, 0);
    /// assert_eq!(invalidation.clear_analyses_exhaustive(&project).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn clear_analyses_exhaustive(&self, project: &ProjectId) -> Result<u64> {
        let telling = self.telling(|| Cleared::Analyses(project.clone()));
        let listed = self.clear_analyses_quietly(project).await;
        let keys = self.schema.analyses(project);
        Telling::end(telling, self.exhaust(listed, &keys).await)
    }

    async fn clear_session_quietly(&self, session: &SessionId) -> Result<u64> {
        let root = self.schema.session_root(session);
        self.clear_root(&root, None, || self.schema.session_keys(session))
            .await
    }

    async fn clear_project_quietly(&self, project: &ProjectId) -> Result<u64> {
        let root = self.schema.project_root(project);
        let analyses = self.schema.analyses_root(project);
        self.clear_root(&root, Some(&analyses), || self.schema.project_keys(project))
            .await
    }

    async fn clear_analyses_quietly(&self, project: &ProjectId) -> Result<u64> {
        let root = self.schema.analyses_root(project);
        let owner = self.schema.project_root(project);
        self.clear_root(&root, Some(&owner), || self.schema.analyses(project))
            .await
    }

    async fn remove_matching(&self, pattern: &Pattern) -> Result<u64> {
        let telling = self.telling(|| Cleared::Pattern(pattern.clone()));
        Telling::end(
            telling,
            lease::remove_matching(&*self.store, pattern, None).await,
        )
    }

    fn telling(&self, cleared: impl FnOnce() -> Cleared) -> Option<Telling<'_>> {
        self.announcer.as_ref()?.clearing(cleared)
    }

    async fn exhaust(&self, listed: Result<u64>, keys: &Pattern) -> Result<u64> {
        let listed = listed?;
        if !self.store.capabilities().scripts {
            return Ok(listed); // it was a walk already
        }
        let word = lease::word_of(&*self.store, &self.schema);
        match lease::remove_matching(&*self.store, keys, word.as_ref()).await {
            Ok(others) => Ok(listed + others),
            Err(error) if listed > 0 => Err(error.with_may_have_applied(true)),
            Err(error) => Err(error),
        }
    }

    async fn clear_tag(&self, root: &Root) -> Result<u64> {
        lease::announce_clearing(&*self.store, root).await?;
        index::clear(&*self.store, root, None).await
    }

    /// Removes what carries a tag although the server has no memory for the word that loads look for, and then again with it:
    /// who invalidates may well do so to make room.
    async fn clear_tag_without_word(&self, root: &Root, error: Error) -> Result<u64> {
        let removed = index::clear(&*self.store, root, None).await?;
        if removed == 0 {
            return Err(error);
        }
        let others = self.clear_tag(root).await;
        others
            .map(|others| removed + others)
            .map_err(|error| error.with_may_have_applied(true))
    }

    /// Clears by index, or by pattern where the store keeps none.
    async fn clear_root(
        &self,
        root: &Root,
        also: Option<&Root>,
        keys: impl FnOnce() -> Pattern + Send,
    ) -> Result<u64> {
        if self.store.capabilities().scripts {
            return index::clear(&*self.store, root, also).await;
        }
        lease::remove_matching(&*self.store, &keys(), None).await
    }

    fn check_scripts(&self, operation: &'static str) -> Result<()> {
        if self.store.capabilities().scripts {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, operation)
            .with_detail("the store runs no scripts, and so keeps no indices"))
    }
}
