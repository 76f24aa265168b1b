//! The life of a write, from its acceptance to the database or a dead letter.

use std::time::{Duration, Instant};

use cachekit_patterns::{Replayed, SinkError, WhenFull};
use cachekit_store::{ErrorKind, Tasks};

use super::support::{Queue, key, millis};
use crate::support::on_each_form;

const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn writes_become_one_and_reach_the_table() {
    on_each_form(async |bed| {
        let queue = Queue::new(bed);
        let (writes, worker) = queue.builder().window(millis(500)).build().await.unwrap();
        for value in 0..20 {
            writes.put(&key("a"), &value).await.unwrap();
            writes.put(&key("b"), &value).await.unwrap();
        }
        writes.delete(&key("b")).await.unwrap();
        queue.cache.remove(&key("a")).await.unwrap();
        assert_eq!(writes.get(&key("a")).await.unwrap(), Some(19));
        assert_eq!(writes.get(&key("b")).await.unwrap(), None);
        let loader = || async { Ok::<_, std::io::Error>(1_000) };
        assert_eq!(
            queue.cache.get_or_load(&key("a"), loader).await.unwrap(),
            19
        );

        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        let flushed = writes.flush(PATIENT).await.unwrap();
        assert_eq!(flushed.dead_letters, 0);
        assert_eq!(queue.row(&key("a")), Some(19));
        assert_eq!(queue.row(&key("b")), None);
        let backlog = writes.backlog().await.unwrap();
        assert_eq!((backlog.pending, backlog.oldest_age), (0, None));
        assert!(tasks.shutdown(PATIENT).await.cut_off.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_fails_becomes_a_dead_letter_and_is_replayed() {
    on_each_form(async |bed| {
        let queue = Queue::new(bed);
        let (writes, worker) = queue.builder().max_attempts(3).build().await.unwrap();
        let poison = queue.bed.schema.key(&key("a"));
        let refusal = SinkError::transient("a constraint");
        queue.table.refused.lock().unwrap().insert(poison, refusal);
        let values: Vec<_> = (0..50).map(|n| (key(&format!("p{n}")), n)).collect();
        writes.put(&key("a"), &7).await.unwrap();
        writes.put_many(&values).await.unwrap();
        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        assert_eq!(writes.flush(PATIENT).await.unwrap().dead_letters, 1);
        for (key, value) in &values {
            assert_eq!(queue.row(key), Some(*value));
        }
        let page = writes.dead_letters(None, 10).await.unwrap();
        let letter = &page.letters[0];
        assert_eq!(
            (letter.attempts, letter.reason.as_str()),
            (3, "a constraint")
        );

        queue.table.refused.lock().unwrap().clear();
        assert_eq!(writes.replay(&key("a")).await.unwrap(), Replayed::Queued);
        let _ = writes.flush_key(&key("a"), PATIENT).await.unwrap();
        assert_eq!(queue.row(&key("a")), Some(7));
        assert_eq!(writes.backlog().await.unwrap().dead_letters, 0);
        assert!(tasks.shutdown(PATIENT).await.cut_off.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_acknowledgement_of_a_worker_changes_nothing() {
    on_each_form(async |bed| {
        let queue = Queue::new(bed);
        let builder = queue.builder().claim(millis(300)).sink_timeout(millis(290));
        let (writes, worker) = builder.build().await.unwrap();
        writes.put(&key("a"), &1).await.unwrap();
        tokio::time::sleep(millis(40)).await;
        // Its process stands still from the claim on, which runs out.
        *queue.table.pause.lock().unwrap() = millis(200);
        let thawed = tokio::spawn({
            let worker = worker.clone();
            async move { worker.drain_once().await }
        });
        tokio::time::sleep(millis(100)).await;
        thawed.abort();
        *queue.table.pause.lock().unwrap() = Duration::ZERO;
        writes.put(&key("a"), &2).await.unwrap();
        assert_eq!(worker.drain_once().await.unwrap().persisted, 0);
        // Another one takes the key when the claim is over, on a cluster when it looks into the slot again.
        let start = Instant::now();
        while worker.drain_once().await.unwrap().persisted == 0 {
            assert!(start.elapsed() < PATIENT);
            tokio::time::sleep(millis(50)).await;
        }
        assert_eq!(queue.row(&key("a")), Some(2));
        assert_eq!(writes.backlog().await.unwrap().pending, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backlog_refuses_waits_or_writes_through() {
    on_each_form(async |bed| {
        let queue = Queue::new(bed);
        let small = || queue.builder().backlog(2);
        let refusing = small().when_full(WhenFull::Refuse).build().await.unwrap();
        let (refusing, worker) = refusing;
        refusing.put(&key("a"), &1).await.unwrap();
        refusing.put(&key("b"), &1).await.unwrap();
        // On a cluster a process knows the count of a moment ago.
        tokio::time::sleep(millis(1_100)).await;
        let refused = refusing.put(&key("c"), &1).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        assert!(!refused.may_have_applied());

        let through = small()
            .when_full(WhenFull::WriteThrough)
            .build()
            .await
            .unwrap();
        through.0.put(&key("c"), &3).await.unwrap();
        assert_eq!(queue.row(&key("c")), Some(3));
        assert_eq!(refusing.backlog().await.unwrap().pending, 2);

        let waiting = small()
            .when_full(WhenFull::Wait(PATIENT))
            .build()
            .await
            .unwrap();
        let waiting = tokio::spawn(async move { waiting.0.put(&key("d"), &4).await });
        worker.drain(PATIENT).await.unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(refusing.get(&key("d")).await.unwrap(), Some(4));
    })
    .await;
}
