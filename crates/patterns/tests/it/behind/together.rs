//! Writes of one owner that are accepted together, on a server that hangs, dies, forgets its scripts, and whose callers go away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit_keys::{KeyPath, KeySchema, ProjectKey};
use cachekit_store::{ErrorKind, RedisStore, Result};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use futures_util::future::join_all;

use super::support::{Handle, Queue, Worker};
use crate::support::{Bed, project_id};

const DEADLINE: Duration = Duration::from_millis(500);
const PATIENT: Duration = Duration::from_secs(20);
/// More than go together at once.
const WRITERS: u64 = 200;
const ROUNDS: u64 = 15;

async fn queue(server: &Server, deadline: Duration) -> Queue {
    let store = RedisStore::builder(&server.url()).request_timeout(deadline);
    let store = Arc::new(store.connect().await.unwrap());
    Queue::new(Bed::new("redis", store, KeySchema::plain()))
}

fn key(number: u64) -> ProjectKey {
    ProjectKey::new(project_id("p"), KeyPath::new(format!("n{number}")).unwrap())
}

/// Each writes a key of its own.
async fn put_all(writes: &Handle, value: u64) -> Vec<Result<()>> {
    join_all((0..WRITERS).map(async |number| writes.put(&key(number), &value).await)).await
}

/// All that was accepted reaches the table.
async fn drained(queue: &Queue, writes: &Handle, worker: &Worker) {
    worker.drain(PATIENT).await.unwrap();
    let backlog = writes.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead_letters), (0, 0));
    for number in 0..WRITERS {
        let cached = queue.cache.get(&key(number)).await.unwrap();
        assert_eq!(queue.row(&key(number)), cached, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_keeps_no_writer_for_two_deadlines() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let queue = queue(&server, DEADLINE).await;
    let (writes, worker) = queue.builder().build().await.unwrap();
    assert!(put_all(&writes, 1).await.iter().all(Result::is_ok));
    server.pause().await.unwrap();
    let start = Instant::now();
    for outcome in put_all(&writes, 2).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    assert!(start.elapsed() < 2 * DEADLINE, "{:?}", start.elapsed());
    server.resume().await.unwrap();
    while writes.put(&key(0), &3).await.is_err() {}
    assert!(put_all(&writes, 4).await.iter().all(Result::is_ok));
    drained(&queue, &writes, &worker).await;
    assert!((0..WRITERS).all(|number| queue.row(&key(number)) == Some(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_writers_loses_nothing_that_it_accepted() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let started = Server::start_with(Kind::Redis7, &arguments).await;
    let Some(mut server) = started.unwrap() else {
        return;
    };
    let queue = queue(&server, DEADLINE).await;
    let (writes, worker) = queue.builder().build().await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let writer = |number| {
        let (writes, end) = (writes.clone(), Arc::clone(&end));
        tokio::spawn(async move {
            let (mut accepted, mut value) = (0, 0);
            while !end.load(Ordering::Relaxed) {
                value += 1;
                match writes.put(&key(number), &value).await {
                    Ok(()) => accepted = value,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            (accepted, value)
        })
    };
    let writers: Vec<_> = (0..64).map(writer).collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        while writes.put(&key(100), &1).await.is_err() {}
    }
    end.store(true, Ordering::Relaxed);
    let mut ended = Vec::new();
    for writer in writers {
        ended.push(writer.await.unwrap());
    }
    drained(&queue, &writes, &worker).await;
    for (number, (accepted, last)) in (0..).zip(ended) {
        let row = queue.row(&key(number)).unwrap();
        // What failed may have been accepted all the same.
        assert!(
            accepted > 0 && (accepted..=last).contains(&row),
            "{number}: {row}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_its_scripts_accepts_every_write() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let queue = queue(&server, Duration::from_secs(5)).await;
    let (writes, worker) = queue.builder().build().await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let (url, ended) = (server.url(), Arc::clone(&end));
    let forgetting = tokio::task::spawn_blocking(move || {
        let mut raw = RawClient::connect(&url).unwrap();
        while !ended.load(Ordering::Relaxed) {
            raw.text(&["SCRIPT", "FLUSH"]).unwrap();
        }
    });
    for round in 0..ROUNDS {
        for outcome in put_all(&writes, round).await {
            outcome.unwrap();
        }
    }
    end.store(true, Ordering::Relaxed);
    forgetting.await.unwrap();
    drained(&queue, &writes, &worker).await;
    assert!((0..WRITERS).all(|number| queue.row(&key(number)) == Some(ROUNDS - 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_go_away_take_nobody_along() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let queue = queue(&server, Duration::from_secs(5)).await;
    let (writes, worker) = queue.builder().build().await.unwrap();
    for round in 0..ROUNDS {
        let writer = |number| {
            let writes = writes.clone();
            tokio::spawn(async move { writes.put(&key(number), &round).await })
        };
        let writers: Vec<_> = (0..WRITERS).map(writer).collect();
        // Some have not begun, some wait, some are in a run.
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
        for (number, writer) in (0..).zip(writers) {
            match number % 3 {
                0 => writer.abort(),
                _ => writer.await.unwrap().unwrap(),
            }
        }
        drained(&queue, &writes, &worker).await;
        let others = (0..WRITERS).filter(|number| number % 3 != 0);
        for number in others {
            assert_eq!(queue.row(&key(number)), Some(round));
        }
    }
}
