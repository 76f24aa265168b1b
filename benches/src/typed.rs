//! Typed reads and writes through the umbrella, against the raw client with the same bytes.

use std::sync::Arc;

use cachekit::{CacheKit, ProjectCache, ProjectId, SessionCache, SessionId};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::{
    Outcome,
    harness::{Row, compare, spawned},
    payload::Payload,
    raw::{self, PEER},
    report,
};

/// The last two have a peer that decodes as well: what is left is the cost of the kit, and not of typed values.
pub(crate) const ROWS: [&str; 7] = [
    "get/json-256/64",
    "get/json-256/1",
    "get_many/100",
    "set/json-256/64",
    "set_many/1000",
    "decoded/get/json-256/64",
    "decoded/get_many/100",
];
const DECODING_PEER: &str = "redis crate and serde_json";
const KEYS: usize = 1_000;

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let server = raw::server(&[]).await?;
    let bench = Bench::prepare(&server.url()).await?;
    for name in wanted {
        let row = bench.run(name).await?;
        report::print(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// Both sides connected to one server that holds the values.
struct Bench {
    session: SessionCache,
    project: ProjectCache,
    raw: MultiplexedConnection,
    payload: Payload,
    json: Arc<Vec<u8>>,
    names: Arc<Vec<String>>,
    raw_keys: Arc<Vec<String>>,
}

impl Bench {
    async fn prepare(url: &str) -> Outcome<Self> {
        let kit = CacheKit::connect(url).await?;
        let session = kit.session(&SessionId::new("bench")?);
        let names: Vec<String> = (0..KEYS).map(|index| format!("file{index}")).collect();
        let raw_keys = names
            .iter()
            .map(|name| format!("session:bench:{name}"))
            .collect();
        let payload = Payload::new();
        let json = payload.json();
        assert_eq!(json.len(), 256);
        for name in &names {
            session.set(name, &payload).await?;
        }
        Ok(Self {
            session,
            project: kit.project(&ProjectId::new("bench")?),
            raw: raw::connection(url).await?,
            payload,
            json: Arc::new(json),
            names: Arc::new(names),
            raw_keys: Arc::new(raw_keys),
        })
    }

    async fn run(&self, name: &str) -> Outcome<Row> {
        match name {
            "get/json-256/64" => Ok(self.get(name, 64, 400, is_text).await),
            "get/json-256/1" => Ok(self.get(name, 1, 4_000, is_text).await),
            "get_many/100" => Ok(self.get_many(name, is_text).await),
            "decoded/get/json-256/64" => Ok(self.get(name, 64, 400, decodes).await),
            "decoded/get_many/100" => Ok(self.get_many(name, decodes).await),
            "set/json-256/64" => Ok(self.set(name, 64, 300).await),
            "set_many/1000" => Ok(self.set_many(name).await),
            other => Err(format!("no row {other}").into()),
        }
    }

    /// What the peer does with the bytes is `is_read`.
    async fn get(&self, name: &str, tasks: usize, each: usize, is_read: fn(&[u8]) -> bool) -> Row {
        let ours = || {
            spawned(tasks, each, |task| {
                let (session, names) = (self.session.clone(), Arc::clone(&self.names));
                async move {
                    for index in 0..each {
                        let hit = session
                            .get::<Payload>(&names[(index + task * 17) % KEYS])
                            .await;
                        assert!(hit.is_ok_and(|value| value.is_some()));
                    }
                }
            })
        };
        let peer = || {
            spawned(tasks, each, |task| {
                let (mut raw, keys) = (self.raw.clone(), Arc::clone(&self.raw_keys));
                async move {
                    for index in 0..each {
                        let hit: Vec<u8> = raw
                            .get(&keys[(index + task * 17) % KEYS])
                            .await
                            .unwrap_or_default();
                        assert!(is_read(&hit));
                    }
                }
            })
        };
        compare(name, peer_of(name), ours, peer).await
    }

    async fn get_many(&self, name: &str, is_read: fn(&[u8]) -> bool) -> Row {
        const BATCH: usize = 100;
        const BATCHES: usize = 300;
        let ours = || async {
            let names: Vec<&str> = self.names[..BATCH].iter().map(String::as_str).collect();
            for _ in 0..BATCHES {
                let hits = self.session.get_many::<Payload>(&names).await;
                assert!(
                    hits.is_ok_and(|hits| hits.len() == BATCH && hits.iter().all(Option::is_some))
                );
            }
            BATCH * BATCHES
        };
        let peer = || async {
            let mut raw = self.raw.clone();
            for _ in 0..BATCHES {
                let hits: Vec<Vec<u8>> =
                    raw.mget(&self.raw_keys[..BATCH]).await.unwrap_or_default();
                assert!(hits.len() == BATCH && hits.iter().all(|hit| is_read(hit)));
            }
            BATCH * BATCHES
        };
        compare(name, peer_of(name), ours, peer).await
    }

    async fn set(&self, name: &str, tasks: usize, each: usize) -> Row {
        let ours = || {
            spawned(tasks, each, |task| {
                let (session, names, payload) = (
                    self.session.clone(),
                    Arc::clone(&self.names),
                    self.payload.clone(),
                );
                async move {
                    for index in 0..each {
                        let written = session
                            .set(&names[(index + task * 17) % KEYS], &payload)
                            .await;
                        assert!(written.is_ok());
                    }
                }
            })
        };
        let peer = || {
            spawned(tasks, each, |task| {
                let (mut raw, keys, json) = (
                    self.raw.clone(),
                    Arc::clone(&self.raw_keys),
                    Arc::clone(&self.json),
                );
                async move {
                    for index in 0..each {
                        let key = &keys[(index + task * 17) % KEYS];
                        let written: Result<(), _> = raw.pset_ex(key, &json[..], 300_000).await;
                        assert!(written.is_ok());
                    }
                }
            })
        };
        compare(name, PEER, ours, peer).await
    }

    async fn set_many(&self, name: &str) -> Row {
        const BATCHES: usize = 30;
        let ours = || async {
            let items: Vec<(&str, &Payload)> = self
                .names
                .iter()
                .map(|name| (name.as_str(), &self.payload))
                .collect();
            for _ in 0..BATCHES {
                assert!(self.project.set_many(&items).await.is_ok());
            }
            KEYS * BATCHES
        };
        let peer = || async {
            let mut raw = self.raw.clone();
            let keys: Vec<String> = self
                .names
                .iter()
                .map(|name| format!("project:bench:{name}"))
                .collect();
            for _ in 0..BATCHES {
                let mut pipeline = redis::pipe();
                for key in &keys {
                    pipeline.pset_ex(key, &self.json[..], 3_600_000).ignore();
                }
                let written: Result<(), _> = pipeline.query_async(&mut raw).await;
                assert!(written.is_ok());
            }
            KEYS * BATCHES
        };
        compare(name, PEER, ours, peer).await
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.len() == 256
}

fn decodes(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Payload>(bytes).is_ok()
}

fn peer_of(name: &str) -> &'static str {
    match name.starts_with("decoded/") {
        true => DECODING_PEER,
        false => PEER,
    }
}
