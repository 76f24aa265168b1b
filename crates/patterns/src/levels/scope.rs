//! Whose names a level handle uses.

use std::fmt;

use cachekit_keys::{
    GlobalKey, Key, KeyError, KeyPath, KeySchema, Level, PathKeys, ProjectId, ProjectKey, Roots,
    SessionId, SessionKey,
};

/// Keeps [`Scope`] closed to other crates, and its work out of sight.
pub trait Sealed {
    /// The key of a name in this scope, and what it belongs to.
    fn place(&self, schema: &KeySchema, name: &str) -> Result<(Key, Roots), KeyError>;

    /// What makes the scope's keys from their names alone, where all of them begin alike.
    fn paths(&self, schema: &KeySchema) -> Option<PathKeys>;
}

/// Whose names a [`LevelCache`](crate::LevelCache) uses: a session's, a project's, or everyone's.
///
/// Sealed: implemented for [`SessionId`], [`ProjectId`] and [`GlobalScope`].
///
/// # Examples
/// ```
/// use cachekit_keys::{Level, SessionId};
/// use cachekit_patterns::Scope;
///
/// assert_eq!(SessionId::LEVEL, Level::Session);
/// ```
pub trait Scope: Sealed + Clone + fmt::Debug + Send + Sync + 'static {
    /// The level, which gives entries their lifetime.
    const LEVEL: Level;
}

/// The scope of a [`GlobalCache`](crate::GlobalCache): no owner.
///
/// # Examples
/// ```
/// use cachekit_keys::Level;
/// use cachekit_patterns::{GlobalScope, Scope};
///
/// assert_eq!(GlobalScope::LEVEL, Level::Global);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GlobalScope;

impl Sealed for SessionId {
    fn place(&self, schema: &KeySchema, name: &str) -> Result<(Key, Roots), KeyError> {
        Ok(schema.key_with_roots(&SessionKey::new(self.clone(), KeyPath::new(name)?)))
    }

    fn paths(&self, schema: &KeySchema) -> Option<PathKeys> {
        Some(schema.session_paths(self))
    }
}

impl Scope for SessionId {
    const LEVEL: Level = Level::Session;
}

impl Sealed for ProjectId {
    fn place(&self, schema: &KeySchema, name: &str) -> Result<(Key, Roots), KeyError> {
        Ok(schema.key_with_roots(&ProjectKey::new(self.clone(), KeyPath::new(name)?)))
    }

    fn paths(&self, schema: &KeySchema) -> Option<PathKeys> {
        Some(schema.project_paths(self))
    }
}

impl Scope for ProjectId {
    const LEVEL: Level = Level::Project;
}

impl Sealed for GlobalScope {
    fn place(&self, schema: &KeySchema, name: &str) -> Result<(Key, Roots), KeyError> {
        Ok(schema.key_with_roots(&GlobalKey::new(name)?))
    }

    fn paths(&self, _: &KeySchema) -> Option<PathKeys> {
        None
    }
}

impl Scope for GlobalScope {
    const LEVEL: Level = Level::Global;
}
