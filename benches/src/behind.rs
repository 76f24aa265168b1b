//! Writes behind the cache: how fast they are accepted, how many become one, how fast they reach a database, and what they cost
//! while they wait.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit::{
    Cache, CacheKit, ProjectId, ProjectKey, Sink, SinkError, Ttl, WriteBehind, WriteBehindWorker,
    WriteItem, store::Tasks,
};
use cachekit_testkit::server::Server;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use rusqlite::{Connection, params};

use crate::{
    Outcome,
    aside::{keys_of, text},
    bounds,
    harness::{Row, compare_samples, spawned, timed},
    payload::Payload,
    raw::{self, PEER},
    report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 4] = [
    "write_behind/set/64",
    "write_behind/coalesce",
    "write_behind/drain",
    "write_behind/memory",
];
const TASKS: usize = 64;
const EACH: usize = 300;
/// Writes to few keys.
const COALESCED: usize = 100_000;
const FEW: usize = 100;
/// Keys that are drained, and how many rows a transaction has.
const DRAINED: usize = 100_000;
const BATCH: usize = 500;
/// Keys that wait, and what they may cost in bytes for each byte of their values.
const QUEUED: usize = 1_000_000;
const MEMORY_LIMIT: f64 = 5.0;
const HOUR: Ttl = Ttl::seconds(3_600);
const LONG: Duration = Duration::from_secs(600);

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let bench = Bench::prepare().await?;
    for name in wanted {
        bench.forget().await;
        let row = match *name {
            "write_behind/set/64" => bench.set(name).await?,
            "write_behind/coalesce" => bench.coalesce(name).await?,
            "write_behind/drain" => bench.drain(name).await?,
            _ => bench.memory(name).await?,
        };
        report::print(&row);
        rows.push(row);
    }
    Ok(rows)
}

type Queue = (
    WriteBehind<ProjectKey, Payload>,
    WriteBehindWorker<ProjectKey, Payload>,
);

struct Bench {
    cache: Cache<ProjectKey, Payload>,
    raw: MultiplexedConnection,
    _server: Server,
    rounds: AtomicUsize,
}

impl Bench {
    async fn prepare() -> Outcome<Self> {
        let server = raw::server(&[]).await?;
        let kit = CacheKit::connect(&server.url()).await?;
        Ok(Self {
            cache: kit.cache().ttl(HOUR).build()?,
            raw: raw::connection(&server.url()).await?,
            _server: server,
            rounds: AtomicUsize::new(0),
        })
    }

    async fn queue(&self, sink: impl Sink<ProjectKey, Payload>) -> Outcome<Queue> {
        let builder = WriteBehind::builder(&self.cache, sink);
        Ok(builder
            .batch(BATCH)
            .concurrency(4)
            .backlog(10_000_000)
            .build()
            .await?)
    }

    /// A project that no round had before.
    fn project(&self) -> ProjectId {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        ProjectId::new(format!("round{round}")).expect("a short id")
    }

    async fn forget(&self) {
        let mut raw = self.raw.clone();
        let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut raw).await;
        assert!(flushed.is_ok());
    }

    /// Each write is of a key of its own, so that none is spared by another.
    async fn set(&self, name: &str) -> Outcome<Row> {
        let (writes, _worker) = self.queue(Counting::default()).await?;
        let ours = || async {
            self.forget().await;
            let keys = Arc::new(keys_of(&self.project(), TASKS * EACH));
            let writing = spawned(TASKS, EACH, |task| {
                let (writes, keys) = (writes.clone(), Arc::clone(&keys));
                async move {
                    let payload = Payload::new();
                    for key in &keys[task * EACH..(task + 1) * EACH] {
                        assert!(writes.put(key, &payload).await.is_ok());
                    }
                }
            });
            timed(writing).await
        };
        let json = Arc::new(Payload::new().json());
        let peer = || async {
            self.forget().await;
            let keys: Vec<String> = keys_of(&self.project(), TASKS * EACH)
                .iter()
                .map(text)
                .collect();
            let keys = Arc::new(keys);
            let writing = spawned(TASKS, EACH, |task| {
                let (mut raw, keys, json) =
                    (self.raw.clone(), Arc::clone(&keys), Arc::clone(&json));
                async move {
                    for key in &keys[task * EACH..(task + 1) * EACH] {
                        let set: Result<(), _> =
                            raw.pset_ex(key, &json[..], HOUR.as_millis()).await;
                        assert!(set.is_ok());
                    }
                }
            });
            timed(writing).await
        };
        Ok(compare_samples(name, PEER, ours, peer).await)
    }

    /// Writes to few keys while a worker drains.
    async fn coalesce(&self, name: &str) -> Outcome<Row> {
        let sink = Counting::default();
        let (writes, worker) = self.queue(sink.clone()).await?;
        let tasks = Tasks::new();
        tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        })?;
        let keys = Arc::new(keys_of(&self.project(), FEW));
        spawned(TASKS, COALESCED / TASKS + 1, |task| {
            let (writes, keys) = (writes.clone(), Arc::clone(&keys));
            async move {
                let payload = Payload::new();
                for count in (task..COALESCED).step_by(TASKS) {
                    assert!(writes.put(&keys[count % FEW], &payload).await.is_ok());
                }
            }
        })
        .await;
        let flushed = writes.flush(LONG).await?;
        assert_eq!(flushed.dead_letters, 0);
        let _ = tasks.shutdown(LONG).await;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let (ours, rows) = (COALESCED as f64, sink.0.load(Ordering::Relaxed) as f64);
        Ok(single(
            name,
            ours,
            rows,
            "rows written",
            "accepted writes",
            ours / rows,
        ))
    }

    async fn drain(&self, name: &str) -> Outcome<Row> {
        let table = Table::open()?;
        let (writes, worker) = self.queue(table.clone()).await?;
        let ours = || async {
            self.forget().await;
            table.empty();
            let payload = Payload::new();
            let values = keys_of(&self.project(), DRAINED).into_iter();
            let values: Vec<_> = values.map(|key| (key, payload.clone())).collect();
            assert!(writes.put_many(&values).await.is_ok());
            let draining = async {
                let drained = worker.drain(LONG).await.map(|drained| drained.persisted);
                assert_eq!(drained.ok(), Some(DRAINED as u64));
                DRAINED
            };
            timed(draining).await
        };
        let peer = || async {
            table.empty();
            let (json, keys) = (Payload::new().json(), keys_of(&self.project(), DRAINED));
            let rows = keys.iter().map(text).map(|key| (key, 1, json.clone()));
            let rows: Vec<_> = rows.collect();
            timed(async {
                for rows in rows.chunks(BATCH) {
                    assert!(table.clone().insert(rows.to_vec()).await);
                }
                DRAINED
            })
            .await
        };
        let row = compare_samples(name, "the same rows without a queue", ours, peer).await;
        table.remove();
        Ok(row)
    }

    /// What the server needs for each byte of the values, cached copies included.
    async fn memory(&self, name: &str) -> Outcome<Row> {
        let (writes, _worker) = self.queue(Counting::default()).await?;
        let before = self.used().await?;
        let (project, payload) = (self.project(), Payload::new());
        let keys = keys_of(&project, QUEUED);
        for keys in keys.chunks(5_000) {
            let values: Vec<_> = keys
                .iter()
                .map(|key| (key.clone(), payload.clone()))
                .collect();
            writes.put_many(&values).await?;
        }
        let grown = self.used().await?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^53")]
        let ours = grown as f64 / (QUEUED * payload.json().len()) as f64;
        println!(
            "{QUEUED} queued writes of 256 bytes: {} MiB in the server",
            grown >> 20
        );
        let unit = "bytes a byte";
        Ok(single(
            name,
            ours,
            MEMORY_LIMIT,
            "the limit",
            unit,
            MEMORY_LIMIT / ours,
        ))
    }

    /// What the server says that it uses.
    async fn used(&self) -> Outcome<usize> {
        let mut raw = self.raw.clone();
        let info: String = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut raw)
            .await?;
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        Ok(used.ok_or("the server does not tell")?.trim().parse()?)
    }
}

/// A row of one measurement.
fn single(name: &str, ours: f64, peer: f64, peer_name: &str, unit: &str, ratio: f64) -> Row {
    Row {
        name: name.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        unit: unit.to_owned(),
        ratio,
        low: ratio,
        high: ratio,
        at_least: bounds::of(name),
    }
}

/// Counts what it is given.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

#[async_trait::async_trait]
impl Sink<ProjectKey, Payload> for Counting {
    async fn write(&self, batch: &[WriteItem<ProjectKey, Payload>]) -> Vec<Result<(), SinkError>> {
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        batch.iter().map(|_| Ok(())).collect()
    }
}

/// A key's name, the sequence of its write, and its value.
type Entry = (String, i64, Vec<u8>);

/// A table of SQLite on disk: WAL, and the disk waited for with each transaction.
#[derive(Clone)]
struct Table {
    connection: Arc<Mutex<Connection>>,
    file: PathBuf,
}

impl Table {
    fn open() -> Outcome<Self> {
        let file = std::env::temp_dir().join(format!("cachekit-drain-{}", std::process::id()));
        let connection = Connection::open(&file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE entries (key TEXT PRIMARY KEY, sequence INTEGER NOT NULL, value BLOB) WITHOUT ROWID;",
        )?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            file,
        })
    }

    fn empty(&self) {
        let connection = self.connection.lock().expect("nobody panics with it");
        let emptied =
            connection.execute_batch("DELETE FROM entries; PRAGMA wal_checkpoint(TRUNCATE);");
        assert!(emptied.is_ok());
    }

    /// One transaction.
    async fn insert(self, rows: Vec<Entry>) -> bool {
        let inserting = tokio::task::spawn_blocking(move || {
            let mut connection = self.connection.lock().expect("nobody panics with it");
            insert(&mut connection, &rows)
        });
        inserting.await.is_ok_and(|inserted| inserted.is_ok())
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.file.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}

fn insert(connection: &mut Connection, rows: &[Entry]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO entries (key, sequence, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value
             WHERE excluded.sequence > entries.sequence",
        )?;
        for (key, sequence, value) in rows {
            upsert.execute(params![key, sequence, value])?;
        }
    }
    transaction.commit()
}

#[async_trait::async_trait]
impl Sink<ProjectKey, Payload> for Table {
    async fn write(&self, batch: &[WriteItem<ProjectKey, Payload>]) -> Vec<Result<(), SinkError>> {
        let rows = batch.iter().map(|item| {
            let sequence = i64::try_from(item.token.sequence).unwrap_or(i64::MAX);
            let json = item.value().map(Payload::json).unwrap_or_default();
            (item.token.key.to_string(), sequence, json)
        });
        let rows: Vec<Entry> = rows.collect();
        match self.clone().insert(rows).await {
            true => batch.iter().map(|_| Ok(())).collect(),
            false => batch
                .iter()
                .map(|_| Err(SinkError::transient("no transaction")))
                .collect(),
        }
    }
}
