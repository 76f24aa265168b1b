//! The processes that are killed: a writer and a worker, each this test program with one test.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use async_trait::async_trait;
use cachekit::{
    Cache, CacheKit, KeyPath, Namespace, ProjectId, ProjectKey, Sink, SinkError, WriteBehind,
    WriteBehindWorker, WriteItem, store::Tasks,
};

use super::{journal::Journal, sqlite::SqliteSink};

/// Keys that are written, each by one task.
pub(super) const KEYS: usize = 1_000;
const TASKS: usize = 8;
pub(super) const CLAIM: Duration = Duration::from_secs(2);
const BED: [&str; 4] = [
    "CACHEKIT_CRASH_URL",
    "CACHEKIT_CRASH_NAMESPACE",
    "CACHEKIT_CRASH_FOLDER",
    "CACHEKIT_CRASH_CHILD",
];

/// Where a run takes place.
#[derive(Clone, Debug)]
pub(super) struct Bed {
    pub(super) url: String,
    pub(super) namespace: String,
    pub(super) folder: PathBuf,
}

/// What a child is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Writes by this seed.
    Writer(u64),
    Worker,
    /// A worker whose sink takes this long, in milliseconds.
    Slow(u64),
}

type Kept = (
    WriteBehind<ProjectKey, String>,
    WriteBehindWorker<ProjectKey, String>,
);

impl Bed {
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("rows.sqlite")
    }

    pub(super) fn writes(&self) -> PathBuf {
        self.folder.join("writes")
    }

    pub(super) fn deliveries(&self) -> PathBuf {
        self.folder.join("deliveries")
    }

    /// The queue as every process has it.
    pub(super) async fn queue(&self, slow: Duration) -> cachekit::Result<Kept> {
        let namespace = Namespace::new(&self.namespace)?;
        let kit = CacheKit::builder()
            .namespace(namespace)
            .connect(&self.url)
            .await?;
        let cache: Cache<ProjectKey, String> = kit.cache().build()?;
        let sink = Recording {
            sqlite: SqliteSink::open(&self.database()).unwrap(),
            journal: Journal::append(&self.deliveries()),
            slow,
        };
        kit.write_behind(&cache, sink)
            .window(Duration::from_millis(5))
            .batch(100)
            .claim(CLAIM)
            .max_attempts(999)
            .backoff(Duration::from_millis(5), Duration::from_millis(200))
            .build()
            .await
    }

    pub(super) fn start(&self, role: Role) -> Process {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args([
            "--ignored",
            "--exact",
            "crash::children::child_of_a_crash_test",
        ]);
        let child_role = match role {
            Role::Writer(seed) => format!("writer {seed}"),
            Role::Worker => "worker 0".to_owned(),
            Role::Slow(millis) => format!("worker {millis}"),
        };
        let values = [
            &self.url,
            &self.namespace,
            self.folder.to_str().unwrap(),
            &child_role,
        ];
        child.envs(BED.into_iter().zip(values));
        // Its end is the end of the child, should this process be killed itself.
        child
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Process(child.spawn().unwrap())
    }

    fn of_environment() -> (Self, String) {
        let [url, namespace, folder, role] = BED.map(|name| env::var(name).unwrap());
        let folder = PathBuf::from(folder);
        (
            Self {
                url,
                namespace,
                folder,
            },
            role,
        )
    }
}

/// A child, which ends with this value.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn kill(&mut self) {
        // It may have ended by itself, which the caller is told by what is left undone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says what it is given before it passes it on.
struct Recording {
    sqlite: SqliteSink,
    journal: Journal,
    slow: Duration,
}

#[async_trait]
impl Sink<ProjectKey, String> for Recording {
    async fn write(&self, batch: &[WriteItem<ProjectKey, String>]) -> Vec<Result<(), SinkError>> {
        let lines = batch
            .iter()
            .map(|item| (name(&item.key), item.token.sequence));
        self.journal.delivered(&lines.collect::<Vec<_>>());
        tokio::time::sleep(self.slow).await;
        self.sqlite.write(batch).await
    }
}

pub(super) fn key(number: usize) -> ProjectKey {
    let path = KeyPath::new(format!("k{number}")).unwrap();
    ProjectKey::new(ProjectId::new("crash").unwrap(), path)
}

/// The name of a key in journals.
fn name(key: &ProjectKey) -> String {
    key.path().as_encoded().to_owned()
}

/// What is run as a process of its own.
#[tokio::test]
#[ignore = "run by other tests, as a process of its own"]
async fn child_of_a_crash_test() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let (bed, role) = Bed::of_environment();
    let (role, number) = role.split_once(' ').unwrap();
    let number: u64 = number.parse().unwrap();
    let slow = match role {
        "worker" => Duration::from_millis(number),
        _ => Duration::ZERO,
    };
    // The server may be away at this moment.
    let (writes, worker) = loop {
        if let Ok(queue) = bed.queue(slow).await {
            break queue;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    if role == "worker" {
        let tasks = Tasks::new();
        let (ended, end) = tokio::sync::oneshot::channel();
        tasks
            .spawn_until_stopped("drain", |stop| async move {
                worker.run(stop).await;
                let _ = ended.send(());
            })
            .unwrap();
        let _ = end.await;
        return;
    }
    let journal = Arc::new(Journal::append(&bed.writes()));
    let tasks = (0..TASKS).map(|task| {
        let (writes, journal) = (writes.clone(), Arc::clone(&journal));
        tokio::spawn(write(writes, journal, task, number))
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Puts and deletes without end, on keys that no other task has.
async fn write(
    writes: WriteBehind<ProjectKey, String>,
    journal: Arc<Journal>,
    task: usize,
    seed: u64,
) {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(task as u64));
    for count in 0_u64.. {
        let key = key(task + TASKS * random.usize(..KEYS / TASKS));
        let name = name(&key);
        let value = random.f32() > 0.25;
        let value = value.then(|| format!("{seed:x}.{task}.{count}"));
        journal.begun(&name, value.as_deref());
        let accepted = match &value {
            Some(value) => writes.put(&key, value).await,
            None => writes.delete(&key).await,
        };
        match accepted {
            Ok(()) => journal.acknowledged(&name, value.as_deref()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What the database holds, by the keys' names.
pub(super) fn rows(database: &Path) -> Vec<(String, Option<String>)> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut query = connection
        .prepare("SELECT key, value FROM entries")
        .unwrap();
    let rows = query.query_map([], |row| {
        let (key, value): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        Ok((key, value))
    });
    let rows = rows.unwrap().map(|row| {
        let (key, value) = row.unwrap();
        let name = key.rsplit(':').next().unwrap().to_owned();
        (name, value.map(|json| serde_json::from_str(&json).unwrap()))
    });
    rows.collect()
}

/// Rows that were written over newer ones, or twice by the same write.
pub(super) fn out_of_order(database: &Path) -> u64 {
    let connection = rusqlite::Connection::open(database).unwrap();
    let neighbours = "SELECT count(*) FROM (SELECT sequence, lag(sequence) OVER (PARTITION BY key ORDER BY id) AS before
                      FROM changes) WHERE before >= sequence";
    connection
        .query_row(neighbours, [], |row| row.get(0))
        .unwrap()
}
