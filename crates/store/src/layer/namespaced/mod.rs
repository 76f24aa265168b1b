//! A part of a store that knows nothing of the rest.

mod channels;
mod globs;
mod names;
mod store;
#[cfg(test)]
mod tests;
mod wake;

use std::sync::Arc;

use cachekit_keys::{Key, KeyError, Namespace};

use self::names::Names;
use crate::{Error, ErrorKind, Result, Store};

/// Confines a store to a [`Namespace`]: puts it before every key, pattern and channel, and takes it off again in what
/// comes back (keys of a scan, keys in errors, channels of messages). A name outside never appears.
///
/// # This, or [`KeySchema::with_namespace`](cachekit_keys::KeySchema::with_namespace)?
/// Both write the same names (`staging:session:abc:x`), and services that do it one way or the other read each other's
/// entries. They do not understand each other's indices of owners and tags, which hold names as their writers know them:
/// let all services of a deployment do it the same way.
///
/// - The **schema** names the keys of families, once, when a key is rendered. It costs nothing further, keys appear in
///   logs and errors as they are on the server, and keys that do not come from it (foreign keys,
///   [`Pattern::everything`](cachekit_keys::Pattern::everything), channels by text) are not confined. Use it for a
///   service that owns its key names.
/// - The **layer** confines everything that goes through the store, whoever made the name: foreign keys, scans over
///   everything, channels. It copies every key of every call. Use it for code that must not get out (tests on a shared
///   server, one tenant of many), or that you cannot give a schema.
///
/// With both, names carry both prefixes.
///
/// # The kit's own keys
/// A companion `ck:lease:{k}` becomes the companion of the prefixed key, `ck:lease:{staging:k}`, and so lies in its slot.
/// Other keys under `ck:` are prefixed as all keys (`staging:ck:x`), and are under `ck:` again when the prefix is off:
/// [`StoreExt::delete_matching`](crate::StoreExt::delete_matching) passes over them in the namespace as it does without
/// one, whereas one that bypasses the layer with `staging:*` deletes them. The channel of a wake-up for a key becomes
/// that for the prefixed key, also where a script is given it as an argument. Other arguments and values are not touched:
/// names that are kept in them are the caller's, and must be read through the layer again.
///
/// # Limits
/// - A key has less room: its 1 024 bytes include the prefix. One that is too long is [`ErrorKind::InvalidInput`].
/// - A scan for `*`, or another pattern that can match the kit's keys, has the server look for the namespace anywhere in a
///   name and sorts out here; one that starts with a literal (`session:*`) costs nothing extra.
/// - [`Store::server_facts`] and [`Store::time`] are the server's, and [`Store::close`] closes the store below: put one
///   `Namespaced` a tenant around one shared store, and close that.
/// - This is a guard against mistakes. Against malice a server has users with key patterns.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::{Key, Namespace, Pattern, Ttl};
/// use cachekit_store::{MemoryStore, Namespaced, Store, StoreExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let shared = Arc::new(MemoryStore::new());
/// let staging = Namespaced::new(shared.clone(), &Namespace::new("staging")?);
/// let (own, full) = (Key::from_raw("greeting")?, Key::from_raw("staging:greeting")?);
///
/// staging.set_ttl(&own, "hello".into(), Ttl::seconds(60)).await?;
/// assert!(shared.exists(&full).await?);
/// shared.set_ttl(&own, "not theirs".into(), Ttl::seconds(60)).await?;
/// assert_eq!(staging.delete_matching(&Pattern::everything()).await?, 1);
/// assert!(shared.exists(&own).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Namespaced {
    inner: Arc<dyn Store>,
    names: Names,
}

impl Namespaced {
    /// Confines a store to a namespace.
    ///
    /// # Examples
    /// See [`Namespaced`].
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, namespace: &Namespace) -> Self {
        Self {
            inner,
            names: Names::new(namespace),
        }
    }

    /// The key as the store below has it.
    fn below(&self, operation: &'static str, key: &Key) -> Result<Key> {
        let below = self.names.key(key);
        below.map_err(|reason| refused(operation, &reason).with_key(key))
    }

    fn all_below(&self, operation: &'static str, keys: &[Key]) -> Result<Vec<Key>> {
        keys.iter().map(|key| self.below(operation, key)).collect()
    }
}

/// The error of a name that does not fit behind the namespace.
fn refused(operation: &'static str, reason: &KeyError) -> Error {
    Error::new(ErrorKind::InvalidInput, operation)
        .with_detail(format!("in its namespace, {reason}"))
}

/// The error with the caller's key in place of the one below, where it names one of these.
fn own_error<'a>(error: Error, keys: impl Iterator<Item = (&'a Key, &'a Key)>) -> Error {
    let Some(shown) = error.key().map(str::to_owned) else {
        return error;
    };
    for (own, below) in keys {
        if error.clone().with_key(below).key() == Some(&shown) {
            return error.with_key(own);
        }
    }
    error
}
