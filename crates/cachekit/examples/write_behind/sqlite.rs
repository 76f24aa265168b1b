//! A sink on SQLite that makes at-least-once delivery exactly-once.
//!
//! A row keeps the sequence of the write that made it, in the same transaction. A write that comes again, or late, finds a row that
//! is as new or newer, and changes nothing. A deletion leaves its sequence too (a tombstone), because a late write of what was
//! deleted must not bring it back. Tombstones may be dropped after a day or so: no call of a sink is later than that.

use std::{
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
};

use cachekit::{Sink, SinkError, WriteItem};
use rusqlite::{Connection, ErrorCode, Transaction, params};
use serde::Serialize;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entries (
        key TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        value TEXT -- NULL: deleted
    ) WITHOUT ROWID;
    -- What must happen once for each write, such as a message to somebody or, here, a line of an audit.
    CREATE TABLE IF NOT EXISTS changes (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        sequence INTEGER NOT NULL
    );
";

const FENCED: &str = "
    INSERT INTO entries (key, sequence, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value
    WHERE excluded.sequence > entries.sequence
";

const ONCE: &str = "INSERT INTO changes (key, sequence) VALUES (?1, ?2)";

/// A table of values as JSON text, by the names of their keys.
#[derive(Clone)]
pub(crate) struct SqliteSink {
    connection: Arc<Mutex<Connection>>,
}

/// One item as SQLite takes it.
struct Entry {
    key: String,
    sequence: i64,
    value: Option<String>,
}

impl SqliteSink {
    pub(crate) fn open(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }
}

#[async_trait::async_trait]
impl<K, V> Sink<K, V> for SqliteSink
where
    K: Send + Sync + 'static,
    V: Serialize + Send + Sync + 'static,
{
    async fn write(&self, batch: &[WriteItem<K, V>]) -> Vec<Result<(), SinkError>> {
        let entries: Vec<Result<Entry, SinkError>> = batch.iter().map(entry).collect();
        let (connection, count) = (Arc::clone(&self.connection), batch.len());
        // SQLite blocks. Where this future is dropped at its time-out, the transaction goes on and may be late: hence the sequence.
        let writing = tokio::task::spawn_blocking(move || {
            // A panic while it was held has rolled its transaction back.
            let mut connection = connection
                .lock()
                .unwrap_or_else(|broken| broken.into_inner());
            write_all(&mut connection, entries)
        });
        match writing.await {
            Ok(Ok(results)) => results,
            Ok(Err(error)) => vec![Err(error); count],
            Err(error) => {
                vec![Err(SinkError::transient("the writer panicked").with_source(error)); count]
            }
        }
    }
}

fn entry<K, V: Serialize>(item: &WriteItem<K, V>) -> Result<Entry, SinkError> {
    let no_json = |error| SinkError::permanent("the value is no JSON").with_source(error);
    let value = item.value().map(serde_json::to_string).transpose();
    Ok(Entry {
        key: item.token.key.to_string(),
        // Below 2^53.
        sequence: i64::try_from(item.token.sequence).unwrap_or(i64::MAX),
        value: value.map_err(no_json)?,
    })
}

/// One transaction for the whole batch: all of it is there afterwards, or nothing.
fn write_all(
    connection: &mut Connection,
    entries: Vec<Result<Entry, SinkError>>,
) -> Result<Vec<Result<(), SinkError>>, SinkError> {
    let transaction = connection.transaction().map_err(sink_error)?;
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        results.push(match entry {
            Ok(entry) => {
                write_one(&transaction, &entry).map_err(sink_error)?;
                Ok(())
            }
            Err(error) => Err(error),
        });
    }
    transaction.commit().map_err(sink_error)?;
    Ok(results)
}

fn write_one(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let mut fenced = transaction.prepare_cached(FENCED)?;
    let changed = fenced.execute(params![entry.key, entry.sequence, entry.value])?;
    if changed == 1 {
        let mut once = transaction.prepare_cached(ONCE)?;
        once.execute(params![entry.key, entry.sequence])?;
    }
    Ok(())
}

fn sink_error(error: rusqlite::Error) -> SinkError {
    let cannot_be_reached = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
    );
    match cannot_be_reached {
        true => SinkError::unavailable("the database is busy or full").with_source(error),
        false => SinkError::transient("the transaction failed").with_source(error),
    }
}
