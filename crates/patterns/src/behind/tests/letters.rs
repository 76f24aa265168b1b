//! Dead letters are listed, replayed and dropped, and never put an older write over a newer one.

use std::{collections::BTreeSet, sync::Arc};

use cachekit_store::{Expiration, Fault, FaultPlan, FaultRule, Faults, SetOptions, Store};

use super::support::{Bed, Behaviour, Handle, Worker, key, millis, pass, seconds, text};
use crate::{Cache, Replayed, SinkError, WhenFull, WriteBehind, WriteOperation};

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
    bed.behave(Behaviour::Slow(seconds(1)));
    writes.put(&key("a"), &text("old")).await.unwrap();
    pass(seconds(1)).await;
    let round = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain_once().await }
    });
    pass(millis(10)).await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    assert_eq!(round.await.unwrap().unwrap().dead_letters, 0);
    bed.refuse_no_more();
    // It is not tried at once, as one that is refused all the time would be.
    assert!(worker.drain(seconds(5)).await.unwrap().is_empty());
    pass(millis(201)).await;
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

#[tokio::test(start_paused = true)]
async fn letters_that_die_again_at_once_are_not_replayed_without_end() {
    for bed in [Bed::new(), Bed::clustered()] {
        // What is replayed dies before the next one is, as it does while a server is asked.
        let plan = FaultPlan::new();
        plan.add(FaultRule::new(Fault::Delay(millis(5))).on("write_replay"));
        let store = Faults::new(Arc::clone(&bed.store) as _, &plan);
        let cache = Cache::builder(Arc::new(store), bed.schema.clone());
        let cache = cache.build().unwrap();
        let queue = WriteBehind::builder(&cache, Arc::clone(&bed.rows)).build();
        let (writes, worker) = queue.await.unwrap();
        let values: Vec<_> = (0..600)
            .map(|number| (key(&format!("p{number}")), text("one")))
            .collect();
        for (key, _) in &values {
            bed.refuse(key, SinkError::permanent("no"));
        }
        writes.put_many(&values).await.unwrap();
        while writes.backlog().await.unwrap().pending > 0 {
            worker.drain(seconds(5)).await.unwrap();
        }
        pass(seconds(1)).await;
        let killing = tokio::spawn(async move {
            loop {
                worker.drain_once().await.unwrap();
                tokio::time::sleep(millis(1)).await;
            }
        });
        let replayed = tokio::time::timeout(seconds(60), writes.replay_all());
        let replayed = replayed.await.unwrap().unwrap();
        killing.abort();
        assert_eq!(replayed, 600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_stays_where_the_newer_write_is_refused() {
    let bed = Bed::new();
    let (_, worker) = dead(&bed, "a").await;
    let builder = bed.builder().backlog(1).when_full(WhenFull::WriteThrough);
    let (writes, _) = builder.build().await.unwrap();
    bed.refuse(&key("a"), SinkError::permanent("no"));
    bed.behave(Behaviour::Slow(seconds(1)));
    let refused = tokio::spawn({
        let writes = writes.clone();
        async move { writes.put(&key("a"), &text("new")).await }
    });
    pass(millis(10)).await;
    assert_eq!(
        writes.replay(&key("a")).await.unwrap(),
        Replayed::Superseded
    );
    assert!(refused.await.unwrap().is_err());
    // It was accepted, and the other one was not.
    bed.refuse_no_more();
    assert_eq!(writes.replay(&key("a")).await.unwrap(), Replayed::Queued);
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), Some(text("old")));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_read_hides_no_other() {
    let bed = Bed::new();
    let (writes, worker) = dead(&bed, "a").await;
    bed.refuse(&key("b"), SinkError::permanent("no room"));
    writes.put(&key("b"), &text("old")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    let damaged = bed.name(&key("b"));
    let letter = damaged
        .companion(cachekit_keys::CompanionKind::DeadLetter)
        .unwrap();
    let options = SetOptions::new(Expiration::Never);
    bed.store
        .set(&letter, "damaged".into(), options)
        .await
        .unwrap();
    let page = writes.dead_letters(None, 10).await.unwrap();
    assert_eq!(page.letters.len(), 1);
    assert_eq!(page.letters[0].token.key, bed.name(&key("a")));
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].0, damaged);
    assert_eq!(writes.discard_all().await.unwrap(), 2);
}
