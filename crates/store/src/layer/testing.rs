//! What the tests of several layers share: a store that answers everything, an observer that remembers, every call there is.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::{Key, Pattern, Ttl};
use futures_util::stream;
use parking_lot::Mutex;

use crate::{
    CallOutcome, Capabilities, CircuitState, Condition, Entry, ErrorKind, Event, Expiration,
    ExpireChange, Increment, KeyExpiry, Observer, PubSubItem, Reply, Result, ScanPage, ScanRequest,
    Script, ScriptCall, ScriptEffect, ServerFacts, SetItem, SetOptions, Store, SubscribeRequest,
    Subscription,
};

pub(super) const TTL: Ttl = Ttl::seconds(60);

pub(super) fn key(name: &str) -> Key {
    Key::from_raw(name.to_owned()).unwrap()
}

/// Answers every call at once and with success, counts them, and remembers what it was last asked for.
#[derive(Debug, Default)]
pub(super) struct Stub {
    executed: AtomicU64,
    pub(super) runs: Mutex<Vec<ScriptCall>>,
    pub(super) published: Mutex<Vec<Bytes>>,
    pub(super) subscribed: Mutex<Option<SubscribeRequest>>,
    /// What a subscription yields.
    pub(super) items: Mutex<Vec<PubSubItem>>,
}

impl Stub {
    pub(super) fn executed(&self) -> u64 {
        self.executed.load(Ordering::SeqCst)
    }

    fn count<T>(&self, answer: T) -> Result<T> {
        self.executed.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }
}

#[async_trait]
impl Store for Stub {
    fn capabilities(&self) -> Capabilities {
        Capabilities::basic(1 << 20)
    }

    async fn get(&self, _: &Key) -> Result<Option<Bytes>> {
        self.count(None)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        self.count(vec![None; keys.len()])
    }

    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.count(vec![None; keys.len()])
    }

    async fn set(&self, _: &Key, _: Bytes, _: SetOptions) -> Result<bool> {
        self.count(true)
    }

    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>> {
        self.count(vec![true; items.len()])
    }

    async fn delete(&self, keys: &[Key]) -> Result<u64> {
        self.count(keys.len() as u64)
    }

    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>> {
        self.count(vec![KeyExpiry::Missing; keys.len()])
    }

    async fn expire(&self, keys: &[Key], _: ExpireChange) -> Result<Vec<bool>> {
        self.count(vec![true; keys.len()])
    }

    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>> {
        self.count(vec![1; increments.len()])
    }

    async fn scan(&self, _: &ScanRequest) -> Result<ScanPage> {
        self.count(ScanPage::new(Vec::new(), None))
    }

    async fn time(&self) -> Result<SystemTime> {
        self.count(SystemTime::UNIX_EPOCH)
    }

    async fn server_facts(&self) -> Result<ServerFacts> {
        self.count(ServerFacts::default())
    }

    async fn run_script(&self, _: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        *self.runs.lock() = calls.to_vec();
        self.count(vec![Reply::Nil; calls.len()])
    }

    async fn publish(&self, channel: &Bytes, _: Bytes) -> Result<u64> {
        self.published.lock().push(channel.clone());
        self.count(1)
    }

    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        *self.subscribed.lock() = Some(request);
        self.count(Subscription::new(stream::iter(self.items.lock().clone())))
    }
}

/// An event, to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Call(&'static str, usize, CallOutcome, Duration),
    Retry(&'static str, u32, Duration, ErrorKind),
    Circuit(CircuitState),
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Vec<Seen>>);

impl Recorder {
    /// What was seen since this was last asked.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        let seen = match event {
            Event::Call {
                operation,
                batch,
                outcome,
                elapsed,
            } => Seen::Call(operation, *batch, *outcome, *elapsed),
            Event::Retry {
                operation,
                attempt,
                pause,
                error,
            } => Seen::Retry(operation, *attempt, *pause, error.kind()),
            Event::Circuit { state } => Seen::Circuit(*state),
            _ => return,
        };
        self.0.lock().push(seen);
    }
}

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One way to call a store.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) operation: &'static str,
    /// What another run does.
    pub(super) effect: ScriptEffect,
    /// Keys or runs in it.
    pub(super) batch: usize,
    start: fn(Arc<dyn Store>) -> Running,
}

impl Sample {
    pub(super) async fn run(&self, store: &Arc<dyn Store>) -> Result<()> {
        (self.start)(Arc::clone(store)).await
    }

    pub(super) fn writes(&self) -> bool {
        self.effect != ScriptEffect::ReadOnly
    }
}

const MUTATING: Script = Script::new("mutating", "");
const IDEMPOTENT: Script = Script::new("idempotent", "").with_effect(ScriptEffect::Idempotent);
const READING: Script = Script::new("reading", "").with_effect(ScriptEffect::ReadOnly);

fn two() -> [Key; 2] {
    [key("a"), key("b")]
}

async fn set(store: Arc<dyn Store>, options: SetOptions) -> Result<()> {
    store.set(&key("a"), "v".into(), options).await.map(drop)
}

async fn set_many(store: Arc<dyn Store>, second: SetOptions) -> Result<()> {
    let items = [
        SetItem::new(key("a"), "v", SetOptions::ttl(TTL)),
        SetItem::new(key("b"), "v", second),
    ];
    store.set_many(&items).await.map(drop)
}

async fn expire(store: Arc<dyn Store>, change: ExpireChange) -> Result<()> {
    store.expire(&two(), change).await.map(drop)
}

async fn run(store: Arc<dyn Store>, script: Script) -> Result<()> {
    let run = || ScriptCall::new(vec![key("a")], Vec::new());
    store.run_script(&script, &[run(), run()]).await.map(drop)
}

fn if_absent() -> SetOptions {
    SetOptions::ttl(TTL).with_condition(Condition::IfAbsent)
}

/// Lists samples: the effect, the operation, the batch, and the call of `store`.
macro_rules! samples {
    ($($effect:ident $operation:literal $batch:literal: |$store:ident| $call:expr;)+) => {
        vec![$(Sample {
            operation: $operation,
            effect: ScriptEffect::$effect,
            batch: $batch,
            start: |$store| Box::pin(async move { $call.await.map(drop) }),
        }),+]
    };
}

/// Every method, with every kind of argument that makes a difference to whether it can be repeated.
pub(super) fn every_call() -> Vec<Sample> {
    samples! {
        ReadOnly "get" 1: |store| store.get(&key("a"));
        ReadOnly "get_many" 2: |store| store.get_many(&two());
        ReadOnly "get_entries" 2: |store| store.get_entries(&two());
        ReadOnly "expiries" 2: |store| store.expiries(&two());
        ReadOnly "scan" 1: |store| store.scan(&ScanRequest::new(Pattern::everything()));
        ReadOnly "time" 1: |store| store.time();
        ReadOnly "server_facts" 1: |store| store.server_facts();
        ReadOnly "subscribe" 1: |store| store.subscribe(SubscribeRequest::channel("a"));
        ReadOnly "reading" 2: |store| run(store, READING);
        Idempotent "idempotent" 2: |store| run(store, IDEMPOTENT);
        Mutates "mutating" 2: |store| run(store, MUTATING);
        Idempotent "set" 1: |store| set(store, SetOptions::ttl(TTL));
        Idempotent "set" 1: |store| set(store, SetOptions::new(Expiration::Never));
        Mutates "set" 1: |store| set(store, SetOptions::new(Expiration::Keep));
        Mutates "set" 1: |store| set(store, if_absent());
        Mutates "set" 1: |store| set(store, SetOptions::ttl(TTL).with_condition(Condition::IfPresent));
        Idempotent "set_many" 2: |store| set_many(store, SetOptions::ttl(TTL));
        Mutates "set_many" 2: |store| set_many(store, if_absent());
        Mutates "delete" 2: |store| store.delete(&two());
        Idempotent "expire" 2: |store| expire(store, ExpireChange::After(TTL));
        Mutates "expire" 2: |store| expire(store, ExpireChange::IfNone(TTL));
        Mutates "expire" 2: |store| expire(store, ExpireChange::AtLeast(TTL));
        Mutates "expire" 2: |store| expire(store, ExpireChange::Never);
        Mutates "increment" 1: |store| store.increment(&[Increment::new(key("a"), 1, TTL)]);
        Mutates "publish" 1: |store| store.publish(&Bytes::from_static(b"a"), Bytes::new());
    }
}
