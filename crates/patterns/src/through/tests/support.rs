//! A cache over a memory store, and a database of one row.

use std::{
    io,
    sync::{Arc, Mutex},
};

use cachekit_keys::{Key, KeySchema, ProjectId, ProjectKey, Tag, Ttl};
use cachekit_store::{MemoryStore, Store};

use crate::{Cache, CacheBuilder};

pub(super) type Trees = Cache<ProjectKey, String>;

pub(super) fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

pub(super) fn tree() -> ProjectKey {
    ProjectKey::file_tree(project())
}

pub(super) fn issues() -> ProjectKey {
    ProjectKey::recent_issues(project())
}

pub(super) fn stored() -> Key {
    KeySchema::plain().key(&tree())
}

pub(super) fn tag() -> Tag {
    Tag::new("release-7").unwrap()
}

pub(super) fn builder(store: Arc<dyn Store>) -> CacheBuilder<ProjectKey, String> {
    Cache::builder(store, KeySchema::plain())
        .ttl(Ttl::seconds(100))
        .tags(|_| Ok(vec![tag()]))
}

pub(super) fn cache() -> (Arc<MemoryStore>, Trees) {
    let store = Arc::new(MemoryStore::new());
    let cache = builder(Arc::clone(&store) as Arc<dyn Store>).build();
    (store, cache.unwrap())
}

/// A row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(Arc<Mutex<Option<String>>>);

impl Row {
    pub(super) fn put(&self, value: &str) {
        *self.0.lock().unwrap() = Some(value.to_owned());
    }

    pub(super) fn delete(&self) {
        *self.0.lock().unwrap() = None;
    }

    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }

    /// What reads the row through the cache.
    pub(super) async fn read(&self, cache: &Trees) -> Option<String> {
        let row = self.clone();
        let loader = || async move { Ok::<_, io::Error>(row.get()) };
        cache.fetch(&tree(), loader).await.unwrap().value
    }
}

pub(super) async fn saved() -> io::Result<()> {
    Ok(())
}

pub(super) async fn refused() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::StorageFull, "no room"))
}
