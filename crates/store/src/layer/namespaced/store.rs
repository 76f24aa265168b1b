//! Every method of the store, in the namespace.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;

use super::{Namespaced, channels::Listening, globs::Search, own_error, refused};
use crate::{
    Capabilities, Entry, ExpireChange, Increment, KeyExpiry, Reply, Result, ScanPage, ScanRequest,
    Script, ScriptCall, ServerFacts, SetItem, SetOptions, Store, SubscribeRequest, Subscription,
};

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Namespaced {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let below = self.below("get", key)?;
        let answer = self.inner.get(&below).await;
        answer.map_err(|error| own_error(error, [(key, &below)].into_iter()))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        let below = self.all_below("get_many", keys)?;
        let answer = self.inner.get_many(&below).await;
        answer.map_err(|error| own_error(error, keys.iter().zip(&below)))
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let below = self.all_below("get_entries", keys)?;
        let answer = self.inner.get_entries(&below).await;
        answer.map_err(|error| own_error(error, keys.iter().zip(&below)))
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        let below = self.below("set", key)?;
        let answer = self.inner.set(&below, value, options).await;
        answer.map_err(|error| own_error(error, [(key, &below)].into_iter()))
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        let mut below = items.to_vec();
        for item in &mut below {
            item.key = self.below("set_many", &item.key)?;
        }
        let answer = self.inner.set_many(&below).await;
        let keys = items.iter().map(|item| &item.key);
        answer.map_err(|error| own_error(error, keys.zip(below.iter().map(|item| &item.key))))
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        let below = self.all_below("delete", keys)?;
        let answer = self.inner.delete(&below).await;
        answer.map_err(|error| own_error(error, keys.iter().zip(&below)))
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        let below = self.all_below("expiries", keys)?;
        let answer = self.inner.expiries(&below).await;
        answer.map_err(|error| own_error(error, keys.iter().zip(&below)))
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        let below = self.all_below("expire", keys)?;
        let answer = self.inner.expire(&below, change).await;
        answer.map_err(|error| own_error(error, keys.iter().zip(&below)))
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        let mut below = increments.to_vec();
        for increment in &mut below {
            increment.key = self.below("increment", &increment.key)?;
        }
        let answer = self.inner.increment(&below).await;
        let keys = increments.iter().map(|increment| &increment.key);
        let below = below.iter().map(|increment| &increment.key);
        answer.map_err(|error| own_error(error, keys.zip(below)))
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let search = Search::keys(&self.names, request.pattern.as_bytes());
        let search = search.map_err(|reason| refused("scan", &reason))?;
        let mut below = request.clone();
        below.pattern = search.pattern().clone();
        let mut page = self.inner.scan(&below).await?;
        let own = page.keys.iter().filter_map(|key| self.names.own_key(key));
        page.keys = match search {
            Search::Exact(_) => own.collect(),
            Search::Among(_) => own
                .filter(|key| request.pattern.matches(key.as_bytes()))
                .collect(),
        };
        Ok(page)
    }

    async fn time(&self) -> Result<SystemTime> {
        self.inner.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.inner.server_facts().await
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        let mut below = calls.to_vec();
        for (run, own) in below.iter_mut().zip(calls) {
            run.keys = self.all_below(script.name, &own.keys)?;
            let args = own.args.iter();
            run.args = args
                .map(|arg| self.names.argument(arg, &own.keys, &run.keys))
                .collect();
        }
        let answer = self.inner.run_script(script, &below).await;
        let keys = calls.iter().flat_map(|run| &run.keys);
        let below = below.iter().flat_map(|run| &run.keys);
        answer.map_err(|error| own_error(error, keys.zip(below)))
    }

    /// Calls go by [`run_script`](Store::run_script), which puts the namespace before their keys.
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
        let below = self.names.channel(channel);
        let below = below.map_err(|reason| refused("publish", &reason))?;
        self.inner.publish(&below, payload).await
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let listening = Listening::new(&self.names, &request);
        let (listening, below) = listening.map_err(|reason| refused("subscribe", &reason))?;
        Ok(listening.view(self.inner.subscribe(below).await?))
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
