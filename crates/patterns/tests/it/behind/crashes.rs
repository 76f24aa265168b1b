//! Writers and workers that end at any await point: what was accepted reaches the table all the same, and nothing comes after
//! something newer.

use std::{collections::HashMap, time::Duration};

use cachekit_store::Tasks;
use tokio::time::timeout;

use super::support::{Handle, Queue, Worker, key, millis};
use crate::support::on_each_form;

const KEYS: u64 = 12;

/// What may be in the table in the end: what was accepted last, or one of those after it whose outcome nobody knows.
#[derive(Default)]
struct Expected {
    accepted: Option<u64>,
    unknown: Vec<Option<u64>>,
}

async fn write(writes: Handle, random: &mut fastrand::Rng, expected: &mut HashMap<u64, Expected>) {
    for count in 0..150_u64 {
        let id = random.u64(..KEYS);
        let value = (random.u8(..4) > 0).then_some(count);
        let cut = Duration::from_micros(random.u64(50..1_500));
        let key = key(&format!("p{id}"));
        let work = async {
            match value {
                Some(value) => writes.put(&key, &value).await,
                None => writes.delete(&key).await,
            }
        };
        // A third of them is dropped on the way.
        let outcome = match random.u8(..3) {
            0 => timeout(cut, work).await,
            _ => Ok(work.await),
        };
        let expected = expected.entry(id).or_default();
        match outcome {
            Ok(accepted) => {
                accepted.unwrap();
                expected.accepted = value;
                expected.unknown.clear();
            }
            Err(_) => expected.unknown.push(value),
        }
    }
}

async fn work(worker: Worker, mut random: fastrand::Rng) {
    loop {
        let life = Duration::from_micros(random.u64(200..8_000));
        let _ = timeout(life, worker.drain_once()).await;
        tokio::time::sleep(millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_persisted_whoever_is_dropped_on_the_way() {
    on_each_form(async |bed| {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let queue = Queue::new(bed);
        let builder = queue.builder().window(millis(5)).claim(millis(150));
        let (writes, worker) = builder.batch(5).max_attempts(999).build().await.unwrap();
        let workers = [0, 1].map(|_| tokio::spawn(work(worker.clone(), random.fork())));
        let mut expected = HashMap::new();
        write(writes.clone(), &mut random, &mut expected).await;
        workers.iter().for_each(tokio::task::JoinHandle::abort);

        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        let flushed = writes.flush(Duration::from_secs(60)).await.unwrap();
        assert_eq!(flushed.dead_letters, 0);
        for (id, expected) in expected {
            let row = queue.row(&key(&format!("p{id}")));
            assert!(
                row == expected.accepted || expected.unknown.contains(&row),
                "seed {seed}, {}: p{id} is {row:?}, and not {:?} or one of {:?}",
                queue.bed.name,
                expected.accepted,
                expected.unknown
            );
        }
        assert!(
            tasks
                .shutdown(Duration::from_secs(10))
                .await
                .cut_off
                .is_empty()
        );
    })
    .await;
}
