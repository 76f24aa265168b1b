//! What a write through the cache ends with.

use cachekit_store::{Error, Result};

use super::flow::BoxError;

/// How the cache stands after the database has taken a write. (Where the database has not, the call is an error.)
///
/// # Examples
/// ```
/// use cachekit_patterns::Written;
/// use cachekit_store::{Error, ErrorKind};
///
/// assert!(Written::Stored.is_settled() && Written::Uncached.is_settled());
/// let behind = Written::Behind(Error::new(ErrorKind::Unavailable, "write_through"));
/// assert_eq!(behind.settled().unwrap_err().kind(), ErrorKind::Unavailable);
/// ```
#[derive(Clone, Debug)]
#[must_use = "that the cache could not follow the database is only said here"]
#[non_exhaustive]
pub enum Written {
    /// The cache holds what the database holds.
    Stored,
    /// The cache holds nothing, and the next reader loads: another write or an invalidation came in between, or the cache could be
    /// emptied but not filled.
    Uncached,
    /// The cache did not answer, also not to repeated attempts at emptying it, whose last error this is. A reader may be given an
    /// older value until that expires or somebody removes it. The write itself is not to be repeated: the database has it.
    Behind(Error),
}

impl Written {
    /// Whether no reader is given an older value.
    ///
    /// # Examples
    /// See [`Written`].
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Behind(_))
    }

    /// The same as a result, for those who go on with `?`.
    ///
    /// # Errors
    /// What [`Behind`](Self::Behind) holds. The database has the write all the same, as
    /// [`may_have_applied`](Error::may_have_applied) says.
    ///
    /// # Examples
    /// See [`Written`].
    pub fn settled(self) -> Result<()> {
        match self {
            Self::Behind(error) => Err(error.with_may_have_applied(true)),
            _ => Ok(()),
        }
    }
}

/// What a persister answers for a batch: `()` where all of it was persisted, or a result for each write in their order, where
/// a write without a result counts as failed.
///
/// # Examples
/// ```
/// use cachekit_patterns::Persisted;
///
/// let all: Persisted<std::io::Error> = ().into();
/// let each: Persisted<&str> = vec![Ok(()), Err("the row is locked")].into();
/// ```
#[derive(Debug)]
pub struct Persisted<E>(pub(super) Option<Vec<Result<(), E>>>);

impl<E: Into<BoxError>> Persisted<E> {
    pub(crate) fn boxed(self) -> Persisted<BoxError> {
        let each = self.0.map(|each| each.into_iter());
        Persisted(each.map(|each| each.map(|one| one.map_err(Into::into)).collect()))
    }
}

impl<E> From<()> for Persisted<E> {
    fn from((): ()) -> Self {
        Self(None)
    }
}

impl<E> From<Vec<Result<(), E>>> for Persisted<E> {
    fn from(each: Vec<Result<(), E>>) -> Self {
        Self(Some(each))
    }
}
