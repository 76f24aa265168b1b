//! What a handle and its worker have in common.

use std::sync::Arc;

use cachekit_keys::{Key, WriteQueue};

use super::{Sink, options::Options, queue::Queue};
use crate::{
    Cache,
    announce::{Cleared, Telling},
};

pub(super) struct Shared<K, V> {
    pub(super) cache: Cache<K, V>,
    pub(super) sink: Arc<dyn Sink<K, V>>,
    pub(super) queue: Queue,
}

impl<K, V> Shared<K, V> {
    pub(super) fn new(
        cache: Cache<K, V>,
        sink: Arc<dyn Sink<K, V>>,
        name: WriteQueue,
        options: Options,
    ) -> Self {
        let base = cache.access.base();
        let queue = Queue::new(Arc::clone(&base.store), base.schema.clone(), name, options);
        Self { cache, sink, queue }
    }

    /// The removal of a cached value by the queue, to be announced when it ends.
    pub(super) fn removal(&self, key: &Key) -> Option<Telling<'_>> {
        let announcer = self.cache.announcer.as_ref()?;
        announcer.removal(|| Cleared::Keys(vec![key.clone()]))
    }
}
