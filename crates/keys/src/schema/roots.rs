//! Roots: what an owner's keys have in common, and where their index is.
//!
//! The schema says to which roots a key belongs; what an index holds, and how it is kept, is the business of its user.

use bytes::Bytes;

use crate::{
    CompanionKind, Key, KeyFamily, KeySchema, ProjectId, ProjectKey, SessionId, SessionKey, Tag,
    path::ANALYSIS,
};

/// What stands for a set of keys: all of a session, of a project, of its analyses, of the owner in a family of your own,
/// or all that carry a tag.
///
/// It is no key that holds anything. Its [index](Self::index) is, which says which keys the set has at the moment.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeySchema, SessionId};
///
/// let root = KeySchema::plain().session_root(&SessionId::new("abc123")?);
/// assert_eq!(root.key().as_str(), Some("session:abc123"));
/// assert_eq!(root.index().as_str(), Some("ck:index:{session:abc123}"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Root {
    key: Key,
    kind: CompanionKind,
}

impl Root {
    /// The name of the set: what its keys start with, or the tag.
    ///
    /// # Examples
    ///
    /// See [`Root`].
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The key of the index. In [`KeyFormat::Sharded`](crate::KeyFormat::Sharded) it shares the slot of all the owner's keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, ProjectId, ProjectKey};
    /// let (schema, project) = (KeySchema::sharded(), ProjectId::new("proj456")?);
    /// let index = schema.project_root(&project).index();
    /// assert_eq!(index.as_str(), Some("ck:index:{proj456}:project:{proj456}"));
    /// assert_eq!(index.slot(), schema.key(&ProjectKey::file_tree(project)).slot());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn index(&self) -> Key {
        self.key.beside(self.kind)
    }

    /// The key that says for a while that the set was cleared, beside its index and in the slot of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Tag};
    /// let root = KeySchema::plain().tag_root(&Tag::new("release-7")?);
    /// assert_eq!(root.cleared().slot(), root.index().slot());
    /// assert_ne!(root.cleared(), root.index());
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn cleared(&self) -> Key {
        self.key.beside(CompanionKind::Cleared)
    }

    fn of_owner(text: impl Into<Bytes>) -> Self {
        Self {
            key: Key::from_rendered(text),
            kind: CompanionKind::Index,
        }
    }
}

/// The roots that one key belongs to: its owner's, and for an analysis also that of the project's analyses.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{ContentHash, KeySchema, ProjectId, ProjectKey, Roots};
///
/// let (schema, project) = (KeySchema::plain(), ProjectId::new("proj456")?);
/// let (_, roots) = schema.key_with_roots(&ProjectKey::analysis(project.clone(), ContentHash::of("fn")));
/// assert!(roots.iter().eq([&schema.project_root(&project), &schema.analyses_root(&project)]));
/// assert!(Roots::default().is_empty());
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roots {
    owner: Option<Root>,
    analyses: Option<Root>,
}

impl Roots {
    /// The roots, the owner's first.
    ///
    /// # Examples
    ///
    /// See [`Roots`].
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.owner.iter().chain(&self.analyses)
    }

    /// Whether the key has no owner.
    ///
    /// # Examples
    ///
    /// See [`Roots`].
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.owner.is_none()
    }

    /// The owner's root.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, SessionId, SessionKey};
    /// let (schema, session) = (KeySchema::plain(), SessionId::new("abc123")?);
    /// let (_, roots) = schema.key_with_roots(&SessionKey::current_file(session.clone()));
    /// assert_eq!(roots.owner(), Some(&schema.session_root(&session)));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn owner(&self) -> Option<&Root> {
        self.owner.as_ref()
    }
}

impl KeySchema {
    /// Renders a key as [`KeySchema::key`] does, and says to which roots it belongs.
    ///
    /// The owner's root is named by the family and the owner: `cart:u1` for every key of a family `cart` that is owned by
    /// `u1`, wherever in its shapes the owner stands. A key without an owner has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Namespace, ProjectId, ProjectKey};
    /// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
    /// let (key, roots) = schema.key_with_roots(&ProjectKey::file_tree(ProjectId::new("proj456")?));
    /// assert_eq!(key.as_str(), Some("staging:project:proj456:file_tree"));
    /// assert_eq!(roots.owner().unwrap().key().as_str(), Some("staging:project:proj456"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn key_with_roots<K: KeyFamily>(&self, key: &K) -> (Key, Roots) {
        let family = K::SHAPES[key.shape()].family();
        let (text, owner) = self.render(key);
        let text = Bytes::from(text);
        let key = Key::from_rendered(text.clone());
        let Some(owner) = owner else {
            return (key, Roots::default());
        };
        let namespace = self.namespace.as_ref();
        let prefix = namespace.map_or(0, |namespace| namespace.as_encoded().len() + 1);
        let head = prefix + family.len() + 1;
        let root = if owner.start == head {
            text.slice(..owner.end)
        } else {
            Bytes::from([&text[..head], &text[owner.clone()]].concat())
        };
        let is_analysis = family == ProjectKey::SHAPES[0].family()
            && key.as_bytes()[owner.end + 1..].starts_with(ANALYSIS.as_bytes())
            && text.get(owner.end + 1 + ANALYSIS.len()) == Some(&b':');
        let analyses = is_analysis.then(|| text.slice(..=owner.end + ANALYSIS.len()));
        let roots = Roots {
            owner: Some(Root::of_owner(root)),
            analyses: analyses.map(Root::of_owner),
        };
        (key, roots)
    }

    /// What stands for all keys of a session.
    ///
    /// # Examples
    ///
    /// See [`Root`].
    #[must_use]
    pub fn session_root(&self, session: &SessionId) -> Root {
        Root::of_owner(self.owner_text(&SessionKey::SHAPES[0], session))
    }

    /// What stands for all keys of a project.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// let root = KeySchema::sharded().project_root(&ProjectId::new("proj456")?);
    /// assert_eq!(root.key().as_str(), Some("project:{proj456}"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn project_root(&self, project: &ProjectId) -> Root {
        Root::of_owner(self.owner_text(&ProjectKey::SHAPES[0], project))
    }

    /// What stands for all analyses of a project.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, ProjectId};
    /// let root = KeySchema::plain().analyses_root(&ProjectId::new("proj456")?);
    /// assert_eq!(root.index().as_str(), Some("ck:index:{project:proj456:analysis}"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn analyses_root(&self, project: &ProjectId) -> Root {
        Root::of_owner(self.owner_text(&ProjectKey::SHAPES[0], project) + ":" + ANALYSIS)
    }

    /// What stands for all keys that carry a tag, within the namespace. On a cluster its index is in another slot than most
    /// of them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Tag};
    /// let root = KeySchema::plain().tag_root(&Tag::new("release 7")?);
    /// assert_eq!(root.index().as_str(), Some("ck:tag:{release%207}"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn tag_root(&self, tag: &Tag) -> Root {
        Root {
            key: Key::from_rendered(self.prefix() + tag.as_encoded()),
            kind: CompanionKind::Tag,
        }
    }

    /// The key that says for a while that keys of the namespace were cleared by a pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeySchema, Namespace};
    /// let schema = KeySchema::plain().with_namespace(Namespace::new("staging")?);
    /// assert_eq!(schema.cleared().as_str(), Some("ck:cleared:{staging:*}"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn cleared(&self) -> Key {
        Key::from_rendered(self.prefix() + "*").beside(CompanionKind::Cleared)
    }
}
