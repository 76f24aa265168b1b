//! What looking for a value found, in full.

use cachekit_store::{Error, ErrorKind};

/// What is stored under a key, as [`Cache::lookup`](crate::Cache::lookup) answers it.
///
/// `get` folds this into an `Option`: only [`Found`](Self::Found) is a value there.
///
/// # Examples
/// ```
/// use cachekit_patterns::Lookup;
///
/// assert_eq!(Lookup::Found(7).into_value(), Some(7));
/// assert!(!Lookup::<u32>::Absent.is_hit());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lookup<V> {
    /// A value.
    Found(V),
    /// An entry which says that the value does not exist. A hit.
    Negative,
    /// A value past its fresh time, which only [`Cache::fetch`](crate::Cache::fetch) and its kin serve, within the bound set
    /// for that. A miss.
    Stale(V),
    /// No entry. A miss.
    Absent,
    /// An entry that cannot be read. A miss.
    ///
    /// The error's kind says what to do: [`Newer`](ErrorKind::Newer) is to be left alone, as another deployment reads
    /// it; [`Corrupt`](ErrorKind::Corrupt) and [`TooLarge`](ErrorKind::TooLarge) are to be overwritten.
    Unreadable(Error),
}

impl<V> Lookup<V> {
    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Lookup;
    /// assert_eq!(Lookup::<u32>::Negative.into_value(), None);
    /// ```
    #[must_use]
    pub fn into_value(self) -> Option<V> {
        match self {
            Self::Found(value) => Some(value),
            Self::Negative | Self::Stale(_) | Self::Absent | Self::Unreadable(_) => None,
        }
    }

    /// Whether the cache knew the answer: a value, or that there is none.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Lookup;
    /// assert!(Lookup::<u32>::Negative.is_hit());
    /// ```
    #[must_use]
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Found(_) | Self::Negative)
    }

    /// Whether another deployment reads the entry, so that it is better not overwritten unasked.
    ///
    /// # Examples
    /// ```
    /// # use cachekit_patterns::Lookup;
    /// use cachekit_store::{Error, ErrorKind};
    ///
    /// assert!(Lookup::<u32>::Unreadable(Error::new(ErrorKind::Newer, "decode")).is_newer());
    /// ```
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.kind() == ErrorKind::Newer)
    }
}
