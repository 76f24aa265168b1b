//! A random namespace for the keys of one test.

use std::{collections::BTreeSet, sync::Mutex};

use cachekit_keys::{Key, Pattern};
use cachekit_store::{Result, Store};

/// A namespace `t<random>:` that remembers its keys, so that they can be cleaned up.
///
/// # Examples
/// ```
/// use cachekit_store::{Expiration, MemoryStore, SetOptions, Store};
/// use cachekit_testkit::conformance::TestSpace;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let (store, space) = (MemoryStore::new(), TestSpace::random());
/// let key = space.key("a");
/// store.set(&key, "v".into(), SetOptions::new(Expiration::Never)).await?;
/// assert!(space.everything().matches(key.as_bytes()));
/// space.clean_up(&store).await?;
/// assert_eq!(store.get(&key).await?, None);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TestSpace {
    prefix: String,
    keys: Mutex<BTreeSet<Key>>,
}

impl TestSpace {
    /// A namespace that no other test has.
    #[must_use]
    pub fn random() -> Self {
        Self {
            prefix: format!("t{:016x}:", fastrand::u64(..)),
            keys: Mutex::default(),
        }
    }

    /// The key with this name in the namespace; any bytes will do.
    ///
    /// # Panics
    /// Where the name makes the key longer than keys may be.
    #[must_use]
    pub fn key(&self, name: impl AsRef<[u8]>) -> Key {
        let key =
            Key::from_raw([self.prefix.as_bytes(), name.as_ref()].concat()).expect("a short name");
        self.keys
            .lock()
            .expect("no holder panics")
            .insert(key.clone());
        key
    }

    /// Keys with the names `<stem>0`, `<stem>1` and so on.
    ///
    /// # Panics
    /// As [`TestSpace::key`].
    #[must_use]
    pub fn keys(&self, stem: &str, count: usize) -> Vec<Key> {
        (0..count)
            .map(|number| self.key(format!("{stem}{number}")))
            .collect()
    }

    /// Matches all keys of the namespace, and no others.
    ///
    /// # Panics
    /// Never: the prefix is a legal pattern.
    #[must_use]
    pub fn everything(&self) -> Pattern {
        Pattern::builder()
            .literal(&self.prefix)
            .any()
            .build()
            .expect("the prefix is literal text")
    }

    /// Matches the names in the namespace that start with `literal`, taken literally.
    ///
    /// # Panics
    /// Where the text makes the pattern longer than patterns may be.
    #[must_use]
    pub fn starting_with(&self, literal: &str) -> Pattern {
        let start = Pattern::builder().literal(&self.prefix).literal(literal);
        start.any().build().expect("a short literal")
    }

    /// Deletes all keys that were named.
    ///
    /// # Errors
    /// Those of [`Store::delete`].
    ///
    /// # Panics
    /// Never: no holder of the lock inside panics.
    pub async fn clean_up(&self, store: &dyn Store) -> Result<()> {
        let keys: Vec<Key> = self
            .keys
            .lock()
            .expect("no holder panics")
            .iter()
            .cloned()
            .collect();
        for batch in keys.chunks(500) {
            store.delete(batch).await?;
        }
        Ok(())
    }
}
