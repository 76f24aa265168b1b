//! Processes that write and persist, and are killed at random moments: what was acknowledged is in the database.
//!
//! A *writer* puts and deletes on a thousand keys and keeps a journal; a *worker* drains the queue into SQLite. Both are killed with
//! SIGKILL again and again, and at the end the database is compared with the journal: of each key it has the last write that was
//! acknowledged, or one that was under way after it. `cargo xtask crash` runs it longer; `CACHEKIT_CRASH_SEED` repeats a run, as far as
//! the system lets it: whom to kill and when, and what is written.
#![expect(
    clippy::print_stdout,
    reason = "the seed and what was compared are for the person who runs it"
)]

mod children;
mod journal;
#[path = "../../../crates/cachekit/examples/write_behind/sqlite.rs"]
pub(crate) mod sqlite;

use std::{env, fs, time::Duration};

use cachekit_testkit::server::{ClusterServer, Kind, Server};
use tokio::time::{Instant, sleep};

use self::{
    children::{Bed, CLAIM, KEYS, Process, Role},
    journal::{disorder, expected},
};

/// How often somebody is killed, unless the environment says otherwise.
const KILLS: u64 = 60;
/// So often somebody is killed between two comparisons.
const BETWEEN: u64 = 50;
/// After so long without progress a run has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server keeps what it is told.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

struct Run {
    bed: Bed,
    random: fastrand::Rng,
    /// Whether an item may come behind a newer one, because a worker was frozen.
    may_be_late: bool,
}

impl Run {
    fn new(url: String, name: &str) -> Self {
        let seed = number("CACHEKIT_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
        println!("{name}: seed {seed}");
        let namespace = format!("crash{:016x}", fastrand::u64(..));
        let folder = env::temp_dir().join(&namespace);
        fs::create_dir_all(&folder).unwrap();
        Self {
            bed: Bed {
                url,
                namespace,
                folder,
            },
            random: fastrand::Rng::with_seed(seed),
            may_be_late: false,
        }
    }

    fn writer(&mut self) -> Process {
        self.bed.start(Role::Writer(self.random.u64(..)))
    }

    async fn wait(&mut self, millis: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.random.u64(millis))).await;
    }

    /// Waits until everything is persisted, and compares. Nobody writes meanwhile.
    async fn compare(&self, what: &str) {
        self.drained(what).await;
        let expected = expected(&self.bed.writes());
        let rows: std::collections::HashMap<_, _> =
            children::rows(&self.bed.database()).into_iter().collect();
        let wrong = expected.iter().filter_map(|(key, expected)| {
            let row = rows.get(key).cloned().flatten();
            (!expected.allows(&row)).then(|| format!("{key}: {row:?} and not {expected:?}"))
        });
        let wrong: Vec<String> = wrong.collect();
        assert!(
            wrong.is_empty(),
            "{what}: {} keys are wrong: {wrong:#?}",
            wrong.len()
        );
        let unknown = rows.keys().filter(|key| !expected.contains_key(*key));
        assert_eq!(unknown.count(), 0, "{what}: rows that nobody wrote");
        let over = children::out_of_order(&self.bed.database());
        assert_eq!(over, 0, "{what}: writes applied over newer ones, or twice");
        if !self.may_be_late {
            let disorder = disorder(&self.bed.deliveries());
            assert!(disorder.is_empty(), "{what}: {disorder:#?}");
        }
        let writes: u64 = expected.values().map(|expected| expected.writes).sum();
        println!(
            "{what}: {writes} acknowledged writes to {} keys are there",
            expected.len()
        );
    }

    async fn drained(&self, what: &str) {
        let (writes, _worker) = self.bed.queue(Duration::ZERO).await.unwrap();
        let start = Instant::now();
        loop {
            let backlog = writes.backlog().await.unwrap();
            assert_eq!(backlog.dead_letters, 0, "{what}: {backlog:?}");
            if backlog.pending == 0 {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {backlog:?} is not drained"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// As many writes as make a comparison worth something.
    fn wrote_enough(&self) {
        let expected = expected(&self.bed.writes());
        assert!(
            expected.len() > KEYS / 10,
            "only {} keys were written",
            expected.len()
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A failed run leaves its files to be looked at.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.bed.folder);
        } else {
            println!("the files are in {}", self.bed.folder.display());
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

fn kills() -> u64 {
    number("CACHEKIT_CRASH_KILLS").unwrap_or(KILLS)
}

async fn server() -> Option<Server> {
    Server::start_with(Kind::Redis7, &DURABLE).await.unwrap()
}

/// Three primaries without replicas.
async fn cluster() -> Option<ClusterServer> {
    let cluster = ClusterServer::start_with(Kind::Redis7, 3, 0, &DURABLE).await;
    cluster.unwrap()
}

/// Kills a writer or a worker, again and again.
async fn kill_writers_and_workers(run: &mut Run, kills: u64) {
    let (mut writer, mut worker) = (run.writer(), run.bed.start(Role::Worker));
    for kill in 1..=kills {
        run.wait(20..250).await;
        // A worker has to come up before there is anything to be interrupted.
        if run.random.bool() {
            writer.kill();
            writer = run.writer();
        } else {
            worker.kill();
            worker = run.bed.start(Role::Worker);
        }
        if kill % BETWEEN == 0 || kill == kills {
            run.wait(100..600).await;
            writer.kill();
            run.compare(&format!("after {kill} kills")).await;
            writer = run.writer();
        }
    }
    run.wrote_enough();
    assert!(worker.is_running(), "the worker ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_workers_that_are_killed_lose_nothing_and_bring_nothing_back() {
    let Some(server) = server().await else { return };
    let mut run = Run::new(server.url(), "writers and workers are killed");
    kill_writers_and_workers(&mut run, kills()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_writers_and_workers_that_are_killed_lose_nothing_either() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let mut run = Run::new(cluster.url(), "writers and workers of a cluster are killed");
    kill_writers_and_workers(&mut run, (kills() / 2).max(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_a_cluster_that_is_killed_with_its_append_only_file_loses_nothing_either() {
    let Some(mut cluster) = cluster().await else {
        return;
    };
    let mut run = Run::new(cluster.url(), "a primary of a cluster is killed");
    let (mut writer, mut worker) = (run.writer(), run.bed.start(Role::Worker));
    let kills = (kills() / 20).max(3);
    for kill in 1..=kills {
        run.wait(300..1_500).await;
        let node = run.random.usize(..cluster.node_count());
        cluster.kill(node).await.unwrap();
        run.wait(0..500).await;
        cluster.restart(node).await.unwrap();
        cluster.wait_until_ok().await.unwrap();
        run.wait(300..900).await;
        if kill % 3 == 0 || kill == kills {
            writer.kill();
            run.compare(&format!("after {kill} kills of a primary"))
                .await;
            writer = run.writer();
        }
    }
    run.wrote_enough();
    assert!(worker.is_running(), "the worker ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_with_its_append_only_file_loses_nothing_either() {
    let Some(mut server) = server().await else {
        return;
    };
    let mut run = Run::new(server.url(), "the server is killed");
    let (mut writer, mut worker) = (run.writer(), run.bed.start(Role::Worker));
    let kills = (kills() / 10).max(2);
    for kill in 1..=kills {
        run.wait(300..1_500).await;
        server.kill().await.unwrap();
        match run.random.u8(0..3) {
            0 => {
                writer.kill();
                writer = run.writer();
            }
            1 => {
                worker.kill();
                worker = run.bed.start(Role::Worker);
            }
            _ => {}
        }
        server.restart().await.unwrap();
        run.wait(300..900).await;
        if kill % 5 == 0 || kill == kills {
            writer.kill();
            run.compare(&format!("after {kill} kills of the server"))
                .await;
            writer = run.writer();
        }
    }
    run.wrote_enough();
    assert!(worker.is_running(), "the worker ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_frozen_beyond_its_claim_changes_nothing_when_it_is_thawed() {
    let Some(server) = server().await else { return };
    let mut run = Run::new(server.url(), "a worker is frozen");
    run.may_be_late = true;
    let mut writer = run.writer();
    // One that is in the midst of a call of its sink at most times.
    let (frozen, _other) = (run.bed.start(Role::Slow(40)), run.bed.start(Role::Worker));
    for round in 1..=(kills() / 20).max(3) {
        run.wait(300..900).await;
        frozen.signal("STOP");
        // Others take what it has claimed, and newer writes of its keys are persisted.
        sleep(CLAIM + Duration::from_millis(500)).await;
        frozen.signal("CONT");
        run.wait(50..300).await;
        writer.kill();
        run.compare(&format!("after {round} freezes")).await;
        writer = run.writer();
    }
    run.wrote_enough();
}
