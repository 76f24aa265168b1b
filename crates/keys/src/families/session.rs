//! Keys of the session level: `session:{session_id}:{key}`.
//!
//! Whole-session patterns are made by the schema.

use crate::{
    FieldReader, FieldWriter, KeyError, KeyFamily, KeyPath, Level, Part, SessionId, Shape,
};

/// `session:{session_id}:{key}`: what one session is working on.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeyPath, KeySchema, SessionId, SessionKey};
///
/// let key = SessionKey::new(SessionId::new("abc")?, KeyPath::new("notes:1")?);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("session:abc:notes:1"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    session: SessionId,
    path: KeyPath,
}

impl SessionKey {
    /// Any key of a session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, SessionId, SessionKey};
    /// let key = SessionKey::new(SessionId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.path().as_encoded(), "notes");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn new(session: SessionId, path: KeyPath) -> Self {
        Self { session, path }
    }

    /// `session:{session_id}:code_snippet`: the code being edited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{SessionId, SessionKey};
    /// assert_eq!(SessionKey::code_snippet(SessionId::new("abc")?).path().as_encoded(), "code_snippet");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn code_snippet(session: SessionId) -> Self {
        Self::new(session, KeyPath::literal("code_snippet"))
    }

    /// `session:{session_id}:current_file`: the file being viewed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{SessionId, SessionKey};
    /// assert_eq!(SessionKey::current_file(SessionId::new("abc")?).path().as_encoded(), "current_file");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn current_file(session: SessionId) -> Self {
        Self::new(session, KeyPath::literal("current_file"))
    }

    /// `session:{session_id}:user_preferences`: the user's preferences.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{SessionId, SessionKey};
    /// assert_eq!(SessionKey::user_preferences(SessionId::new("abc")?).path().as_encoded(), "user_preferences");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn user_preferences(session: SessionId) -> Self {
        Self::new(session, KeyPath::literal("user_preferences"))
    }

    /// The session that owns the key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, SessionId, SessionKey};
    /// let key = SessionKey::new(SessionId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.session().as_encoded(), "abc");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }

    /// What stands behind the owner.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, SessionId, SessionKey};
    /// let key = SessionKey::new(SessionId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.path().as_encoded(), "notes");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn path(&self) -> &KeyPath {
        &self.path
    }
}

impl KeyFamily for SessionKey {
    const SHAPES: &'static [Shape] = &[Shape::built_in("session", &[Part::Owner, Part::Path])];
    const LEVEL: Level = Level::Session;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.session).path(&self.path);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            session: fields.owner()?,
            path: fields.path()?,
        })
    }
}
