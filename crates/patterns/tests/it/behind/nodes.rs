//! A cluster of which a node is away: the writes on the others are drained all the same.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, ProjectKey};
use cachekit_store::{RedisStore, Tasks};
use cachekit_testkit::server::{ClusterServer, Kind};
use tokio::time::{Instant, sleep};

use super::support::{Queue, key, millis};
use crate::support::Bed;

/// Longer than a worker takes to look into every slot once more.
const PATIENT: Duration = Duration::from_secs(60);
const KEYS: u64 = 60;

/// Waits until the table has these rows.
async fn reach(queue: &Queue, keys: &[(ProjectKey, u64)]) {
    let began = Instant::now();
    loop {
        let missing = keys
            .iter()
            .filter(|(key, value)| queue.row(key) != Some(*value));
        let missing = missing.count();
        if missing == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENT, "{missing} writes are missing");
        sleep(millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_holds_up_no_write_of_the_others_and_loses_none_of_its_own() {
    // Others are to answer for their slots as long as the test lasts.
    let arguments = ["--cluster-require-full-coverage", "no"];
    let started = ClusterServer::start_with(Kind::Redis7, 3, 0, &arguments).await;
    let Some(cluster) = started.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&cluster.url()).request_timeout(millis(500));
    let store = Arc::new(store.connect().await.unwrap());
    let queue = Queue::new(Bed::new("a cluster", store, KeySchema::sharded()));
    let (writes, worker) = queue.builder().build().await.unwrap();
    let (mut frozen, mut others) = (Vec::new(), Vec::new());
    for value in 0..KEYS {
        let key = key(&format!("p{value}"));
        writes.put(&key, &value).await.unwrap();
        let slot = queue.bed.schema.key(&key).slot();
        match cluster.node_of_slot(slot).await.unwrap() {
            0 => frozen.push((key, value)),
            _ => others.push((key, value)),
        }
    }
    assert!(frozen.len() > 5 && others.len() > 20, "{}", frozen.len());

    cluster.pause(0).await.unwrap();
    let tasks = Tasks::new();
    let draining = tasks.spawn_until_stopped("drain", |stop| async move {
        worker.run(stop).await;
    });
    draining.unwrap();
    reach(&queue, &others).await;
    // Where neither the slot nor the note of it lies on the node, more is accepted.
    let mut more = Vec::new();
    for (key, value) in &others {
        match writes.put(key, &(value + KEYS)).await {
            Ok(()) => more.push((key.clone(), value + KEYS)),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    assert!(more.len() > 5, "{}", more.len());
    reach(&queue, &more).await;
    assert!(frozen.iter().all(|(key, _)| queue.row(key).is_none()));

    cluster.resume(0).await.unwrap();
    reach(&queue, &frozen).await;
    assert_eq!(writes.backlog().await.unwrap().dead_letters, 0);
    let _ = tasks.shutdown(PATIENT).await;
}
