//! Reading through the cache: hits, misses and batches, against what one writes by hand and what others offer.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use cached::{AsyncRedisCache, macros::concurrent_cached, time::Duration};
use cachekit::{Cache, CacheKit, KeyPath, ProjectId, ProjectKey, Ttl, patterns::Loaded};
use futures_util::future::join_all;
use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::{
    Outcome,
    harness::{Row, compare, compare_samples, spawned, timed},
    payload::Payload,
    raw, report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 4] = [
    "aside/hit/64",
    "aside/hit/cached",
    "aside/miss/64",
    "many/100/half-missing",
];
const KEYS: usize = 1_000;
const TASKS: usize = 64;
const HOUR: Ttl = Ttl::seconds(3_600);

type Trees = Cache<ProjectKey, Payload>;

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let server = raw::server(&[]).await?;
    let bench = Bench::prepare(server.url()).await?;
    for name in wanted {
        let row = match *name {
            "aside/hit/64" => bench.hit(name).await,
            "aside/hit/cached" => bench.hit_cached(name).await,
            "aside/miss/64" => bench.miss(name).await,
            _ => bench.many(name).await,
        };
        report::print(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// Both sides connected to one server that holds the values.
struct Bench {
    cache: Trees,
    raw: MultiplexedConnection,
    payload: Payload,
    keys: Arc<Vec<ProjectKey>>,
    raw_keys: Arc<Vec<String>>,
    /// Numbers projects whose keys nobody has asked for yet.
    projects: AtomicUsize,
}

impl Bench {
    async fn prepare(url: String) -> Outcome<Self> {
        let kit = CacheKit::connect(&url).await?;
        let cache = kit.cache::<ProjectKey, Payload>().ttl(HOUR).build()?;
        let payload = Payload::new();
        let keys = keys_of(&ProjectId::new("bench")?, KEYS);
        for key in &keys {
            cache.set(key, &payload).await?;
        }
        let raw = raw::connection(&url).await?;
        CACHED_URL.get_or_init(|| url);
        Ok(Self {
            cache,
            raw,
            payload,
            raw_keys: Arc::new(keys.iter().map(text).collect()),
            keys: Arc::new(keys),
            projects: AtomicUsize::new(0),
        })
    }

    async fn our_hits(&self, each: usize) -> usize {
        spawned(TASKS, each, |task| {
            let (cache, keys) = (self.cache.clone(), Arc::clone(&self.keys));
            async move {
                for index in 0..each {
                    let key = &keys[(index + task * 17) % KEYS];
                    let hit = cache.get_or_load(key, never).await;
                    assert!(hit.is_ok());
                }
            }
        })
        .await
    }

    async fn hit(&self, name: &str) -> Row {
        const EACH: usize = 400;
        const PEER: &str = "redis crate, GET and serde_json";
        let peer = || {
            spawned(TASKS, EACH, |task| {
                let (mut raw, keys) = (self.raw.clone(), Arc::clone(&self.raw_keys));
                async move {
                    for index in 0..EACH {
                        let key = &keys[(index + task * 17) % KEYS];
                        let hit: Vec<u8> = raw.get(key).await.unwrap_or_default();
                        assert!(serde_json::from_slice::<Payload>(&hit).is_ok());
                    }
                }
            })
        };
        compare(name, PEER, || self.our_hits(EACH), peer).await
    }

    async fn hit_cached(&self, name: &str) -> Row {
        const EACH: usize = 400;
        const PEER: &str = "cached::AsyncRedisCache, #[concurrent_cached]";
        for index in 0..KEYS {
            assert!(cached_payload(format!("file{index}")).await.is_ok());
        }
        let loads = CACHED_LOADS.load(Ordering::Relaxed);
        let names: Vec<String> = (0..KEYS).map(|index| format!("file{index}")).collect();
        let names = Arc::new(names);
        let peer = || {
            spawned(TASKS, EACH, |task| {
                let names = Arc::clone(&names);
                async move {
                    for index in 0..EACH {
                        let name = &names[(index + task * 17) % KEYS];
                        assert!(cached_payload(name.clone()).await.is_ok());
                    }
                }
            })
        };
        let row = compare(name, PEER, || self.our_hits(EACH), peer).await;
        assert_eq!(CACHED_LOADS.load(Ordering::Relaxed), loads, "all were hits");
        row
    }

    async fn miss(&self, name: &str) -> Row {
        const EACH: usize = 150;
        const PEER: &str = "redis crate, GET then SET PX";
        let json = Arc::new(self.payload.json());
        let ours = || {
            let keys = Arc::new(self.new_keys(TASKS * EACH));
            timed(spawned(TASKS, EACH, move |task| {
                let (cache, keys) = (self.cache.clone(), Arc::clone(&keys));
                let payload = self.payload.clone();
                async move {
                    for key in &keys[task * EACH..(task + 1) * EACH] {
                        let payload = payload.clone();
                        let loaded = cache
                            .get_or_load(key, || async { Ok::<_, Infallible>(payload) })
                            .await;
                        assert!(loaded.is_ok());
                    }
                }
            }))
        };
        let peer = || {
            let keys = self.new_keys(TASKS * EACH);
            let keys: Arc<Vec<String>> = Arc::new(keys.iter().map(text).collect());
            let json = Arc::clone(&json);
            timed(spawned(TASKS, EACH, move |task| {
                let (mut raw, keys) = (self.raw.clone(), Arc::clone(&keys));
                let json = Arc::clone(&json);
                async move {
                    for key in &keys[task * EACH..(task + 1) * EACH] {
                        let found: Option<Vec<u8>> = raw.get(key).await.unwrap_or_default();
                        assert!(found.is_none());
                        let written: Result<(), _> =
                            raw.pset_ex(key, &json[..], HOUR.as_millis()).await;
                        assert!(written.is_ok());
                    }
                }
            }))
        };
        compare_samples(name, PEER, ours, peer).await
    }

    async fn many(&self, name: &str) -> Row {
        const BATCH: usize = 100;
        const BATCHES: usize = 60;
        const PEER: &str = "100 concurrent get_or_load of ours";
        let ours = || async {
            let batches = self.half_written(BATCHES, BATCH).await;
            timed(async {
                for keys in &batches {
                    let payload = self.payload.clone();
                    let loader = move |missing: Vec<ProjectKey>| {
                        let payload = payload.clone();
                        async move {
                            let load = |key| (key, Loaded::value(payload.clone()));
                            let loaded: HashMap<_, _> = missing.into_iter().map(load).collect();
                            Ok::<_, Infallible>(loaded)
                        }
                    };
                    let values = self.cache.get_or_load_many(keys, loader).await;
                    assert!(values.is_ok_and(|values| values.iter().all(Result::is_ok)));
                }
                BATCHES * BATCH
            })
            .await
        };
        let peer = || async {
            let batches = self.half_written(BATCHES, BATCH).await;
            timed(async {
                for keys in &batches {
                    let one = |key| {
                        let payload = self.payload.clone();
                        let loader = || async { Ok::<_, Infallible>(payload) };
                        self.cache.get_or_load(key, loader)
                    };
                    let values = join_all(keys.iter().map(one)).await;
                    assert!(values.iter().all(Result::is_ok));
                }
                BATCHES * BATCH
            })
            .await
        };
        compare_samples(name, PEER, ours, peer).await
    }

    /// Batches of which every other key has a value.
    async fn half_written(&self, batches: usize, batch: usize) -> Vec<Vec<ProjectKey>> {
        let mut written = Vec::with_capacity(batches);
        for _ in 0..batches {
            let keys = self.new_keys(batch);
            let values = keys.iter().step_by(2);
            let values: Vec<_> = values
                .map(|key| (key.clone(), self.payload.clone()))
                .collect();
            assert!(self.cache.set_many(&values).await.is_ok());
            written.push(keys);
        }
        written
    }

    /// Keys of a project of their own.
    fn new_keys(&self, count: usize) -> Vec<ProjectKey> {
        let project = self.projects.fetch_add(1, Ordering::Relaxed);
        let project = ProjectId::new(format!("p{project}")).expect("a short id");
        keys_of(&project, count)
    }
}

/// A loader that is not to be called.
async fn never() -> Result<Payload, &'static str> {
    Err("a hit was expected")
}

/// The first keys of a project.
pub(crate) fn keys_of(project: &ProjectId, count: usize) -> Vec<ProjectKey> {
    let path = |index| KeyPath::new(format!("file{index}")).expect("a short path");
    (0..count)
        .map(|index| ProjectKey::new(project.clone(), path(index)))
        .collect()
}

/// A key as the plain format has it.
pub(crate) fn text(key: &ProjectKey) -> String {
    format!("project:{}:{}", key.project(), key.path())
}

static CACHED_URL: OnceLock<String> = OnceLock::new();
static CACHED_LOADS: AtomicUsize = AtomicUsize::new(0);

/// What a user of `cached` writes. Its values are MessagePack. It opens its one multiplexed connection itself, from a URL that
/// cannot say that small packets are not to be held back.
#[concurrent_cached(
    map_error = r##"|error| error.to_string()"##,
    ty = "AsyncRedisCache<String, Payload>",
    create = r##" { cached_store().await } "##
)]
async fn cached_payload(_name: String) -> Result<Payload, String> {
    CACHED_LOADS.fetch_add(1, Ordering::Relaxed);
    Ok(Payload::new())
}

async fn cached_store() -> AsyncRedisCache<String, Payload> {
    AsyncRedisCache::builder("bench")
        .ttl(Duration::from_secs(3_600))
        .connection_string(CACHED_URL.get().map_or("", String::as_str))
        .build()
        .await
        .expect("the server answers")
}
