//! The clock of a server is set forward and back while writes wait, are claimed, and fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use cachekit_store::{RedisStore, Tasks};

use super::support::{Queue, key, millis};
use crate::support::Bed;

const PATIENT: Duration = Duration::from_secs(10);
const HOUR: i64 = 3_600_000_000;

/// A bed whose scripts read a clock that is so many microseconds ahead.
async fn ahead_by(bed: &Bed, offset: &Arc<AtomicI64>) -> Bed {
    let offset = Arc::clone(offset);
    let clock = move || {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let micros = i64::try_from(since.as_micros()).unwrap();
        u64::try_from(micros + offset.load(Ordering::Relaxed)).unwrap()
    };
    let builder = RedisStore::builder(bed.url().unwrap()).script_clock(clock);
    bed.through(Arc::new(builder.connect().await.unwrap()))
}

async fn survives_jumps(bed: Bed) {
    let offset = Arc::new(AtomicI64::new(0));
    let queue = Queue::new(ahead_by(&bed, &offset).await);
    let (writes, worker) = queue.builder().build().await.unwrap();
    let tasks = Tasks::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2 {
        let worker = worker.clone();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
    }
    let mut last = [None; 20];
    for step in 0..60_u64 {
        for _ in 0..10 {
            let id = random.usize(..last.len());
            last[id] = (random.u8(..4) > 0).then_some(step);
            let key = key(&format!("p{id}"));
            match last[id] {
                Some(value) => writes.put(&key, &value).await.unwrap(),
                None => writes.delete(&key).await.unwrap(),
            }
        }
        // Up to a day in either direction, in the midst of what the workers do.
        let jump = random.i64(-24 * HOUR..24 * HOUR);
        offset.store(jump, Ordering::Relaxed);
        tokio::time::sleep(millis(random.u64(..30))).await;
        if step % 10 == 9 {
            let flushed = writes.flush(PATIENT).await.unwrap();
            assert_eq!(flushed.dead_letters, 0);
            for (id, last) in last.iter().enumerate() {
                let row = queue.row(&key(&format!("p{id}")));
                assert_eq!(row, *last, "{}: p{id} in step {step}", queue.bed.name);
            }
        }
    }
    assert_eq!(writes.backlog().await.unwrap().pending, 0);
    assert!(tasks.shutdown(PATIENT).await.cut_off.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_a_servers_clock_lose_and_reorder_nothing() {
    let beds = [Bed::redis().await, Bed::redis_cluster().await];
    for bed in beds.into_iter().flatten() {
        survives_jumps(bed).await;
    }
}
