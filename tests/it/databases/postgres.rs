//! A PostgreSQL of the test's own, from the machine's programs, and a sink on it.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cachekit::{Sink, SinkError, WriteItem};
use serde::Serialize;
use tokio_postgres::{Client, NoTls};

use super::Rows;

/// Below this folder Debian has a folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A database cluster in a folder of its own, on the loopback interface, which ends with this value.
pub(super) struct Postgres {
    server: Child,
    port: u16,
    folder: PathBuf,
}

impl Postgres {
    /// `None` where the machine has no PostgreSQL.
    pub(super) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = env::temp_dir().join(format!("cachekit-postgres-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        let user = user();
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command.current_dir(&folder).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut making = program("initdb");
        making.args([
            "-D",
            "data",
            "-U",
            "cachekit",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        assert!(making.status().unwrap().success(), "initdb failed");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut serving = program("postgres");
        serving.args([
            "-D",
            "data",
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-k",
            "",
        ]);
        let server = serving.spawn().unwrap();
        Some(Self {
            server,
            port,
            folder,
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The children of a server that is killed end by themselves.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the programs of the newest version are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(Path::new(PROGRAMS)).ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders
        .filter(|folder| folder.join("initdb").exists())
        .max()
}

/// As whom the server runs, where this process is root, as which it refuses to.
fn user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse::<u32>()
    };
    match id(&["-u"]) {
        Ok(0) => Some((id(&["-u", "postgres"]).ok()?, id(&["-g", "postgres"]).ok()?)),
        _ => None,
    }
}

const SCHEMA: &str =
    "CREATE TABLE entries (key TEXT PRIMARY KEY, sequence BIGINT NOT NULL, value TEXT)";

/// One statement is one transaction. A row that is as new or newer stays, and so does a tombstone.
const FENCED: &str = "
    INSERT INTO entries (key, sequence, value)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])
    ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value
    WHERE excluded.sequence > entries.sequence";

/// A table of values as JSON text, by the names of their keys.
#[derive(Clone)]
pub(super) struct PostgresSink(Arc<Client>);

impl PostgresSink {
    /// Waits until the server answers.
    pub(super) async fn connect(database: &Postgres) -> Self {
        let address = format!(
            "host=127.0.0.1 port={} user=cachekit dbname=postgres",
            database.port
        );
        let start = Instant::now();
        let (client, connection) = loop {
            match tokio_postgres::connect(&address, NoTls).await {
                Ok(connected) => break connected,
                Err(error) => assert!(start.elapsed() < READY_LIMIT, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::spawn(connection);
        client.batch_execute(SCHEMA).await.unwrap();
        Self(Arc::new(client))
    }

    pub(super) async fn rows(&self) -> Rows {
        let rows = self
            .0
            .query("SELECT key, value FROM entries", &[])
            .await
            .unwrap();
        let value = |json: Option<String>| json.map(|json| serde_json::from_str(&json).unwrap());
        rows.iter()
            .map(|row| (row.get(0), value(row.get(1))))
            .collect()
    }

    pub(super) async fn version(&self) -> String {
        let row = self.0.query_one("SELECT version()", &[]).await.unwrap();
        let version: String = row.get(0);
        version.split(" on ").next().unwrap_or_default().to_owned()
    }
}

#[async_trait]
impl<K, V> Sink<K, V> for PostgresSink
where
    K: Send + Sync + 'static,
    V: Serialize + Send + Sync + 'static,
{
    async fn write(&self, batch: &[WriteItem<K, V>]) -> Vec<Result<(), SinkError>> {
        let names: Vec<String> = batch
            .iter()
            .map(|item| item.token.key.to_string())
            .collect();
        let sequences = batch
            .iter()
            .map(|item| i64::try_from(item.token.sequence).unwrap());
        let sequences: Vec<i64> = sequences.collect();
        let json = |item: &WriteItem<K, V>| {
            item.value()
                .map(|value| serde_json::to_string(value).unwrap())
        };
        let values: Vec<Option<String>> = batch.iter().map(json).collect();
        let written = self.0.execute(FENCED, &[&names, &sequences, &values]).await;
        let result = match written {
            Ok(_) => Ok(()),
            Err(error) if error.is_closed() => {
                Err(SinkError::unavailable("no connection").with_source(error))
            }
            Err(error) => Err(SinkError::transient("the statement failed").with_source(error)),
        };
        vec![result; batch.len()]
    }
}
