//! What a handle and its worker have in common.

use std::sync::Arc;

use cachekit_keys::WriteQueue;

use super::{Sink, options::Options};
use crate::Cache;

pub(crate) struct Shared<K, V> {
    pub(crate) cache: Cache<K, V>,
    pub(crate) sink: Arc<dyn Sink<K, V>>,
    pub(crate) queue: WriteQueue,
    pub(crate) options: Options,
}

impl<K, V> Shared<K, V> {
    pub(crate) fn new(
        cache: Cache<K, V>,
        sink: Arc<dyn Sink<K, V>>,
        queue: WriteQueue,
        options: Options,
    ) -> Self {
        Self {
            cache,
            sink,
            queue,
            options,
        }
    }
}
