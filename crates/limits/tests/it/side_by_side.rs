//! A real server and the memory store side by side, with one clock that the test sets.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cachekit_keys::{KeySchema, Namespace, Pattern};
use cachekit_store::{MemoryStore, RedisStore, ScanRequest, Store};
use cachekit_testkit::server::{Kind, SharedServer};
use proptest::{
    prelude::{ProptestConfig, Strategy},
    test_runner::{TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::{
    everlasting::Everlasting,
    support::{START, at},
};

/// A server whose scripts see the time that the test sets.
pub(crate) struct Server {
    runtime: Runtime,
    store: Arc<dyn Store>,
    clock: Arc<AtomicU64>,
}

impl Server {
    /// `None` where the server is not there.
    pub(crate) fn connect(kind: Kind) -> Option<(Self, SharedServer)> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(SharedServer::of(kind)).unwrap()?;
        let clock = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&clock);
        let builder = RedisStore::builder(server.url());
        let connecting = builder.script_clock(move || read.load(Ordering::Relaxed));
        let store = runtime.block_on(connecting.connect()).unwrap();
        let this = Self {
            runtime,
            store: Arc::new(Everlasting::new(store)),
            clock,
        };
        Some((this, server))
    }

    /// Lets both sides do the same at the same moments; answers where they differ.
    fn compare<P, S: std::fmt::Debug>(
        &self,
        steps: &[(u64, S)],
        make: impl Fn(Arc<dyn Store>, KeySchema) -> P,
        play: impl AsyncFn(&mut P, &S) -> String,
    ) -> Result<(), TestCaseError> {
        // Time stands still in here, and keeps what the test sets.
        let still = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let memory = still.block_on(async { MemoryStore::new() });
        let name = format!("t{:016x}", fastrand::u64(..));
        let schema = KeySchema::plain().with_namespace(Namespace::new(&name).unwrap());
        let mut lua = make(Arc::clone(&self.store), schema.clone());
        let mut rust = make(Arc::new(memory.clone()), schema);
        for (now, step) in steps {
            self.clock.store(*now, Ordering::Relaxed);
            let lua = self.runtime.block_on(play(&mut lua, step));
            let rust = still.block_on(async {
                memory.set_wall_clock(at(*now));
                play(&mut rust, step).await
            });
            if lua != rust {
                let detail = format!("{step:?} at {now}: {lua} in Lua, {rust} in Rust");
                return Err(TestCaseError::fail(detail));
            }
        }
        self.same_text(&still, &memory, &name)
    }

    /// Every string that the Rust bodies left in memory is what the Lua text left on the server.
    fn same_text(
        &self,
        still: &Runtime,
        memory: &MemoryStore,
        namespace: &str,
    ) -> Result<(), TestCaseError> {
        let request = ScanRequest::new(Pattern::raw(format!("{namespace}:*")).unwrap());
        let keys = still.block_on(memory.scan(&request)).unwrap().keys;
        let left = still.block_on(memory.get_many(&keys)).unwrap();
        let there = self.runtime.block_on(self.store.get_many(&keys)).unwrap();
        if left != there {
            return Err(TestCaseError::fail(format!(
                "{keys:?}: {left:?} and {there:?}"
            )));
        }
        self.runtime.block_on(self.store.delete(&keys)).unwrap();
        Ok(())
    }
}

/// Plays random steps on both sides; does nothing where the server is not there.
pub(crate) fn agree_on<I, P, S: std::fmt::Debug>(
    kind: Kind,
    cases: u32,
    inputs: impl Strategy<Value = I>,
    steps: impl Fn(&I) -> Vec<(u64, S)>,
    make: impl Fn(&I, Arc<dyn Store>, KeySchema) -> P,
    play: impl AsyncFn(&mut P, &S) -> String,
) where
    I: std::fmt::Debug,
{
    let Some((server, shared)) = Server::connect(kind) else {
        return;
    };
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        let make = |store, schema| make(&input, store, schema);
        server.compare(&steps(&input), make, &play)
    });
    // A container is left within its runtime.
    server.runtime.block_on(async { drop(shared) });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
