//! Stores with a subtle mistake each: the harness finds it and shrinks it to a few operations.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Capabilities, Entry, ErrorKind, ExpireChange, Increment, KeyExpiry, MemoryStore, Reply, Result,
    ScanPage, ScanRequest, Script, ScriptCall, ScriptEffect, ServerFacts, SetItem, SetOptions,
    Store,
};

use super::{memory, memory_with_itself};
use crate::equivalence::{Comparison, Config, Failed, Side, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// `PEXPIRE GT` gives a life to a key that never expires.
    RaisesForever,
    /// An addition forgets when its counter expires.
    ForgetsLives,
    /// A key that is deleted twice in one call counts twice.
    CountsTwice,
    /// A failing script takes back what it wrote.
    RollsBack,
    /// A failure of a batch says that nothing can have happened.
    DeniesWrites,
    /// A failing script says that it wrote nothing.
    DeniesScripts,
    /// A failing script says that it may have written: no mistake, but a server's caution.
    NeverSure,
    /// A scan passes over the first key of a page of several.
    SkipsKeys,
    /// Scripts read a time that is a microsecond ahead.
    RunsAhead,
}

#[derive(Debug)]
struct Wrong {
    inner: MemoryStore,
    mistake: Mistake,
}

impl Wrong {
    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }
}

#[async_trait]
impl Store for Wrong {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.inner.get_many(keys).await
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.inner.get_entries(keys).await
    }

    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool> {
        self.inner.set(key, value, options).await
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.inner.set_many(items).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        let mut count = self.inner.delete(keys).await?;
        if self.is(Mistake::CountsTwice) && count == 1 && keys.len() > 1 && keys[0] == keys[1] {
            count += 1;
        }
        Ok(count)
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.inner.expiries(keys).await
    }

    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>> {
        let change = match change {
            ExpireChange::AtLeast(ttl)
                if self.is(Mistake::RaisesForever)
                    && self.inner.expiries(keys).await? == [KeyExpiry::Never] =>
            {
                ExpireChange::After(ttl)
            }
            change => change,
        };
        self.inner.expire(keys, change).await
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        let sums = self.inner.increment(increments).await;
        if self.is(Mistake::ForgetsLives) {
            let keys: Vec<Key> = increments.iter().map(|each| each.key.clone()).collect();
            self.inner.expire(&keys, ExpireChange::Never).await?;
        }
        match sums {
            Err(error) if self.is(Mistake::DeniesWrites) => Err(error.with_may_have_applied(false)),
            sums => sums,
        }
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let mut page = self.inner.scan(request).await?;
        if self.is(Mistake::SkipsKeys) && page.keys.len() > 1 {
            page.keys.remove(0);
        }
        Ok(page)
    }

    async fn time(&self) -> Result<SystemTime> {
        self.inner.time().await
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.inner.server_facts().await
    }

    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        let time = self.inner.time().await?;
        if self.is(Mistake::RunsAhead) {
            self.inner
                .set_wall_clock(time + std::time::Duration::from_micros(1));
        }
        let keys: Vec<Key> = calls.iter().flat_map(|call| call.keys.clone()).collect();
        let before = match self.is(Mistake::RollsBack) {
            true => self.inner.get_many(&keys).await?,
            false => Vec::new(),
        };
        let replies = self.inner.run_script(script, calls).await;
        self.inner.set_wall_clock(time);
        let failed = matches!(&replies, Err(error) if error.kind() == ErrorKind::WrongType);
        for (key, value) in keys.iter().zip(before).filter(|_| failed) {
            if let Some(value) = value {
                let keep = SetOptions::new(cachekit_store::Expiration::Keep);
                self.inner.set(key, value, keep).await?;
            }
        }
        match replies {
            Err(error) if self.is(Mistake::DeniesScripts) => {
                Err(error.with_may_have_applied(false))
            }
            Err(error) if self.is(Mistake::NeverSure) => {
                Err(error.with_may_have_applied(script.effect != ScriptEffect::ReadOnly))
            }
            replies => replies,
        }
    }
}

/// How long the shrunk list is, or nothing where no difference was found.
async fn shrunk_length(mistake: Mistake) -> Option<usize> {
    let side = |mistake| {
        Side::layered(MemoryStore::new, move |inner| {
            Arc::new(Wrong { inner, mistake })
        })
    };
    let wrong = side(mistake);
    // A server is as cautious about scripts as can be.
    let comparison = Comparison::new(wrong, side(Mistake::NeverSure));
    match run(&Config::new(1, 20_000), &comparison).await {
        Ok(_) => None,
        Err(Failed::Differ(difference)) => {
            let again = comparison.replay(&difference.operations).await.unwrap();
            assert!(again.is_some(), "{difference}");
            Some(difference.operations.len())
        }
        Err(failed) => panic!("{failed}"),
    }
}

#[tokio::test]
async fn subtle_mistakes_are_found_and_shrunk_to_a_few_operations() {
    for mistake in [
        Mistake::RaisesForever,
        Mistake::ForgetsLives,
        Mistake::CountsTwice,
        Mistake::RollsBack,
        Mistake::DeniesWrites,
        Mistake::DeniesScripts,
        Mistake::SkipsKeys,
        Mistake::RunsAhead,
    ] {
        let length = shrunk_length(mistake).await;
        assert!(
            length.is_some_and(|length| length <= 4),
            "{mistake:?}: {length:?}"
        );
    }
}

#[tokio::test]
async fn a_store_is_equivalent_to_itself() {
    let report = run(&Config::new(2, 5_000), &memory_with_itself()).await;
    assert_eq!(report.unwrap().operations, 5_000);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_trouble_and_no_difference() {
    let closed = Side::layered(MemoryStore::new, |store| {
        let closing = store.clone();
        // Its future is ready at once, as all of the memory store's.
        let mut close = Box::pin(async move { closing.close().await });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(close.as_mut().poll(&mut context).is_ready());
        Arc::new(store)
    });
    let comparison = Comparison::new(memory(), closed);
    let failed = run(&Config::new(3, 200), &comparison).await.unwrap_err();
    assert!(matches!(failed, Failed::Trouble(_)), "{failed}");
}
