//! Filling a cache with ready values, against the tool that is made for filling a server.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use cachekit::{
    Cache, CacheKit, ProjectId, ProjectKey, Ttl,
    patterns::{WarmOptions, each},
};
use cachekit_testkit::server::Server;
use redis::aio::MultiplexedConnection;

use crate::{
    Outcome,
    aside::{keys_of, text},
    harness::{Row, Sample, compare_samples, timed},
    payload::Payload,
    raw, report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 1] = ["warm/100k"];
const PEER: &str = "redis-cli --pipe, whole process";
const VALUES: usize = 100_000;
const HOUR: Ttl = Ttl::seconds(3_600);

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let Some(name) = wanted.first() else {
        return Ok(rows);
    };
    if !has_redis_cli() {
        println!("{name}: left out, for there is no redis-cli on this machine");
        return Ok(rows);
    }
    let bench = Bench::prepare().await?;
    let row = bench.warm(name).await?;
    report::print(&row);
    rows.push(row);
    Ok(rows)
}

fn has_redis_cli() -> bool {
    let mut version = Command::new("redis-cli");
    version.arg("--version").stdout(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

struct Bench {
    cache: Cache<ProjectKey, Payload>,
    raw: MultiplexedConnection,
    server: Server,
    rounds: AtomicUsize,
}

impl Bench {
    async fn prepare() -> Outcome<Self> {
        let server = raw::server(&[]).await?;
        let kit = CacheKit::connect(&server.url()).await?;
        Ok(Self {
            cache: kit.cache().ttl(HOUR).build()?,
            raw: raw::connection(&server.url()).await?,
            server,
            rounds: AtomicUsize::new(0),
        })
    }

    async fn warm(&self, name: &str) -> Outcome<Row> {
        let file = commands(&keys(&ProjectId::new("theirs")?))?;
        let ours = || async {
            self.forget().await;
            let round = self.rounds.fetch_add(1, Ordering::Relaxed);
            let project = ProjectId::new(format!("ours{round}")).expect("a short id");
            let payload = Payload::new();
            let keys = keys(&project).into_iter();
            let values: Vec<_> = keys.map(|key| (key, payload.clone())).collect();
            timed(warm(&self.cache, values)).await
        };
        let peer = || async {
            self.forget().await;
            self.pipe(&file)
        };
        let row = compare_samples(name, PEER, ours, peer).await;
        fs::remove_file(&file)?;
        Ok(row)
    }

    async fn forget(&self) {
        let mut raw = self.raw.clone();
        let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut raw).await;
        assert!(flushed.is_ok());
    }

    fn pipe(&self, file: &Path) -> Sample {
        let commands = File::open(file).expect("it was written before");
        let started = Instant::now();
        let mut pipe = Command::new("redis-cli");
        pipe.args(["-h", self.server.host(), "-p"]);
        pipe.args([&self.server.port().to_string(), "--pipe"]);
        let ended = pipe.stdin(commands).stdout(Stdio::null()).status();
        assert!(ended.is_ok_and(|status| status.success()));
        Sample {
            operations: VALUES,
            elapsed: started.elapsed(),
        }
    }
}

/// What a user calls to fill a cache. The peer's commands overwrite too.
async fn warm(cache: &Cache<ProjectKey, Payload>, values: Vec<(ProjectKey, Payload)>) -> usize {
    let over = WarmOptions::new().overwriting();
    let report = cache.warm_values_with(each(values), &over, |_| {}).await;
    assert_eq!(report.progress.stored, VALUES as u64);
    VALUES
}

fn keys(project: &ProjectId) -> Vec<ProjectKey> {
    keys_of(project, VALUES)
}

/// The same writes as the protocol has them.
fn commands(keys: &[ProjectKey]) -> Outcome<PathBuf> {
    let path = std::env::temp_dir().join(format!("cachekit-warm-{}", std::process::id()));
    let mut file = BufWriter::new(File::create(&path)?);
    let (value, ttl) = (Payload::new().json(), HOUR.as_millis().to_string());
    for key in keys {
        let key = text(key);
        let parts = [b"SET", key.as_bytes(), &value, b"PX", ttl.as_bytes()];
        write!(file, "*{}\r\n", parts.len())?;
        for part in parts {
            write!(file, "${}\r\n", part.len())?;
            file.write_all(part)?;
            file.write_all(b"\r\n")?;
        }
    }
    file.flush()?;
    Ok(path)
}
