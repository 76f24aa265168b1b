//! A store whose scripts let others go first, as on a way over a network, so that calls meet on the memory store too.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Capabilities, Entry, ExpireChange, Increment, KeyExpiry, Reply, Result, ScanPage, ScanRequest,
    Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
};

#[derive(Debug)]
pub(crate) struct Yielding(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Store for Yielding {
    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        tokio::task::yield_now().await;
        self.0.run_script(script, calls).await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.0.get_many(keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.0.get_entries(keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.0.set(key, value, options).await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.0.set_many(items).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        self.0.delete(keys).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.0.expiries(keys).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        self.0.expire(keys, change).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.0.increment(increments).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.0.scan(request).await
    }

    async fn time(&self) -> Result<SystemTime> {
        self.0.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.0.server_facts().await
    }
}
