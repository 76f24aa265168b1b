//! Scripts with two bodies: Lua text for a server, Rust for the memory store.

use bytes::Bytes;
use cachekit_keys::Key;

/// An atomic procedure that a store runs by name.
///
/// A server runs the Lua text. A store that does not speak Lua answers
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_store::{ErrorKind, MemoryStore, Script, ScriptCall, Store};
///
/// const TOUCH: Script = Script::new("touch", "return redis.call('EXISTS', KEYS[1])");
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store = MemoryStore::new();
/// let call = ScriptCall::new(vec![Key::from_raw("k")?], Vec::new());
/// if store.capabilities().scripts {
///     store.run_script(&TOUCH, &[call]).await?;
/// } else {
///     let error = store.run_script(&TOUCH, &[call]).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::Unsupported);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Script {
    /// A short unique name, for errors and measurements.
    pub name: &'static str,
    /// The Lua text. All keys come in `KEYS`; names are never derived inside.
    pub lua: &'static str,
}

impl Script {
    /// A script from its name and Lua text.
    ///
    /// # Examples
    /// See [`Script`].
    #[must_use]
    pub const fn new(name: &'static str, lua: &'static str) -> Self {
        Self { name, lua }
    }
}

/// One run of a [`Script`] within a batch.
///
/// # Examples
/// ```
/// use cachekit_keys::Key;
/// use cachekit_store::ScriptCall;
///
/// let call = ScriptCall::new(vec![Key::from_raw("k")?], vec!["1".into()]);
/// assert_eq!((call.keys.len(), call.args.len()), (1, 1));
/// # Ok::<(), cachekit_keys::KeyError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ScriptCall {
    /// The keys, which on a cluster share a slot.
    pub keys: Vec<Key>,
    /// The arguments.
    pub args: Vec<Bytes>,
}

impl ScriptCall {
    /// A run with `keys` and `args`.
    ///
    /// # Examples
    /// See [`ScriptCall`].
    #[must_use]
    pub fn new(keys: Vec<Key>, args: Vec<Bytes>) -> Self {
        Self { keys, args }
    }
}

impl std::fmt::Debug for ScriptCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptCall")
            .field("keys", &self.keys)
            .field("args_len", &self.args.len())
            .finish()
    }
}

/// What a script returns.
///
/// # Examples
/// ```
/// use cachekit_store::Reply;
///
/// let reply = Reply::Array(vec![Reply::Integer(1), Reply::Nil]);
/// assert!(matches!(reply, Reply::Array(parts) if parts[1] == Reply::Nil));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing (Lua `false` or `nil`).
    Nil,
    /// An integer.
    Integer(i64),
    /// A byte string.
    Bytes(Bytes),
    /// A status such as `OK`.
    Status(String),
    /// Several replies.
    Array(Vec<Reply>),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Array(replies) => f.debug_list().entries(replies).finish(),
        }
    }
}
