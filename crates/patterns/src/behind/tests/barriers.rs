//! Barriers return when what was accepted before is persisted, and not earlier.

use cachekit_store::{ErrorKind, Tasks};

use super::support::{Bed, Behaviour, key, millis, pass, seconds, text};
use crate::SinkError;

#[tokio::test(start_paused = true)]
async fn a_flush_hurries_the_worker_and_waits_for_it() {
    for bed in [Bed::new(), Bed::clustered()] {
        let (writes, worker) = bed.builder().window(seconds(60)).build().await.unwrap();
        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        for id in ["a", "b", "c"] {
            writes.put(&key(id), &text("one")).await.unwrap();
        }
        let start = tokio::time::Instant::now();
        let flushed = writes.flush(seconds(30)).await.unwrap();
        assert!(start.elapsed() < seconds(10));
        assert_eq!(flushed.dead_letters, 0);
        for id in ["a", "b", "c"] {
            assert_eq!(bed.row(&key(id)), Some(text("one")), "{id}");
        }
        let _ = tasks.shutdown(seconds(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_under_load_is_heard_and_does_not_end_the_coalescing() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(millis(100)).build().await.unwrap();
    bed.behave(Behaviour::Slow(millis(3)));
    let tasks = Tasks::new();
    let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
        worker.run(stop).await;
    });
    spawned.unwrap();
    let writing = async {
        for _ in 0..10_000 {
            writes.put(&key("a"), &text("one")).await.unwrap();
            tokio::time::sleep(millis(1)).await;
        }
    };
    let flushing = async {
        tokio::time::sleep(millis(50)).await;
        writes.flush(seconds(5)).await.unwrap()
    };
    let (_, flushed) = tokio::join!(writing, flushing);
    assert_eq!(flushed.dead_letters, 0);
    let calls = bed.take_calls().len();
    // One a window, and while there is a hurry one after the other.
    assert!((50..250).contains(&calls), "{calls} calls");
    let _ = tasks.shutdown(seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_without_a_worker_ends_at_its_deadline() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    let _ = writes.flush(seconds(1)).await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    let error = writes.flush(seconds(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = writes.flush_key(&key("a"), seconds(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let _ = writes.flush_key(&key("b"), seconds(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_what_is_accepted_after_it() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(millis(100)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.behave(Behaviour::Slow(millis(500)));
    let round = tokio::spawn({
        let worker = worker.clone();
        async move {
            tokio::time::sleep(millis(150)).await;
            worker.drain_once().await
        }
    });
    let flush = tokio::spawn({
        let writes = writes.clone();
        async move { writes.flush(seconds(5)).await }
    });
    let flush_key = tokio::spawn({
        let writes = writes.clone();
        async move { writes.flush_key(&key("a"), seconds(5)).await }
    });
    tokio::time::sleep(millis(300)).await;
    // In the middle of the sink's call.
    writes.put(&key("a"), &text("two")).await.unwrap();
    writes.put(&key("b"), &text("two")).await.unwrap();
    round.await.unwrap().unwrap();
    let _ = flush.await.unwrap().unwrap();
    let _ = flush_key.await.unwrap().unwrap();
    assert_eq!(writes.backlog().await.unwrap().pending, 2);
}

#[tokio::test(start_paused = true)]
async fn a_barrier_in_the_middle_of_a_call_waits_for_what_came_during_it() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(millis(100)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.behave(Behaviour::Slow(millis(500)));
    let round = tokio::spawn({
        let worker = worker.clone();
        async move {
            tokio::time::sleep(millis(150)).await;
            worker.drain_once().await
        }
    });
    tokio::time::sleep(millis(300)).await;
    writes.put(&key("a"), &text("two")).await.unwrap();
    tokio::time::sleep(millis(50)).await;
    let flush = tokio::spawn({
        let writes = writes.clone();
        async move {
            (
                writes.flush(seconds(1)).await,
                writes.flush_key(&key("a"), seconds(1)).await,
            )
        }
    });
    round.await.unwrap().unwrap();
    let (all, one) = flush.await.unwrap();
    assert_eq!(all.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(one.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_flush_says_what_became_a_dead_letter() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    bed.refuse(&key("a"), SinkError::permanent("no"));
    writes.put(&key("a"), &text("one")).await.unwrap();
    let tasks = Tasks::new();
    let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
        worker.run(stop).await;
    });
    spawned.unwrap();
    assert_eq!(writes.flush(seconds(30)).await.unwrap().dead_letters, 1);
    pass(millis(1)).await;
    let _ = tasks.shutdown(seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_soon_after_a_flush_is_not_lost_sight_of() {
    for bed in [Bed::new(), Bed::clustered()] {
        let (writes, worker) = bed.builder().window(seconds(10)).build().await.unwrap();
        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        for value in ["one", "two", "three"] {
            writes.put(&key("a"), &text(value)).await.unwrap();
            let _ = writes.flush(seconds(5)).await.unwrap();
            assert_eq!(bed.row(&key("a")), Some(text(value)));
        }
        // Without a flush it is persisted in its time.
        writes.put(&key("a"), &text("four")).await.unwrap();
        assert_eq!(writes.backlog().await.unwrap().pending, 1);
        tokio::time::sleep(seconds(12)).await;
        assert_eq!(bed.row(&key("a")), Some(text("four")));
        let _ = tasks.shutdown(seconds(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_barrier_waits_for_what_took_the_place_of_a_write_that_failed() {
    for refusal in [SinkError::transient("no"), SinkError::permanent("no")] {
        let bed = Bed::new();
        let (writes, worker) = bed.builder().window(millis(100)).build().await.unwrap();
        writes.put(&key("a"), &text("one")).await.unwrap();
        let asked = {
            let writes = writes.clone();
            async move {
                let key = key("a");
                let one = writes.flush_key(&key, seconds(20));
                tokio::join!(writes.flush(seconds(20)), one)
            }
        };
        let flush = tokio::spawn(asked);
        pass(millis(150)).await;
        bed.behave(Behaviour::Slow(seconds(1)));
        bed.refuse(&key("a"), refusal);
        let round = tokio::spawn({
            let worker = worker.clone();
            async move { worker.drain_once().await }
        });
        pass(millis(10)).await;
        writes.put(&key("a"), &text("two")).await.unwrap();
        round.await.unwrap().unwrap();
        pass(seconds(2)).await;
        tokio::time::sleep(seconds(1)).await;
        // Neither of the two is in the database.
        assert!(!flush.is_finished());
        bed.refuse_no_more();
        worker.drain(seconds(5)).await.unwrap();
        let (all, one) = flush.await.unwrap();
        assert_eq!(
            (all.unwrap().dead_letters, one.unwrap().dead_letters),
            (0, 0)
        );
        assert_eq!(bed.row(&key("a")), Some(text("two")));
    }
}
