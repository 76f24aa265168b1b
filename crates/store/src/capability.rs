//! What a store can do, as plain facts to branch on.

/// What a store can do, and its limits.
///
/// Callers branch on these facts and never on the type of a store. A method whose capability is
/// absent answers [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
///
/// # Examples
/// ```
/// use cachekit_store::{MemoryStore, Store};
///
/// let facts = MemoryStore::new().capabilities();
/// assert!(!facts.shared && !facts.clustered);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Other processes see what is written here.
    pub shared: bool,
    /// Keys of one atomic call must share a slot.
    pub clustered: bool,
    /// [`Store::run_script`](crate::Store::run_script) works.
    pub scripts: bool,
    /// [`Store::publish`](crate::Store::publish) and [`Store::subscribe`](crate::Store::subscribe) work.
    pub pubsub: bool,
    /// Largest value in bytes that the store takes.
    pub max_value_size: usize,
}

impl Capabilities {
    /// The least a store can do, with values of at most `max_value_size` bytes.
    ///
    /// # Examples
    /// ```
    /// let facts = cachekit_store::Capabilities::basic(1 << 20);
    /// assert!(!facts.scripts && facts.max_value_size == 1 << 20);
    /// ```
    #[must_use]
    pub const fn basic(max_value_size: usize) -> Self {
        Self {
            shared: false,
            clustered: false,
            scripts: false,
            pubsub: false,
            max_value_size,
        }
    }
}
