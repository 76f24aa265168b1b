//! What reaches the sink, and what a failing sink does to others.

use super::support::{Bed, Behaviour, key, millis, pass, seconds, text};
use crate::{SinkError, WriteOperation};

#[tokio::test(start_paused = true)]
async fn writes_within_the_window_become_one() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(millis(200)).build().await.unwrap();
    for count in 0..10 {
        writes.put(&key("a"), &count.to_string()).await.unwrap();
        pass(millis(10)).await;
    }
    assert!(worker.drain_once().await.unwrap().is_empty());
    pass(millis(101)).await;
    let drained = worker.drain_once().await.unwrap();
    assert_eq!((drained.persisted, drained.writes), (1, 10));
    let calls = bed.take_calls();
    assert_eq!(calls.len(), 1);
    let item = &calls[0][0];
    assert_eq!((item.attempt, item.coalesced), (1, 10));
    assert_eq!(item.age, millis(201));
    assert_eq!(bed.row(&key("a")), Some(text("9")));
    assert_eq!(writes.backlog().await.unwrap().pending, 0);
    assert_eq!(writes.get(&key("a")).await.unwrap(), Some(text("9")));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_not_overtaken_by_the_value_before_it() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    writes.put(&key("a"), &text("two")).await.unwrap();
    writes.delete(&key("a")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), None);
    let calls = bed.take_calls();
    assert_eq!(calls[1][0].operation, WriteOperation::Delete);
    assert!(calls[1][0].token.sequence > calls[0][0].token.sequence);

    writes.delete(&key("b")).await.unwrap();
    writes.put(&key("b"), &text("three")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("b")), Some(text("three")));
}

#[tokio::test(start_paused = true)]
async fn a_write_during_the_sinks_call_is_persisted_after_it() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(millis(100)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.behave(Behaviour::Slow(seconds(1)));
    let draining = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain(seconds(5)).await }
    });
    pass(millis(10)).await;
    writes.put(&key("a"), &text("two")).await.unwrap();
    writes.put(&key("a"), &text("three")).await.unwrap();
    let drained = draining.await.unwrap().unwrap();
    assert_eq!((drained.persisted, drained.writes), (2, 3));
    let calls = bed.take_calls();
    let values: Vec<_> = calls.iter().map(|call| call[0].value().cloned()).collect();
    assert_eq!(values, [Some(text("one")), Some(text("three"))]);
    assert_eq!(calls[1][0].coalesced, 2);
    assert_eq!(bed.row(&key("a")), Some(text("three")));
    assert_eq!(writes.backlog().await.unwrap().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn one_key_that_fails_keeps_no_other_from_being_persisted() {
    let bed = Bed::new();
    let builder = bed.builder().batch(4).max_attempts(3);
    let (writes, worker) = builder.build().await.unwrap();
    bed.refuse(&key("p1"), SinkError::transient("poison"));
    bed.refuse(&key("p2"), SinkError::transient("poison"));
    for id in ["p1", "p2", "a", "b", "c", "d", "e"] {
        writes.put(&key(id), &text("one")).await.unwrap();
    }
    worker.drain(seconds(5)).await.unwrap();
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(bed.row(&key(id)), Some(text("one")), "{id}");
    }
    assert_eq!(writes.backlog().await.unwrap().pending, 2);
    for _ in 0..3 {
        pass(seconds(60)).await;
        worker.drain(seconds(5)).await.unwrap();
    }
    let backlog = writes.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead_letters), (0, 2));
    let attempts = bed.take_calls();
    let of_poison = attempts
        .iter()
        .flatten()
        .filter(|item| item.token.key == bed.name(&key("p1")));
    let of_poison: Vec<u32> = of_poison.map(|item| item.attempt).collect();
    assert_eq!(of_poison, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_where_a_batch_is_a_single_item() {
    let bed = Bed::new();
    let builder = bed.builder().batch(1).window(millis(1));
    let builder = builder.max_attempts(900).backoff(millis(1), millis(1));
    let (writes, worker) = builder.build().await.unwrap();
    bed.refuse(&key("p"), SinkError::transient("poison"));
    writes.put(&key("p"), &text("one")).await.unwrap();
    pass(millis(3)).await;
    worker.drain_once().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    for _ in 0..20 {
        pass(millis(3)).await;
        worker.drain_once().await.unwrap();
    }
    assert_eq!(bed.row(&key("a")), Some(text("one")));
    let of_poison = bed.take_calls().into_iter().flatten();
    let of_poison = of_poison.filter(|item| item.token.key == bed.name(&key("p")));
    assert!(of_poison.count() > 5, "nor do others keep it");
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_result_is_tried_again() {
    for behaviour in [
        Behaviour::Fewer(1),
        Behaviour::Fewer(0),
        Behaviour::Panic,
        Behaviour::Slow(seconds(100)),
    ] {
        let bed = Bed::new();
        let (writes, worker) = bed.queue().await;
        bed.behave(behaviour);
        writes.put(&key("a"), &text("one")).await.unwrap();
        writes.put(&key("b"), &text("one")).await.unwrap();
        pass(seconds(1)).await;
        let drained = worker.drain_once().await.unwrap();
        let taken = if behaviour == Behaviour::Fewer(1) {
            1
        } else {
            0
        };
        assert_eq!(
            (drained.persisted, drained.retried),
            (taken, 2 - taken),
            "{behaviour:?}"
        );
        bed.behave(Behaviour::Take);
        pass(seconds(1)).await;
        worker.drain(seconds(5)).await.unwrap();
        assert_eq!(bed.row(&key("a")), Some(text("one")));
        assert_eq!(bed.row(&key("b")), Some(text("one")));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_worker_died_counts() {
    let bed = Bed::new();
    let builder = bed.builder().claim(seconds(10)).max_attempts(2);
    let (writes, worker) = builder.build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.behave(Behaviour::Slow(seconds(5)));
    // Once more than there may be, as a claim may be lost before an attempt begins.
    for _ in 0..3 {
        pass(seconds(11)).await;
        // As if the process ended in the middle of the sink's call.
        let cut = tokio::time::timeout(seconds(1), worker.drain_once());
        assert!(cut.await.is_err());
    }
    pass(seconds(11)).await;
    assert_eq!(worker.drain_once().await.unwrap().dead_letters, 1);
    assert_eq!(bed.take_calls().len(), 3);
    let page = writes.dead_letters(None, 10).await.unwrap();
    assert!(page.letters[0].reason.contains("no attempt"), "{page:?}");
}

/// What takes its worker down must not go on for ever because others of its batch leave it no room.
#[tokio::test(start_paused = true)]
async fn an_attempt_whose_worker_died_counts_where_there_is_no_room_for_the_next() {
    let bed = Bed::new();
    let builder = bed.builder().claim(seconds(10)).batch_bytes(250);
    let (writes, worker) = builder.build().await.unwrap();
    let large = "x".repeat(100);
    writes.put(&key("a"), &large).await.unwrap();
    writes.put(&key("b"), &text("small")).await.unwrap();
    pass(seconds(1)).await;
    bed.behave(Behaviour::Slow(seconds(5)));
    let cut = tokio::time::timeout(seconds(1), worker.drain_once());
    assert!(cut.await.is_err());
    writes.put(&key("a"), &"x".repeat(200)).await.unwrap();
    pass(seconds(11)).await;
    bed.behave(Behaviour::Take);
    // There is no room for the other one.
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    bed.take_calls();
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    let calls = bed.take_calls();
    assert_eq!((calls[0].len(), calls[0][0].attempt), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_be_reached_costs_no_attempts() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().max_attempts(2).build().await.unwrap();
    bed.refuse(&key("a"), SinkError::unavailable("away"));
    writes.put(&key("a"), &text("one")).await.unwrap();
    for _ in 0..10 {
        pass(seconds(60)).await;
        assert!(worker.drain_once().await.unwrap().unavailable);
    }
    bed.refuse_no_more();
    pass(seconds(60)).await;
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    let calls = bed.take_calls();
    assert!(calls.iter().flatten().all(|item| item.attempt == 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_more_bytes_than_it_may() {
    let bed = Bed::new();
    let builder = bed.builder().batch_bytes(400);
    let (writes, worker) = builder.build().await.unwrap();
    for id in ["a", "b", "c", "d"] {
        writes.put(&key(id), &"x".repeat(100)).await.unwrap();
    }
    // Larger than a batch may be, and given to the sink all the same.
    writes.put(&key("e"), &"x".repeat(1_000)).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    let calls = bed.take_calls();
    assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), 5);
    for call in &calls {
        let bytes = call.iter().filter_map(|item| item.value()).map(String::len);
        assert!(bytes.sum::<usize>() <= 400 || call.len() == 1);
    }
    assert!(calls.iter().flatten().all(|item| item.attempt == 1));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_decoded_becomes_a_dead_letter() {
    let bed = Bed::new();
    let numbers = crate::Cache::<cachekit_keys::ProjectKey, u32>::builder(
        std::sync::Arc::clone(&bed.store) as _,
        bed.schema.clone(),
    );
    struct Nowhere;
    #[async_trait::async_trait]
    impl crate::Sink<cachekit_keys::ProjectKey, u32> for Nowhere {
        async fn write(
            &self,
            _: &[crate::WriteItem<cachekit_keys::ProjectKey, u32>],
        ) -> Vec<Result<(), SinkError>> {
            Vec::new()
        }
    }
    let numbers = numbers.build().unwrap();
    let queue = crate::WriteBehind::builder(&numbers, Nowhere);
    let (other, _worker) = queue.build().await.unwrap();
    other.put(&key("a"), &7).await.unwrap();

    let (writes, worker) = bed.queue().await;
    writes.put(&key("b"), &text("one")).await.unwrap();
    let drained = worker.drain(seconds(5)).await.unwrap();
    assert_eq!((drained.persisted, drained.dead_letters), (1, 1));
    let page = writes.dead_letters(None, 10).await.unwrap();
    assert!(page.letters[0].operation.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_and_is_written_all_the_time_is_not_tried_without_a_pause() {
    for refusal in [SinkError::transient("locked"), SinkError::permanent("no")] {
        let bed = Bed::new();
        let (writes, worker) = bed.queue().await;
        bed.refuse(&key("a"), refusal);
        bed.behave(Behaviour::Slow(millis(300)));
        let draining = tokio::spawn(async move {
            loop {
                worker.drain_once().await.unwrap();
                tokio::time::sleep(millis(1)).await;
            }
        });
        for count in 0..10_000 {
            writes.put(&key("a"), &count.to_string()).await.unwrap();
            tokio::time::sleep(millis(1)).await;
        }
        draining.abort();
        let calls = bed.take_calls().len();
        // In 10 seconds, with a pause of at least 200 milliseconds after each call.
        assert!((10..=20).contains(&calls), "{calls}");
    }
}
