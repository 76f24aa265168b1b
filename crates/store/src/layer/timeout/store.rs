//! Every method of the store, in the layer.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;

use super::Timeout;
use crate::{
    Capabilities, Entry, ExpireChange, Increment, KeyExpiry, Reply, Result, ScanPage, ScanRequest,
    Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store, SubscribeRequest, Subscription,
    layer::call::{Call, Names},
};

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Timeout {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let call = Call::read("get", Names::Key(key));
        self.around(call, || self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        let call = Call::read("get_many", Names::Keys(keys));
        self.around(call, || self.inner.get_many(keys)).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let call = Call::read("get_entries", Names::Keys(keys));
        self.around(call, || self.inner.get_entries(keys)).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        let call = Call::set(key, options);
        self.around(call, || self.inner.set(key, value, options))
            .await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        let call = Call::set_many(items);
        self.around(call, || self.inner.set_many(items)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        let call = Call::write("delete", Names::Keys(keys));
        self.around(call, || self.inner.delete(keys)).await
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        let call = Call::read("expiries", Names::Keys(keys));
        self.around(call, || self.inner.expiries(keys)).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        let call = Call::expire(keys, change);
        self.around(call, || self.inner.expire(keys, change)).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        let call = Call::write("increment", Names::Increments(increments));
        self.around(call, || self.inner.increment(increments)).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let call = Call::read("scan", Names::None);
        self.around(call, || self.inner.scan(request)).await
    }

    async fn time(&self) -> Result<SystemTime> {
        let call = Call::read("time", Names::None);
        self.around(call, || self.inner.time()).await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        let call = Call::read("server_facts", Names::None);
        self.around(call, || self.inner.server_facts()).await
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        let call = Call::run_script(script, calls);
        self.around(call, || self.inner.run_script(script, calls))
            .await
    }

    /// Calls go by [`run_script`](Store::run_script), which can be waited for.
    fn run_numbers(
        &self,
        _script: &Script,
        _keys: &[Key],
        _args: &[i64],
        _reply: &mut [i64],
    ) -> Option<Result<usize>> {
        None
    }

    async fn publish(&self, channel: &Bytes, payload: Bytes) -> Result<u64> {
        let call = Call::write("publish", Names::Channel(channel));
        self.around(call, || self.inner.publish(channel, payload))
            .await
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let call = Call::read("subscribe", Names::Subscription(&request));
        self.around(call, || self.inner.subscribe(request.clone()))
            .await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
