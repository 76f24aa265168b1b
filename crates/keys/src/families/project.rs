//! Keys of the project level: `project:{project_id}:{key}`.
//!
//! Whole-project patterns are made by the schema.

use crate::{
    ContentHash, FieldReader, FieldWriter, KeyError, KeyFamily, KeyPath, Level, Part, ProjectId,
    Shape,
};

/// `project:{project_id}:{key}`: what was found out about a project.
///
/// # Examples
///
/// ```
/// use cachekit_keys::{KeyPath, KeySchema, ProjectId, ProjectKey};
///
/// let key = ProjectKey::new(ProjectId::new("abc")?, KeyPath::new("notes:1")?);
/// assert_eq!(KeySchema::plain().key(&key).as_str(), Some("project:abc:notes:1"));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectKey {
    project: ProjectId,
    path: KeyPath,
}

impl ProjectKey {
    /// Any key of a project.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, ProjectId, ProjectKey};
    /// let key = ProjectKey::new(ProjectId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.path().as_encoded(), "notes");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn new(project: ProjectId, path: KeyPath) -> Self {
        Self { project, path }
    }

    /// `project:{project_id}:analysis:{code_hash}`: the analysis of code with this content.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ContentHash, ProjectId, ProjectKey};
    /// let key = ProjectKey::analysis(ProjectId::new("abc")?, ContentHash::of("fn main() {}"));
    /// assert_eq!(key.path().segments().next(), Some("analysis"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn analysis(project: ProjectId, code: ContentHash) -> Self {
        Self::new(project, KeyPath::analysis(&code))
    }

    /// `project:{project_id}:file_tree`: the tree of its files.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ProjectId, ProjectKey};
    /// assert_eq!(ProjectKey::file_tree(ProjectId::new("abc")?).path().as_encoded(), "file_tree");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn file_tree(project: ProjectId) -> Self {
        Self::new(project, KeyPath::literal("file_tree"))
    }

    /// `project:{project_id}:recent_issues`: the latest issues found.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ProjectId, ProjectKey};
    /// assert_eq!(ProjectKey::recent_issues(ProjectId::new("abc")?).path().as_encoded(), "recent_issues");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn recent_issues(project: ProjectId) -> Self {
        Self::new(project, KeyPath::literal("recent_issues"))
    }

    /// `project:{project_id}:baseline_metrics`: the metrics that changes are held against.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{ProjectId, ProjectKey};
    /// assert_eq!(ProjectKey::baseline_metrics(ProjectId::new("abc")?).path().as_encoded(), "baseline_metrics");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn baseline_metrics(project: ProjectId) -> Self {
        Self::new(project, KeyPath::literal("baseline_metrics"))
    }

    /// The project that owns the key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, ProjectId, ProjectKey};
    /// let key = ProjectKey::new(ProjectId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.project().as_encoded(), "abc");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn project(&self) -> &ProjectId {
        &self.project
    }

    /// What stands behind the owner.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cachekit_keys::{KeyPath, ProjectId, ProjectKey};
    /// let key = ProjectKey::new(ProjectId::new("abc")?, KeyPath::new("notes")?);
    /// assert_eq!(key.path().as_encoded(), "notes");
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub const fn path(&self) -> &KeyPath {
        &self.path
    }
}

impl KeyFamily for ProjectKey {
    const SHAPES: &'static [Shape] = &[Shape::built_in("project", &[Part::Owner, Part::Path])];
    const LEVEL: Level = Level::Project;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.project).path(&self.path);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            project: fields.owner()?,
            path: fields.path()?,
        })
    }
}
