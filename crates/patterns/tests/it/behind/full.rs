//! What happens where the memory of a server is full of unpersisted writes.

use std::{sync::Arc, time::Duration};

use cachekit_keys::KeySchema;
use cachekit_patterns::{Replayed, SinkError};
use cachekit_store::{ErrorKind, MemoryStore, RedisStore, Store};
use cachekit_testkit::server::{Kind, Server};

use super::support::{Queue, key, millis};
use crate::support::Bed;

const PATIENT: Duration = Duration::from_secs(20);
/// As much as makes a server full soon.
const TAGS: usize = 30;

/// Writes until the store has no room; answers how many writes it took.
async fn fill(queue: &Queue, writes: &super::support::Handle) -> u64 {
    for count in 0..200_000 {
        let values: Vec<_> = (0..TAGS as u64)
            .map(|n| (key(&format!("p{count}x{n}")), count))
            .collect();
        if let Err(error) = writes.put_many(&values).await {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            return count;
        }
    }
    panic!("{} is not full", queue.bed.name);
}

async fn drains(bed: Bed) {
    let queue = Queue::new(bed);
    let builder = queue.builder().window(millis(1)).backlog(u64::MAX >> 12);
    let (writes, worker) = builder.build().await.unwrap();
    let poison = key("p0x0");
    let name = queue.bed.schema.key(&poison);
    let refusal = SinkError::permanent("a constraint");
    queue.table.refused.lock().unwrap().insert(name, refusal);
    let taken = fill(&queue, &writes).await;
    assert!(taken > 10, "{taken}");

    let drained = worker.drain(PATIENT).await.unwrap();
    assert!(drained.persisted >= taken * TAGS as u64 - 1, "{drained:?}");
    let backlog = writes.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead_letters), (0, 1));
    for count in 0..taken {
        assert_eq!(queue.row(&key(&format!("p{count}x1"))), Some(count));
    }
    queue.table.refused.lock().unwrap().clear();
    assert_eq!(writes.replay(&poison).await.unwrap(), Replayed::Queued);
    worker.drain(PATIENT).await.unwrap();
    assert_eq!(queue.row(&poison), Some(0));
    writes.put(&key("again"), &1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_of_writes_is_drained_all_the_same() {
    let arguments = ["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"];
    let Some(server) = Server::start_with(Kind::Redis7, &arguments).await.unwrap() else {
        return;
    };
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    drains(Bed::new("a full redis", store, KeySchema::plain())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_is_full_of_writes_is_drained_all_the_same() {
    for clustered in [false, true] {
        let store = MemoryStore::builder().byte_budget(2 << 20);
        let store: Arc<dyn Store> = Arc::new(store.clustered(clustered).build());
        let schema = match clustered {
            true => KeySchema::sharded(),
            false => KeySchema::plain(),
        };
        drains(Bed::new("full memory", store, schema)).await;
    }
}
