//! Write-behind into real databases: SQLite in the process, and PostgreSQL where the machine has it.
#![expect(
    clippy::print_stdout,
    reason = "which databases took part is for the person who runs it"
)]

mod postgres;

use std::{collections::HashMap, env, fs, time::Duration};

use cachekit::{
    CacheKit, KeyPath, ProjectId, ProjectKey, Result, Sink, WriteItem, WriteOperation,
    patterns::WriteToken,
};

use self::postgres::{Postgres, PostgresSink};
use crate::crash::sqlite::SqliteSink;

type Rows = HashMap<String, Option<String>>;

const KEYS: usize = 50;
const WRITES: usize = 2_000;

fn key(number: usize) -> ProjectKey {
    let path = KeyPath::new(format!("k{number}")).unwrap();
    ProjectKey::new(ProjectId::new("p").unwrap(), path)
}

/// Puts and deletes in random order; answers what the database has to hold, tombstones included.
async fn write(sink: impl Sink<ProjectKey, String>) -> Result<Rows> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let kit = CacheKit::memory();
    let cache = kit.cache::<ProjectKey, String>().build()?;
    let (writes, worker) = kit.write_behind(&cache, sink).batch(7).build().await?;
    let mut rows = Rows::new();
    for count in 0..WRITES {
        let key = key(random.usize(..KEYS));
        let value =
            (random.f32() > 0.3).then(|| format!("value {count} of 'quotes\"\\' and \u{1F980}"));
        match &value {
            Some(value) => writes.put(&key, value).await?,
            None => writes.delete(&key).await?,
        }
        rows.insert(format!("project:p:{}", key.path()), value);
        if random.u8(..) == 0 {
            worker.drain(Duration::from_secs(10)).await?;
        }
    }
    worker.drain(Duration::from_secs(10)).await?;
    let backlog = writes.backlog().await?;
    assert_eq!(
        (backlog.pending, backlog.dead_letters),
        (0, 0),
        "{backlog:?}"
    );
    Ok(rows)
}

/// The same write again, and older ones late.
async fn deliver_late(sink: &impl Sink<ProjectKey, String>) {
    let operations = [
        (5, WriteOperation::Put("five".to_owned())),
        (5, WriteOperation::Put("five".to_owned())),
        (3, WriteOperation::Put("three".to_owned())),
        (7, WriteOperation::Delete),
        (6, WriteOperation::Put("six".to_owned())),
        (7, WriteOperation::Delete),
    ];
    for (sequence, operation) in operations {
        let name = cachekit::keys::Key::from_raw("late").unwrap();
        let item = WriteItem::new(key(0), operation, WriteToken::new(name, sequence));
        let results = sink.write(&[item]).await;
        assert!(results.len() == 1 && results[0].is_ok(), "{results:?}");
    }
}

#[tokio::test]
async fn sqlite_has_the_last_write_of_each_key_and_takes_no_late_one() {
    // A folder, as the database has other files beside it for as long as it is open.
    let folder = env::temp_dir().join(format!("cachekit-databases-{:016x}", fastrand::u64(..)));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("entries.sqlite");
    let sink = SqliteSink::open(&file).unwrap();
    let expected = write(sink.clone()).await.unwrap();
    deliver_late(&sink).await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    let mut query = connection
        .prepare("SELECT key, value FROM entries")
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let mut rows: Rows = rows.unwrap().map(rusqlite::Result::unwrap).collect();
    assert_eq!(rows.remove("late"), Some(None), "a tombstone");
    let text = |json: String| serde_json::from_str(&json).unwrap();
    let rows: Rows = rows
        .into_iter()
        .map(|(key, json)| (key, json.map(text)))
        .collect();
    assert_eq!(rows, expected);
    let once = "SELECT count(*), max(sequence) FROM changes WHERE key = 'late'";
    let once: (u32, u32) = connection
        .query_row(once, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(once, (2, 7), "each write took effect once, or never");
    println!("databases: SQLite {}", rusqlite::version());
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_has_the_last_write_of_each_key_and_takes_no_late_one() {
    let Some(database) = Postgres::start() else {
        println!("databases: no PostgreSQL on this machine (the package is `postgresql`)");
        return;
    };
    let sink = PostgresSink::connect(&database).await;
    let expected = write(sink.clone()).await.unwrap();
    deliver_late(&sink).await;
    let mut rows = sink.rows().await;
    assert_eq!(rows.remove("late"), Some(None), "a tombstone");
    assert_eq!(rows, expected);
    println!("databases: {}", sink.version().await);
}
