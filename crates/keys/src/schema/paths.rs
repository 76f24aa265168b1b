//! The keys of one session or project by their paths alone: what all of them begin with is rendered once.

use std::{fmt, sync::Arc};

use super::KeySchema;
use crate::{
    FieldWriter, Key, KeyError, KeyFamily, KeyField, KeyPath, ProjectId, ProjectKey, SessionId,
    SessionKey, Shape,
};

/// Makes the keys of one session or project from their paths.
///
/// The same keys as [`KeySchema::key`] makes of a [`SessionKey`] or [`ProjectKey`], for those who make many of one owner:
/// a key costs the check of its path and one allocation.
///
/// # Examples
/// ```
/// use cachekit_keys::{KeyPath, KeySchema, SessionId, SessionKey};
///
/// let (schema, session) = (KeySchema::plain(), SessionId::new("abc123")?);
/// let keys = schema.session_paths(&session);
/// let typed = SessionKey::new(session, KeyPath::new("current_file")?);
/// assert_eq!(keys.key("current_file")?, schema.key(&typed));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PathKeys {
    /// Everything before the path, the last colon included.
    prefix: Arc<str>,
}

impl PathKeys {
    /// The key of a path, which is checked and encoded as [`KeyPath::new`] does it.
    ///
    /// # Errors
    /// Those of [`KeyPath::new`].
    ///
    /// # Examples
    /// See [`PathKeys`].
    pub fn key(&self, path: &str) -> Result<Key, KeyError> {
        let path = KeyPath::encode(path)?;
        let mut out = Vec::with_capacity(self.prefix.len() + path.len());
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(path.as_bytes());
        debug_assert!(out.len() <= Key::MAX_BYTES);
        Ok(Key::from_rendered(out))
    }
}

impl fmt::Debug for PathKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathKeys").field(&self.prefix).finish()
    }
}

impl KeySchema {
    /// Makes the keys of one session.
    ///
    /// # Examples
    /// See [`PathKeys`].
    #[must_use]
    pub fn session_paths(&self, session: &SessionId) -> PathKeys {
        self.paths_of(&SessionKey::SHAPES[0], session)
    }

    /// Makes the keys of one project.
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::{KeySchema, ProjectId};
    ///
    /// let keys = KeySchema::sharded().project_paths(&ProjectId::new("proj456")?);
    /// assert_eq!(keys.key("file_tree")?.as_str(), Some("project:{proj456}:file_tree"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn project_paths(&self, project: &ProjectId) -> PathKeys {
        self.paths_of(&ProjectKey::SHAPES[0], project)
    }

    fn paths_of<F: KeyField>(&self, shape: &Shape, owner: &F) -> PathKeys {
        let mut prefix = self.prefix();
        FieldWriter::new(&mut prefix, shape, self.is_sharded()).owner(owner);
        prefix.push(':');
        PathKeys {
            prefix: prefix.into(),
        }
    }
}
