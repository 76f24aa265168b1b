//! The workspace's error: one cheap-to-clone struct that says what the caller can do.
//!
//! A denied limit or a contended lock is an outcome and no error. Values and credentials never
//! enter an error; keys do, shortened, as context.

mod kind;
#[cfg(test)]
mod tests;

use std::{error, fmt, sync::Arc};

use cachekit_keys::{Key, KeyError, TtlError};

pub use self::kind::ErrorKind;

/// The result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Longest part of a key that an error shows, in characters.
const SHOWN_KEY_CHARS: usize = 64;

/// Why a call failed: its [kind](ErrorKind), the operation, and where known the key and the cause.
///
/// Cloning costs one reference count, so one failure can be given to all callers that share a load.
///
/// # Examples
/// ```
/// use cachekit_store::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Timeout, "set").with_may_have_applied(true);
/// assert!(error.is_retryable());
/// assert!(error.may_have_applied());
/// assert_eq!(error.to_string(), "set: deadline exceeded (the change may have been applied)");
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    may_have_applied: bool,
    key: Option<String>,
    detail: Option<String>,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`, met in `operation` (the name of the method or command, in lower case).
    ///
    /// # Examples
    /// See [`Error`].
    #[must_use]
    pub fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                operation,
                may_have_applied: false,
                key: None,
                detail: None,
                source: None,
            }),
        }
    }

    /// Adds what a person needs to know beyond the kind. Never put a value or a credential here.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::TooLarge, "set").with_detail("12 bytes, at most 8");
    /// assert_eq!(error.to_string(), "set: too large: 12 bytes, at most 8");
    /// ```
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        self.change(|inner| inner.detail = Some(detail.into()))
    }

    /// Adds the key in question; an error shows its first 64 characters.
    ///
    /// # Examples
    /// ```
    /// use cachekit_keys::Key;
    /// use cachekit_store::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::WrongType, "get").with_key(&Key::from_raw("a:list")?);
    /// assert_eq!(error.key(), Some("a:list"));
    /// # Ok::<(), cachekit_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn with_key(self, key: &Key) -> Self {
        let shown = String::from_utf8_lossy(key.as_bytes());
        let short = shown.chars().take(SHOWN_KEY_CHARS).collect::<String>();
        let text = if short.len() < shown.len() {
            short + "..."
        } else {
            short
        };
        self.change(|inner| inner.key = Some(text))
    }

    /// Adds the cause.
    ///
    /// # Examples
    /// ```
    /// use std::error::Error as _;
    /// use cachekit_store::{Error, ErrorKind};
    /// let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    /// let error = Error::new(ErrorKind::Unavailable, "get").with_source(cause);
    /// assert!(error.source().is_some());
    /// ```
    #[must_use]
    pub fn with_source(self, source: impl error::Error + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Adds a cause of a type that is not known here. [`source`](std::error::Error::source) answers it as it was, so that
    /// `downcast_ref` finds its own type.
    ///
    /// # Examples
    /// ```
    /// use std::error::Error as _;
    /// use cachekit_store::{Error, ErrorKind};
    /// let cause = Box::new(std::io::Error::from(std::io::ErrorKind::NotFound));
    /// let error = Error::new(ErrorKind::LoadFailed, "load").with_boxed_source(cause);
    /// assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()));
    /// ```
    #[must_use]
    pub fn with_boxed_source(self, source: Box<dyn error::Error + Send + Sync>) -> Self {
        self.change(|inner| inner.source = Some(Arc::from(source)))
    }

    /// States whether the server may have carried out the change although the call failed.
    ///
    /// # Examples
    /// See [`Error`].
    #[must_use]
    pub fn with_may_have_applied(self, may_have_applied: bool) -> Self {
        self.change(|inner| inner.may_have_applied = may_have_applied)
    }

    /// What the caller can do about it.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Closed, "get").kind(), ErrorKind::Closed);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The method or command that failed.
    ///
    /// # Examples
    /// ```
    /// use cachekit_store::{Error, ErrorKind};
    /// assert_eq!(Error::new(ErrorKind::Closed, "get").operation(), "get");
    /// ```
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// The key in question, shortened to 64 characters.
    ///
    /// # Examples
    /// See [`Error::with_key`].
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.key.as_deref()
    }

    /// Whether the same call may succeed later without a change by the caller.
    ///
    /// # Examples
    /// See [`Error`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.inner.kind.is_retryable()
    }

    /// Whether the server may have carried out the change although the call failed.
    ///
    /// `false` means that it certainly did not: the request was refused, or never sent.
    /// Reads are always `false`. A mutation that is not idempotent must not be repeated where this is `true`.
    ///
    /// # Examples
    /// See [`Error`].
    #[must_use]
    pub fn may_have_applied(&self) -> bool {
        self.inner.may_have_applied
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        write!(f, "{}: {}", inner.operation, inner.kind)?;
        if let Some(detail) = &inner.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(key) = &inner.key {
            write!(f, " (key {key:?})")?;
        }
        if inner.may_have_applied {
            f.write_str(" (the change may have been applied)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("operation", &inner.operation)
            .field("may_have_applied", &inner.may_have_applied)
            .field("key", &inner.key)
            .field("detail", &inner.detail)
            .field("source", &inner.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<KeyError> for Error {
    /// The reason becomes the detail, so that the text tells it; it is not the source as well, or a reporter that walks
    /// the sources would tell it twice.
    fn from(reason: KeyError) -> Self {
        Self::new(ErrorKind::InvalidInput, "key").with_detail(reason.to_string())
    }
}

impl From<TtlError> for Error {
    /// As for [`KeyError`], the reason is the detail and not the source.
    fn from(reason: TtlError) -> Self {
        Self::new(ErrorKind::InvalidInput, "ttl").with_detail(reason.to_string())
    }
}
