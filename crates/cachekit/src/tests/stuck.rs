//! A store that never finishes closing.

use std::{future, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Result, ScanPage,
    ScanRequest, ServerFacts, SetItem, SetOptions, Store,
};

#[derive(Debug)]
pub(super) struct StuckStore;

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "stuck"))
}

#[async_trait]
impl Store for StuckStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::basic(0)
    }

    async fn get(&self, _: &Key) -> Result<Option<Bytes>> {
        unsupported()
    }

    async fn get_many(&self, _: &[Key]) -> Result<Vec<Option<Bytes>>> {
        unsupported()
    }

    async fn get_entries(&self, _: &[Key]) -> Result<Vec<Option<Entry>>> {
        unsupported()
    }

    async fn set(&self, _: &Key, _: Bytes, _: SetOptions) -> Result<bool> {
        unsupported()
    }

    async fn set_many(&self, _: &[SetItem]) -> Result<Vec<bool>> {
        unsupported()
    }

    async fn delete(&self, _: &[Key]) -> Result<u64> {
        unsupported()
    }

    async fn expiries(&self, _: &[Key]) -> Result<Vec<KeyExpiry>> {
        unsupported()
    }

    async fn expire(&self, _: &[Key], _: ExpireChange) -> Result<Vec<bool>> {
        unsupported()
    }

    async fn increment(&self, _: &[Increment]) -> Result<Vec<i64>> {
        unsupported()
    }

    async fn scan(&self, _: &ScanRequest) -> Result<ScanPage> {
        unsupported()
    }

    async fn time(&self) -> Result<SystemTime> {
        unsupported()
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        unsupported()
    }

    async fn close(&self) {
        future::pending().await
    }
}
