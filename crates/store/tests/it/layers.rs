//! Every layer keeps the contract of the store that it is put around, and so does a stack of all of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cachekit_keys::{Key, Namespace};
use cachekit_store::{
    CircuitOptions, ErrorKind, Event, Fault, FaultPlan, FaultRule, LayerExt, MemoryStore, Observer,
    Observers, RetryOptions, Store, TimeoutOptions,
};
use cachekit_testkit::conformance::{self, MemorySubject, Subject};
use tokio::time::Instant;

const NAMESPACE: &str = "staging";

type Layers = fn(Arc<dyn Store>) -> Arc<dyn Store>;

/// A subject in layers.
struct Layered {
    inner: Arc<dyn Subject>,
    layers: Layers,
    /// Whether one of the layers is a namespace.
    is_namespaced: bool,
}

impl fmt::Debug for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layered").field(&self.store()).finish()
    }
}

#[async_trait]
impl Subject for Layered {
    fn store(&self) -> Arc<dyn Store> {
        (self.layers)(self.inner.store())
    }

    async fn open(&self) -> Arc<dyn Store> {
        (self.layers)(self.inner.open().await)
    }

    async fn put_list(&self, key: &Key) {
        if !self.is_namespaced {
            return self.inner.put_list(key).await;
        }
        let prefix = format!("{NAMESPACE}:").into_bytes();
        let below = Key::from_raw([&prefix, key.as_bytes()].concat()).unwrap();
        self.inner.put_list(&below).await;
    }
}

async fn conforms(layers: Layers, is_namespaced: bool) {
    for clustered in [false, true] {
        let store = MemoryStore::builder().clustered(clustered).build();
        let subject = Layered {
            inner: Arc::new(MemorySubject::new(store)),
            layers,
            is_namespaced,
        };
        conformance::run(Arc::new(subject)).await;
    }
}

fn timeouts() -> TimeoutOptions {
    TimeoutOptions::all(Duration::from_secs(5))
}

fn stack(store: Arc<dyn Store>) -> Arc<dyn Store> {
    store
        .with_faults(&FaultPlan::new())
        .with_timeouts(timeouts())
        .unwrap()
        .with_circuit_breaker(CircuitOptions::new())
        .unwrap()
        .with_retries(RetryOptions::new().with_deadline(Duration::from_secs(20)))
        .unwrap()
        .with_observers(Observers::none().with(Arc::new(Silent)))
        .in_namespace(&Namespace::new(NAMESPACE).unwrap())
}

#[derive(Debug)]
struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event<'_>) {}
}

#[tokio::test(start_paused = true)]
async fn a_store_with_timeouts_conforms() {
    conforms(|store| store.with_timeouts(timeouts()).unwrap(), false).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_with_retries_conforms() {
    let layers: Layers = |store| store.with_retries(RetryOptions::new()).unwrap();
    conforms(layers, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_behind_a_circuit_breaker_conforms() {
    let layers: Layers = |store| store.with_circuit_breaker(CircuitOptions::new()).unwrap();
    conforms(layers, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_with_an_empty_plan_of_faults_conforms() {
    conforms(|store| store.with_faults(&FaultPlan::new()), false).await;
}

#[tokio::test(start_paused = true)]
async fn an_observed_store_conforms() {
    let layers: Layers = |store| store.with_observers(Observers::none().with(Arc::new(Silent)));
    conforms(layers, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_of_a_store_conforms() {
    let layers: Layers = |store| store.in_namespace(&Namespace::new(NAMESPACE).unwrap());
    conforms(layers, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_in_a_namespace_conforms() {
    let layers: Layers = |store| {
        store
            .in_namespace(&Namespace::new("outer").unwrap())
            .in_namespace(&Namespace::new("a[b]*").unwrap())
    };
    for clustered in [false, true] {
        let store = MemoryStore::builder().clustered(clustered).build();
        let subject = Nested(Layered {
            inner: Arc::new(MemorySubject::new(store)),
            layers,
            is_namespaced: false,
        });
        conformance::run(Arc::new(subject)).await;
    }
}

/// Two namespaces, the inner one with characters that mean something in a glob.
#[derive(Debug)]
struct Nested(Layered);

#[async_trait]
impl Subject for Nested {
    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.0.open().await
    }

    async fn put_list(&self, key: &Key) {
        let below = Key::from_raw([b"outer:a[b]*:", key.as_bytes()].concat()).unwrap();
        self.0.put_list(&below).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_layers_on_each_other_conform() {
    conforms(stack, true).await;
}

/// Counts what an observer next to the caller sees.
#[derive(Debug, Default)]
struct Counts {
    calls: AtomicUsize,
    retries: AtomicUsize,
    circuits: AtomicUsize,
}

impl Observer for Counts {
    fn observe(&self, event: &Event<'_>) {
        let count = match event {
            Event::Call { .. } => &self.calls,
            Event::Retry { .. } => &self.retries,
            Event::Circuit { .. } => &self.circuits,
            _ => return,
        };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counts {
    fn now(&self) -> [usize; 3] {
        [&self.calls, &self.retries, &self.circuits].map(|count| count.load(Ordering::SeqCst))
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_two_calls_their_time_and_the_rest_nothing_until_it_is_back() {
    let (plan, counts) = (FaultPlan::new(), Arc::new(Counts::default()));
    let observers = Observers::none().with(Arc::clone(&counts) as _);
    let hang = plan.add(FaultRule::new(Fault::Hang));
    let limit = Duration::from_millis(100);
    let circuit = CircuitOptions::new().with_jitter(0);
    let store = MemoryStore::new()
        .with_faults(&plan)
        .with_timeouts(TimeoutOptions::all(limit))
        .unwrap()
        .with_circuit_breaker(circuit.with_observers(observers.clone()))
        .unwrap()
        .with_retries(RetryOptions::new().with_observers(observers.clone()))
        .unwrap()
        .with_observers(observers);

    // Three attempts, then two more, of which the second opens the circuit: the third is refused and ends the call.
    for kind in [ErrorKind::Timeout, ErrorKind::Overloaded] {
        assert_eq!(store.time().await.unwrap_err().kind(), kind);
    }
    assert_eq!((plan.calls(), counts.now()), (5, [2, 4, 1]));

    let started = Instant::now();
    for _ in 0..1_000 {
        let error = store.time().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!((plan.calls(), counts.now()), (5, [1_002, 4, 1]));

    plan.remove(hang);
    tokio::time::sleep(Duration::from_secs(5)).await;
    store.time().await.unwrap();
    assert_eq!((plan.calls(), counts.now()), (6, [1_003, 4, 3]));
}

#[tokio::test(start_paused = true)]
async fn tenants_on_one_stack_share_its_breaker() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let shared = MemoryStore::new()
        .with_faults(&plan)
        .with_circuit_breaker(CircuitOptions::new())
        .unwrap();
    let tenant = |name| Arc::clone(&shared).in_namespace(&Namespace::new(name).unwrap());
    let (one, two) = (tenant("one"), tenant("two"));
    for _ in 0..5 {
        one.time().await.unwrap_err();
    }
    assert_eq!(two.time().await.unwrap_err().kind(), ErrorKind::Overloaded);
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn all_layers_around_a_real_server_conform() {
    use cachekit_testkit::{
        conformance::RedisSubject,
        server::{Kind, SharedServer},
    };

    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let redis = RedisSubject::connect(server.url()).await.unwrap();
    let subject = Layered {
        inner: Arc::new(redis),
        layers: stack,
        is_namespaced: true,
    };
    conformance::run(Arc::new(subject)).await;
}
