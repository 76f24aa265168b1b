//! Writes of one owner that go together, on a server that hangs, dies, forgets its scripts, and whose callers go away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit_keys::KeySchema;
use cachekit_patterns::SessionCache;
use cachekit_store::{ErrorKind, RedisStore, Result};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::support::Bed;

const DEADLINE: Duration = Duration::from_millis(500);
/// More than go together at once.
const WRITERS: u32 = 200;
const ROUNDS: u32 = 40;

async fn bed(server: &Server, deadline: Duration) -> Bed {
    let store = RedisStore::builder(&server.url()).request_timeout(deadline);
    let store = Arc::new(store.connect().await.unwrap());
    Bed::new("redis", store, KeySchema::plain())
}

fn name(number: u32) -> String {
    format!("n{number}")
}

/// Each writes a key of its own.
async fn write_all(session: &SessionCache, value: u32) -> Vec<Result<()>> {
    let writes = (0..WRITERS).map(async |number| session.set(&name(number), &value).await);
    join_all(writes).await
}

/// Everything that is there is listed: clearing leaves nothing behind.
async fn nothing_is_unlisted(bed: &Bed, session: &SessionCache) {
    session.clear().await.unwrap();
    let left = bed.names().await;
    let values = left.iter().filter(|name| name.starts_with("session:"));
    assert_eq!(values.count(), 0, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_keeps_no_writer_for_two_deadlines() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let bed = bed(&server, DEADLINE).await;
    let session = bed.session("a");
    assert!(write_all(&session, 1).await.iter().all(Result::is_ok));
    server.pause().await.unwrap();
    let start = Instant::now();
    for outcome in write_all(&session, 2).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    assert!(start.elapsed() < 2 * DEADLINE, "{:?}", start.elapsed());
    server.resume().await.unwrap();
    while session.set(&name(0), &3).await.is_err() {}
    assert!(write_all(&session, 4).await.iter().all(Result::is_ok));
    for number in 0..WRITERS {
        assert_eq!(session.get(&name(number)).await.unwrap(), Some(4));
    }
    nothing_is_unlisted(&bed, &session).await;
}

/// Writers that go on until they are told to end, whatever becomes of a write.
fn traffic(session: &SessionCache, end: &Arc<AtomicBool>) -> Vec<JoinHandle<u32>> {
    let writer = |number| {
        let (session, end) = (session.clone(), Arc::clone(end));
        tokio::spawn(async move {
            let mut written = 0;
            while !end.load(Ordering::Relaxed) {
                match session.set(&name(number), &number).await {
                    Ok(()) => written += 1,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            written
        })
    };
    (0..64).map(writer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_under_writers_has_nothing_unlisted_afterwards() {
    let Some(mut server) = Server::start_with(Kind::Redis7, &["--appendonly", "yes"])
        .await
        .unwrap()
    else {
        return;
    };
    let bed = bed(&server, DEADLINE).await;
    let (session, end) = (bed.session("a"), Arc::new(AtomicBool::new(false)));
    let writers = traffic(&session, &end);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        while session.set("after", &1).await.is_err() {}
    }
    end.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    nothing_is_unlisted(&bed, &session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_its_scripts_takes_every_write() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let bed = bed(&server, Duration::from_secs(5)).await;
    let session = bed.session("a");
    let end = Arc::new(AtomicBool::new(false));
    let (url, ended) = (server.url(), Arc::clone(&end));
    let forgetting = tokio::task::spawn_blocking(move || {
        let mut raw = RawClient::connect(&url).unwrap();
        while !ended.load(Ordering::Relaxed) {
            raw.text(&["SCRIPT", "FLUSH"]).unwrap();
        }
    });
    for round in 0..ROUNDS {
        for outcome in write_all(&session, round).await {
            outcome.unwrap();
        }
    }
    end.store(true, Ordering::Relaxed);
    forgetting.await.unwrap();
    for number in 0..WRITERS {
        let found: Option<u32> = session.get(&name(number)).await.unwrap();
        assert_eq!(found, Some(ROUNDS - 1));
    }
    nothing_is_unlisted(&bed, &session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_go_away_take_nobody_along() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let bed = bed(&server, Duration::from_secs(5)).await;
    let session = bed.session("a");
    for round in 0..ROUNDS {
        let writer = |number| {
            let session = session.clone();
            tokio::spawn(async move { session.set(&name(number), &round).await })
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
        for number in (0..WRITERS).filter(|number| number % 3 != 0) {
            assert_eq!(session.get(&name(number)).await.unwrap(), Some(round));
        }
    }
    nothing_is_unlisted(&bed, &session).await;
}
