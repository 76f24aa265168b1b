//! Writing through the cache to a database, over several connections to real servers.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cachekit_patterns::{Origin, ThroughOptions, WriteOrder, Written};
use cachekit_store::ErrorKind;
use cachekit_testkit::server::{Deployment, Form, Kind, Server, SharedServer};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    gate::{Way, invalidate},
    support::{Process, random_schema, tree},
};

const ORDERS: [WriteOrder; 2] = [WriteOrder::DatabaseFirst, WriteOrder::CacheFirst];

/// A row of a database.
#[derive(Clone, Default)]
struct Row(Arc<Mutex<String>>);

impl Row {
    fn put(&self, value: &str) {
        value.clone_into(&mut self.0.lock().unwrap());
    }

    fn get(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    async fn read(&self, by: &Process) -> String {
        let row = self.clone();
        let loader = || async move {
            let value = row.get();
            nap().await;
            Ok::<_, io::Error>(value)
        };
        by.cache.get_or_load(&tree(), loader).await.unwrap()
    }

    async fn write(&self, by: &Process, value: &str, order: WriteOrder) -> Written {
        let (row, value) = (self.clone(), value.to_owned());
        let saved = value.clone();
        let persist = || async move {
            nap().await;
            row.put(&saved);
            nap().await;
            Ok::<_, io::Error>(())
        };
        let (key, options) = (tree(), ThroughOptions::new().with_order(order));
        let written = by.cache.write_through_with(&key, &value, &options, persist);
        written.await.unwrap()
    }
}

/// As long as a round trip, more or less.
async fn nap() {
    sleep(Duration::from_micros(fastrand::u64(..1_500))).await;
}

/// Three processes write and two read at the same time, again and again.
async fn race(url: &str, rounds: usize) {
    let schema = random_schema();
    let starting = (0..3).map(|_| Process::start(url, &schema));
    let processes = join_all(starting).await;
    let row = Row::default();
    let mut stored = 0;
    for round in 0..rounds {
        let writing = processes.iter().enumerate().map(|(number, process)| {
            let row = row.clone();
            async move {
                nap().await;
                let order = ORDERS[fastrand::usize(..2)];
                row.write(process, &format!("{round}.{number}"), order)
                    .await
            }
        });
        let reading = processes[1..].iter().map(|process| async {
            nap().await;
            row.read(process).await
        });
        let (written, _) = tokio::join!(join_all(writing), join_all(reading));
        assert!(written.iter().all(Written::is_settled), "{written:?}");
        stored += usize::from(
            written
                .iter()
                .any(|written| matches!(written, Written::Stored)),
        );
        let left = processes[0].cache.get(&tree()).await.unwrap();
        assert!(
            left.is_none() || left == Some(row.get()),
            "round {round}: {left:?} and not {:?}, {written:?}",
            row.get()
        );
        for process in &processes {
            assert_eq!(row.read(process).await, row.get(), "round {round}");
        }
    }
    assert!(stored > 0, "some were alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_key_in_several_processes_leave_no_older_value() {
    let server = SharedServer::of(Kind::Redis7).await.unwrap();
    let Some(server) = server else { return };
    race(server.url(), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_on_a_cluster() {
    let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
    let Some(server) = SharedServer::of(cluster).await.unwrap() else {
        return;
    };
    race(server.url(), 40).await;
}

/// Another process changes the row after the writer has, and invalidates, before the writer learns that its write is done.
async fn invalidated(url: &str, way: Way, order: WriteOrder) {
    let (what, schema) = (format!("{way:?}, {order:?}"), random_schema());
    let (writing, other) = tokio::join!(Process::start(url, &schema), Process::start(url, &schema));
    let (row, other) = (Row::default(), Arc::new(other));
    let (changing, by) = (row.clone(), Arc::clone(&other));
    let persist = move || async move {
        changing.put("v0");
        changing.put("v1");
        invalidate(way, &by).await;
        Ok::<_, io::Error>(())
    };
    let (key, options) = (tree(), ThroughOptions::new().with_order(order));
    let value = "v0".to_owned();
    let written = writing
        .cache
        .write_through_with(&key, &value, &options, persist);
    assert!(
        matches!(written.await.unwrap(), Written::Uncached),
        "{what}"
    );
    for process in [&writing, &other] {
        assert_eq!(row.read(process).await, "v1", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_invalidates_while_it_is_written_is_not_cached() {
    // A server of its own, because a deletion by pattern walks over everybody's keys.
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    for way in Way::ALL {
        for order in ORDERS {
            invalidated(&server.url(), way, order).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_it_on_a_cluster() {
    let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
    let Some(server) = SharedServer::of(cluster).await.unwrap() else {
        return;
    };
    for way in Way::ALL {
        for order in ORDERS {
            invalidated(server.url(), way, order).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_during_the_write_is_told_to_the_caller_and_keeps_no_older_value() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let server = Arc::new(server);
    let process = Process::start_impatient(&server.url(), &random_schema()).await;
    let (row, old) = (Row::default(), "old".to_owned());
    process.cache.set(&tree(), &old).await.unwrap();
    let (saving, freezing) = (row.clone(), Arc::clone(&server));
    let persist = move || async move {
        saving.put("new");
        freezing.pause().await.unwrap();
        Ok::<_, io::Error>(())
    };
    let new = "new".to_owned();
    let written = process.cache.write_through(&tree(), &new, persist).await;
    let Written::Behind(error) = written.unwrap() else {
        panic!("the server is frozen");
    };
    assert!(error.is_retryable() && error.may_have_applied(), "{error}");
    let refused = || async { panic!("the database is not asked") as io::Result<()> };
    let error = process.cache.write_through(&tree(), &new, refused).await;
    let error = error.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::WriteFailed);
    assert!(error.is_retryable() && !error.may_have_applied(), "{error}");

    server.resume().await.unwrap();
    let start = Instant::now();
    loop {
        let saved = row.clone();
        let loader = || async move { Ok::<_, io::Error>(saved.get()) };
        let cached = process.cache.fetch(&tree(), loader).await.unwrap();
        assert_eq!(cached.value.as_deref(), Some("new"));
        if cached.origin == Origin::Fresh {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{cached:?}");
        sleep(Duration::from_millis(100)).await;
    }
}
