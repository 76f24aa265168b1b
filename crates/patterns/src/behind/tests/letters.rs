//! Dead letters are listed, replayed and dropped, and never put an older write over a newer one.

use std::collections::BTreeSet;

use super::support::{Bed, Handle, Worker, key, pass, seconds, text};
use crate::{Replayed, SinkError, WriteOperation};

/// A queue with a dead letter of a key.
async fn dead(bed: &Bed, id: &str) -> (Handle, Worker) {
    let (writes, worker) = bed.queue().await;
    bed.refuse(&key(id), SinkError::permanent("no room"));
    writes.put(&key(id), &text("old")).await.unwrap();
    let drained = worker.drain(seconds(5)).await.unwrap();
    assert_eq!(drained.dead_letters, 1);
    bed.refuse_no_more();
    (writes, worker)
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_given_up_is_kept_with_the_reason() {
    let bed = Bed::new();
    let (writes, _worker) = dead(&bed, "a").await;
    let page = writes.dead_letters(None, 10).await.unwrap();
    let letter = &page.letters[0];
    let operation = letter.operation.as_ref().unwrap();
    assert!(matches!(operation, WriteOperation::Put(value) if value == "old"));
    assert_eq!((letter.attempts, letter.reason.as_str()), (1, "no room"));
    assert_eq!(letter.token.key, bed.name(&key("a")));
    // The database does not have the value, and so the cache must not.
    assert_eq!(bed.cache.get(&key("a")).await.unwrap(), None);
    let backlog = writes.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead_letters), (0, 1));
    assert_eq!(writes.flush(seconds(1)).await.unwrap().dead_letters, 0);
    assert_eq!(
        writes
            .flush_key(&key("a"), seconds(1))
            .await
            .unwrap()
            .dead_letters,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_replayed_letter_is_persisted_under_its_old_token() {
    let bed = Bed::new();
    let (writes, worker) = dead(&bed, "a").await;
    bed.cache
        .set(&key("a"), &text("loaded since"))
        .await
        .unwrap();
    let token = writes.dead_letters(None, 10).await.unwrap().letters[0]
        .token
        .clone();
    assert_eq!(writes.replay(&key("a")).await.unwrap(), Replayed::Queued);
    assert_eq!(writes.get(&key("a")).await.unwrap(), Some(text("old")));
    bed.take_calls();
    assert_eq!(worker.drain_once().await.unwrap().persisted, 1);
    let item = bed.take_calls()[0][0].clone();
    assert_eq!((item.token, item.attempt), (token, 1));
    assert_eq!(bed.row(&key("a")), Some(text("old")));
    assert_eq!(writes.replay(&key("a")).await.unwrap(), Replayed::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_not_replayed_over_a_newer_write_that_waits() {
    let bed = Bed::new();
    let (writes, worker) = dead(&bed, "a").await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    assert_eq!(
        writes.replay(&key("a")).await.unwrap(),
        Replayed::Superseded
    );
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), Some(text("new")));
    assert_eq!(writes.backlog().await.unwrap().dead_letters, 0);
}

#[tokio::test(start_paused = true)]
async fn a_letter_goes_when_a_newer_write_is_persisted() {
    let bed = Bed::new();
    let (writes, worker) = dead(&bed, "a").await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(writes.replay(&key("a")).await.unwrap(), Replayed::Missing);
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), Some(text("new")));
}

#[tokio::test(start_paused = true)]
async fn a_newer_letter_takes_the_place_of_an_older_one() {
    let bed = Bed::new();
    let (writes, worker) = dead(&bed, "a").await;
    bed.refuse(&key("a"), SinkError::permanent("still no room"));
    writes.delete(&key("a")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    let page = writes.dead_letters(None, 10).await.unwrap();
    assert_eq!(page.letters.len(), 1);
    assert_eq!(page.letters[0].reason, "still no room");
    assert!(matches!(
        page.letters[0].operation,
        Ok(WriteOperation::Delete)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_write_during_the_last_attempt_is_not_given_up_with_it() {
    let bed = Bed::new();
    let (writes, worker) = bed.queue().await;
    bed.refuse(&key("a"), SinkError::permanent("no room"));
    bed.behave(super::support::Behaviour::Slow(seconds(1)));
    writes.put(&key("a"), &text("old")).await.unwrap();
    pass(seconds(1)).await;
    let round = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain_once().await }
    });
    pass(super::support::millis(10)).await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    assert_eq!(round.await.unwrap().unwrap().dead_letters, 0);
    bed.refuse_no_more();
    // It is not tried at once, as one that is refused all the time would be.
    assert!(worker.drain(seconds(5)).await.unwrap().is_empty());
    pass(super::support::millis(201)).await;
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), Some(text("new")));
    assert_eq!(writes.backlog().await.unwrap().dead_letters, 0);
}

#[tokio::test(start_paused = true)]
async fn letters_are_listed_in_pages_and_replayed_or_dropped_at_once() {
    for bed in [Bed::new(), Bed::clustered()] {
        let (writes, worker) = bed.queue().await;
        let mut names = BTreeSet::new();
        for number in 0..25 {
            let key = key(&format!("p{number}"));
            bed.refuse(&key, SinkError::permanent("no"));
            names.insert(bed.name(&key));
            writes.put(&key, &text("one")).await.unwrap();
        }
        for _ in 0..20 {
            worker.drain(seconds(5)).await.unwrap();
            pass(seconds(3)).await;
        }
        assert_eq!(writes.backlog().await.unwrap().dead_letters, 25);
        let (mut seen, mut after, mut pages) = (BTreeSet::new(), None, 0);
        loop {
            let page = writes.dead_letters(after.as_ref(), 4).await.unwrap();
            assert!(page.letters.len() <= 4);
            for letter in page.letters {
                assert!(seen.insert(letter.token.key));
            }
            pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, names);
        assert!(pages >= 7);

        bed.refuse_no_more();
        assert!(writes.discard(&key("p0")).await.unwrap());
        assert!(!writes.discard(&key("p0")).await.unwrap());
        assert_eq!(writes.replay_all().await.unwrap(), 24);
        assert_eq!(writes.backlog().await.unwrap().pending, 24);
        for _ in 0..20 {
            worker.drain(seconds(5)).await.unwrap();
            pass(seconds(3)).await;
        }
        assert_eq!(bed.rows.rows.lock().unwrap().len(), 24);
        assert_eq!(writes.discard_all().await.unwrap(), 0);
    }
}
