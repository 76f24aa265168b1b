//! A store that asks a test before each call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Capabilities, Entry, ExpireChange, Increment, KeyExpiry, Reply, Result, ScanPage, ScanRequest,
    Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store,
};

type Step = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
type Hook = Arc<dyn Fn(&'static str) -> Step + Send + Sync>;

/// Forwards what its hook lets pass, and remembers the names of all calls.
pub(crate) struct Hooked {
    inner: Arc<dyn Store>,
    hook: Hook,
    scripts: bool,
    calls: Mutex<Vec<&'static str>>,
}

impl Hooked {
    /// `hook` gets the name of the method, or of the script, and holds the call up, fails it, or lets it pass.
    pub(crate) fn new<F>(
        inner: Arc<dyn Store>,
        hook: impl Fn(&'static str) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self {
            inner,
            hook: Arc::new(move |operation| Box::pin(hook(operation))),
            scripts: true,
            calls: Mutex::default(),
        }
    }

    /// Only remembers.
    pub(crate) fn watching(inner: Arc<dyn Store>) -> Self {
        Self::new(inner, |_| async { Ok(()) })
    }

    /// Says that it runs no scripts.
    pub(crate) fn without_scripts(mut self) -> Self {
        self.scripts = false;
        self
    }

    /// The calls since the last time this was asked.
    pub(crate) fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    async fn pass(&self, operation: &'static str) -> Result<()> {
        self.calls.lock().unwrap().push(operation);
        (self.hook)(operation).await
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

#[async_trait]
impl Store for Hooked {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.scripts &= self.scripts;
        capabilities
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.pass("get").await?;
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.pass("get_many").await?;
        self.inner.get_many(keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.pass("get_entries").await?;
        self.inner.get_entries(keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.pass("set").await?;
        self.inner.set(key, value, options).await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.pass("set_many").await?;
        self.inner.set_many(items).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        self.pass("delete").await?;
        self.inner.delete(keys).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.pass("expiries").await?;
        self.inner.expiries(keys).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        self.pass("expire").await?;
        self.inner.expire(keys, change).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.pass("increment").await?;
        self.inner.increment(increments).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.pass("scan").await?;
        self.inner.scan(request).await
    }

    async fn time(&self) -> Result<SystemTime> {
        self.pass("time").await?;
        self.inner.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.pass("server_facts").await?;
        self.inner.server_facts().await
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        self.pass(script.name).await?;
        self.inner.run_script(script, calls).await
    }
}
