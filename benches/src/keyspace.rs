//! Deleting what belongs together among a million other keys.

use std::time::Instant;

use cachekit::{CacheKit, SessionCache, SessionId};
use cachekit_testkit::server::Server;
use redis::aio::MultiplexedConnection;

use crate::{
    Outcome,
    harness::{Row, Sample, compare_samples},
    raw, report,
};

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 2] = ["clear_session/1M", "delete_by_pattern/100k"];
const PEER: &str = "redis crate, SCAN COUNT 1000 then UNLINK";
const OTHERS: &str = "1000000";
const SESSION_KEYS: usize = 20;
const MATCHING: usize = 100_000;
/// Keys in one pipeline that prepares a round.
const PIPELINE: usize = 10_000;

struct Bench {
    kit: CacheKit,
    raw: MultiplexedConnection,
    _server: Server,
}

/// Measures the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let bench = Bench::prepare().await?;
    for name in wanted {
        let row = match *name {
            "clear_session/1M" => bench.clear_session(name).await,
            _ => bench.delete_by_pattern(name).await,
        };
        report::print(&row);
        rows.push(row);
    }
    Ok(rows)
}

impl Bench {
    /// A server with a million keys that nobody asks for.
    async fn prepare() -> Outcome<Self> {
        let server = raw::server(&["--enable-debug-command", "yes"]).await?;
        let mut raw = raw::connection(&server.url()).await?;
        let mut populate = redis::cmd("DEBUG");
        populate.arg("POPULATE").arg(OTHERS).arg("other").arg(32);
        let () = populate.query_async(&mut raw).await?;
        Ok(Self {
            kit: CacheKit::connect(&server.url()).await?,
            raw,
            _server: server,
        })
    }

    async fn clear_session(&self, name: &str) -> Row {
        let id = SessionId::new("bench").expect("a short id");
        let session = self.kit.session(&id);
        let ours = || async {
            fill(&session).await;
            let started = Instant::now();
            let cleared = session.clear().await;
            let elapsed = started.elapsed();
            assert_eq!(cleared.ok(), Some(SESSION_KEYS as u64));
            Sample {
                operations: 1,
                elapsed,
            }
        };
        let peer = || async {
            fill(&session).await;
            let started = Instant::now();
            let deleted = scan_and_unlink(&mut self.raw.clone(), "session:bench:*").await;
            let elapsed = started.elapsed();
            assert_eq!(deleted, SESSION_KEYS);
            Sample {
                operations: 1,
                elapsed,
            }
        };
        compare_samples(name, PEER, ours, peer).await
    }

    async fn delete_by_pattern(&self, name: &str) -> Row {
        const PATTERN: &str = "project:bench:*";
        let ours = || async {
            self.write_matching().await;
            let started = Instant::now();
            let deleted = self.kit.delete_by_pattern(PATTERN).await;
            let elapsed = started.elapsed();
            assert_eq!(deleted.ok(), Some(MATCHING as u64));
            Sample {
                operations: MATCHING,
                elapsed,
            }
        };
        let peer = || async {
            self.write_matching().await;
            let started = Instant::now();
            let deleted = scan_and_unlink(&mut self.raw.clone(), PATTERN).await;
            let elapsed = started.elapsed();
            assert_eq!(deleted, MATCHING);
            Sample {
                operations: MATCHING,
                elapsed,
            }
        };
        compare_samples(name, PEER, ours, peer).await
    }

    /// Writes the keys to delete, without an index: a pattern finds what anybody wrote.
    async fn write_matching(&self) {
        let mut raw = self.raw.clone();
        for start in (0..MATCHING).step_by(PIPELINE) {
            let mut pipeline = redis::pipe();
            for index in start..start + PIPELINE {
                let key = format!("project:bench:file{index}");
                pipeline.pset_ex(key, "x".repeat(32), 3_600_000).ignore();
            }
            let written: Result<(), _> = pipeline.query_async(&mut raw).await;
            assert!(written.is_ok());
        }
    }
}

async fn fill(session: &SessionCache) {
    let values: Vec<(String, u32)> = (0..SESSION_KEYS)
        .map(|index| (format!("file{index}"), 7))
        .collect();
    assert!(session.set_many(&values).await.is_ok());
}

/// What one writes by hand: a page, its deletion, the next page.
async fn scan_and_unlink(raw: &mut MultiplexedConnection, pattern: &str) -> usize {
    let (mut cursor, mut deleted) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern);
        let page = scan.arg("COUNT").arg(1_000).query_async(raw).await;
        let (next, keys): (u64, Vec<Vec<u8>>) = page.expect("the server answers");
        if !keys.is_empty() {
            let unlinked = redis::cmd("UNLINK")
                .arg(keys)
                .query_async::<usize>(raw)
                .await;
            deleted += unlinked.expect("the server answers");
        }
        if next == 0 {
            return deleted;
        }
        cursor = next;
    }
}
