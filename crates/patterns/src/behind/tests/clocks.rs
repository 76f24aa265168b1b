//! The server's clock is set forward and back, and workers are frozen.

use super::support::{Bed, Behaviour, key, millis, pass, seconds, text};
use crate::SinkError;

#[tokio::test(start_paused = true)]
async fn a_sequence_never_begins_anew_when_the_clock_is_set_back() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    let mut last = 0;
    for back in [0, 3_600, 86_400] {
        bed.store.rewind_wall_clock(seconds(back));
        for value in ["one", "two"] {
            writes.put(&key("a"), &text(value)).await.unwrap();
            worker.drain(seconds(5)).await.unwrap();
            let sequence = bed.take_calls()[0][0].token.sequence;
            assert!(sequence > last);
            last = sequence;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sequence_does_not_begin_anew_behind_a_dead_letter() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    bed.refuse(&key("a"), SinkError::permanent("no"));
    writes.put(&key("a"), &text("one")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    let dead = bed.take_calls()[0][0].token.sequence;
    bed.refuse_no_more();
    bed.store.rewind_wall_clock(seconds(3_600));
    writes.put(&key("a"), &text("two")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    assert!(bed.take_calls()[0][0].token.sequence > dead);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_by_a_clock_that_was_ahead_does_not_starve() {
    for bed in [Bed::new(), Bed::clustered()] {
        bed.store.advance_wall_clock(seconds(86_400));
        let (writes, worker) = bed.queue().await;
        writes.put(&key("a"), &text("one")).await.unwrap();
        bed.store.rewind_wall_clock(seconds(86_400));
        assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
        assert_eq!(bed.row(&key("a")), Some(text("one")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_by_a_clock_that_was_ahead_does_not_starve() {
    let bed = Bed::new();
    bed.store.advance_wall_clock(seconds(86_400));
    let (writes, worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();
    pass(seconds(1)).await;
    bed.behave(Behaviour::Slow(seconds(5)));
    let cut = tokio::time::timeout(seconds(1), worker.drain_once());
    assert!(cut.await.is_err());
    bed.behave(Behaviour::Take);
    bed.store.rewind_wall_clock(seconds(86_400));
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_only_hastens_things() {
    let bed = Bed::new();
    let (writes, worker) = bed.builder().window(seconds(10)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.store.advance_wall_clock(seconds(86_400));
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    assert_eq!(writes.backlog().await.unwrap().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn a_barrier_is_not_passed_while_something_from_ahead_is_left() {
    let bed = Bed::new();
    bed.store.advance_wall_clock(seconds(86_400));
    let (writes, worker) = bed.builder().window(seconds(10)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    bed.store.rewind_wall_clock(seconds(86_400));
    assert!(writes.flush(seconds(1)).await.is_err());
    assert!(writes.flush_key(&key("a"), seconds(1)).await.is_err());
    worker.drain_once().await.unwrap();
    let _ = writes.flush(seconds(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_late_acknowledgement_of_a_frozen_worker_changes_nothing() {
    let bed = Bed::new();
    let builder = bed.builder().claim(seconds(10)).sink_timeout(seconds(9));
    let (writes, worker) = builder.build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    pass(seconds(1)).await;
    bed.behave(Behaviour::Slow(seconds(8)));
    let frozen = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain_once().await }
    });
    pass(millis(10)).await;
    // While its clock stands still, as if it were stopped, the server's goes on.
    bed.store.advance_wall_clock(seconds(11));
    bed.behave(Behaviour::Slow(seconds(20)));
    let second = tokio::time::timeout(seconds(2), worker.drain_once());
    // Another one has the key now, and dies with it.
    assert!(second.await.is_err());
    writes.put(&key("a"), &text("two")).await.unwrap();
    let late = frozen.await.unwrap().unwrap();
    assert_eq!((late.persisted, late.retried, late.dead_letters), (0, 0, 0));
    assert_eq!(writes.backlog().await.unwrap().pending, 1);
    bed.behave(Behaviour::Take);
    pass(seconds(11)).await;
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    assert_eq!(bed.row(&key("a")), Some(text("two")));
}
