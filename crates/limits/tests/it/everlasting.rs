//! A server on which the scripts' keys outlive the test, as its clock runs on while the clock of the scripts stands still.

use std::{collections::HashMap, sync::Mutex, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Capabilities, Entry, ExpireChange, Increment, KeyExpiry, RedisStore, Reply, Result, ScanPage,
    ScanRequest, Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
};

/// How the scripts calculate the life of a string.
const LIFE: &str = "ceil(left / 1000)";
const LONG_LIFE: &str = "ceil(left / 1000) + 31536000000";

#[derive(Debug)]
pub(crate) struct Everlasting {
    store: RedisStore,
    /// The changed texts, by the original's.
    texts: Mutex<HashMap<&'static str, &'static str>>,
}

impl Everlasting {
    pub(crate) fn new(store: RedisStore) -> Self {
        Self {
            store,
            texts: Mutex::default(),
        }
    }

    fn lasting(&self, script: &Script) -> Script {
        let mut texts = self.texts.lock().unwrap();
        let text = *texts.entry(script.lua).or_insert_with(|| {
            let gives_life = script.lua.contains("'PX'");
            assert_eq!(
                gives_life,
                script.lua.contains(LIFE),
                "{} has another way",
                script.name
            );
            // As many as there are scripts.
            Box::leak(script.lua.replace(LIFE, LONG_LIFE).into_boxed_str())
        });
        let mut script = *script;
        script.lua = text;
        script
    }
}

#[async_trait]
impl Store for Everlasting {
    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        self.store.run_script(&self.lasting(script), calls).await
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.store.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.store.get_many(keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.store.get_entries(keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.store.set(key, value, options).await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.store.set_many(items).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        self.store.delete(keys).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.store.expiries(keys).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        self.store.expire(keys, change).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.store.increment(increments).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.store.scan(request).await
    }

    async fn time(&self) -> Result<SystemTime> {
        self.store.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.store.server_facts().await
    }
}
