//! What accepting a write leaves behind, and what it refuses.

use cachekit_keys::{CompanionKind, Ttl};
use cachekit_store::{Condition, ErrorKind, KeyExpiry, MemoryStore, StoreExt};

use super::support::{Bed, Behaviour, Builder, key, millis, pass, seconds, text};
use crate::{SinkError, WhenFull, WriteOptions};

fn small(builder: Builder, when_full: WhenFull) -> Builder {
    builder.backlog(2).when_full(when_full)
}

#[tokio::test(start_paused = true)]
async fn an_accepted_value_is_cached_and_kept_without_a_ttl() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();

    assert_eq!(bed.cache.get(&key("a")).await.unwrap(), Some(text("one")));
    let name = bed.name(&key("a"));
    let write = name.companion(CompanionKind::Unpersisted).unwrap();
    assert_eq!(bed.store.expiry(&write).await.unwrap(), KeyExpiry::Never);
    let KeyExpiry::In(left) = bed.store.expiry(&name).await.unwrap() else {
        panic!("the cached copy expires");
    };
    assert!(left <= bed.cache.ttl().as_duration());
    let backlog = writes.backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead_letters), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unpersisted_value_is_read_when_the_cached_one_is_gone() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();
    assert!(bed.cache.remove(&key("a")).await.unwrap());
    assert_eq!(writes.get(&key("a")).await.unwrap(), Some(text("one")));

    let short = WriteOptions::new().with_ttl(Ttl::seconds(1));
    writes
        .put_with(&key("b"), &text("two"), &short)
        .await
        .unwrap();
    pass(seconds(2)).await;
    assert_eq!(bed.cache.get(&key("b")).await.unwrap(), None);
    assert_eq!(writes.get(&key("b")).await.unwrap(), Some(text("two")));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_reads_as_absent() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.delete(&key("a")).await.unwrap();
    assert_eq!(writes.get(&key("a")).await.unwrap(), None);
    assert_eq!(bed.cache.get(&key("a")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_refuses_new_keys_only() {
    let bed = Bed::new();
    let (writes, _worker) = small(bed.builder(), WhenFull::Refuse)
        .build()
        .await
        .unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();
    writes.put(&key("a"), &text("two")).await.unwrap();
    let refused = writes.put(&key("c"), &text("one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(!refused.may_have_applied());
    assert_eq!(writes.get(&key("c")).await.unwrap(), None);
    assert_eq!(writes.get(&key("a")).await.unwrap(), Some(text("two")));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_accepted_in_part_says_so() {
    let bed = Bed::new();
    let (writes, _worker) = small(bed.builder(), WhenFull::Refuse)
        .build()
        .await
        .unwrap();
    let values: Vec<_> = ["a", "b", "c"].map(|id| (key(id), text("one"))).into();
    let refused = writes.put_many(&values).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.may_have_applied());
    assert_eq!(writes.backlog().await.unwrap().pending, 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_key_that_comes_twice_in_a_batch_the_later_value_counts() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    let values = [(key("a"), text("one")), (key("a"), text("two"))];
    writes.put_many(&values).await.unwrap();
    assert_eq!(writes.get(&key("a")).await.unwrap(), Some(text("two")));
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_room_up_to_its_deadline() {
    let bed = Bed::new();
    let wait = WhenFull::Wait(seconds(5));
    let (writes, worker) = small(bed.builder(), wait).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();

    let start = tokio::time::Instant::now();
    let refused = writes.put(&key("c"), &text("one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!((seconds(5)..seconds(6)).contains(&start.elapsed()));

    let waiting = tokio::spawn({
        let writes = writes.clone();
        async move { writes.put(&key("c"), &text("two")).await }
    });
    pass(seconds(1)).await;
    worker.drain(seconds(5)).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(writes.get(&key("c")).await.unwrap(), Some(text("two")));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_is_too_old_is_full() {
    let bed = Bed::new();
    let builder = bed.builder().max_age(seconds(10));
    let (writes, worker) = builder.when_full(WhenFull::Refuse).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    pass(seconds(9)).await;
    writes.put(&key("b"), &text("one")).await.unwrap();
    pass(seconds(2)).await;
    let refused = writes.put(&key("c"), &text("one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.to_string().contains("old"), "{refused}");

    // What is claimed, or waits for another attempt, is as old as it was.
    bed.refuse(&key("a"), SinkError::transient("no"));
    worker.drain(seconds(5)).await.unwrap();
    assert!(writes.put(&key("c"), &text("one")).await.is_err());
    bed.refuse_no_more();
    pass(seconds(60)).await;
    worker.drain(seconds(5)).await.unwrap();
    writes.put(&key("c"), &text("one")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_is_written_through_where_that_is_wanted() {
    let bed = Bed::new();
    let builder = small(bed.builder(), WhenFull::WriteThrough);
    let (writes, worker) = builder.build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();
    writes.put(&key("c"), &text("one")).await.unwrap();
    assert_eq!(bed.row(&key("c")), Some(text("one")));
    assert_eq!(bed.cache.get(&key("c")).await.unwrap(), Some(text("one")));
    assert_eq!(writes.backlog().await.unwrap().pending, 2);

    // What has an unpersisted write comes after it, and not before.
    writes.put(&key("a"), &text("two")).await.unwrap();
    assert_eq!(bed.row(&key("a")), None);
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("a")), Some(text("two")));
    assert_eq!(bed.row(&key("c")), Some(text("one")));
}

#[tokio::test(start_paused = true)]
async fn what_the_sink_refuses_of_a_write_through_is_taken_back() {
    let bed = Bed::new();
    let builder = small(bed.builder(), WhenFull::WriteThrough);
    let (writes, worker) = builder.build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();
    bed.refuse(&key("c"), SinkError::transient("no"));
    let refused = writes.put(&key("c"), &text("one")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.may_have_applied());
    assert_eq!(writes.get(&key("c")).await.unwrap(), None);
    bed.refuse_no_more();
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("c")), None);
}

#[tokio::test(start_paused = true)]
async fn a_write_through_that_is_dropped_half_way_is_persisted_by_a_worker() {
    let bed = Bed::new();
    let builder = small(bed.builder(), WhenFull::WriteThrough);
    let (writes, worker) = builder.claim(seconds(10)).build().await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();
    bed.behave(Behaviour::Slow(seconds(5)));
    let (c, one) = (key("c"), text("one"));
    let cut = tokio::time::timeout(seconds(1), writes.put(&c, &one));
    assert!(cut.await.is_err());
    bed.behave(Behaviour::Take);
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("c")), None);
    pass(seconds(11)).await;
    worker.drain(seconds(5)).await.unwrap();
    assert_eq!(bed.row(&key("c")), Some(text("one")));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_take_room_so_that_none_is_lost() {
    let bed = Bed::new();
    let builder = small(bed.builder(), WhenFull::Refuse);
    let (writes, worker) = builder.build().await.unwrap();
    bed.refuse(&key("a"), SinkError::permanent("no"));
    bed.refuse(&key("b"), SinkError::permanent("no"));
    writes.put(&key("a"), &text("one")).await.unwrap();
    writes.put(&key("b"), &text("one")).await.unwrap();
    worker.drain(seconds(5)).await.unwrap();
    assert!(writes.put(&key("c"), &text("one")).await.is_err());
    assert!(writes.discard(&key("a")).await.unwrap());
    writes.put(&key("c"), &text("one")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_is_refused_before_anything_is_written() {
    let store = MemoryStore::builder().max_value_size(1_000).build();
    let bed = Bed::over(store, cachekit_keys::KeySchema::plain());
    let (writes, worker) = bed.queue().await;
    let least_refused = async {
        for size in 1.. {
            let value = "x".repeat(size);
            match writes.put(&key("b"), &value).await {
                Ok(()) => writes.delete(&key("b")).await.unwrap(),
                Err(_) => return size,
            }
        }
        0
    };
    // The header has to fit, too, and the reason of a dead letter.
    let size = least_refused.await;
    assert!((400..450).contains(&size), "{size}");
    bed.refuse(&key("b"), SinkError::permanent("no".repeat(1_000)));
    let value = "x".repeat(size - 1);
    writes.put(&key("b"), &value).await.unwrap();
    assert_eq!(worker.drain(seconds(5)).await.unwrap().dead_letters, 1);
    let value = "x".repeat(size);
    let refused = writes.put(&key("a"), &value).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(!refused.may_have_applied());
    assert_eq!(writes.backlog().await.unwrap().pending, 0);
    assert_eq!(bed.cache.get(&key("a")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn two_queues_do_not_share_a_key() {
    let bed = Bed::new();
    let (one, _worker) = bed.queue().await;
    let (other, _worker) = bed.builder().name("other").build().await.unwrap();
    one.put(&key("a"), &text("one")).await.unwrap();
    let refused = other.put(&key("a"), &text("two")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
    assert!(!refused.may_have_applied());
    other.put(&key("b"), &text("two")).await.unwrap();
    assert_eq!(one.backlog().await.unwrap().pending, 1);
    assert_eq!(other.backlog().await.unwrap().pending, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_with_a_condition_is_refused() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    let once = WriteOptions::new().with_condition(Condition::IfAbsent);
    let refused = writes.put_with(&key("a"), &text("one"), &once).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn options_out_of_their_range_are_refused() {
    let bed = Bed::new();
    for builder in [
        bed.builder().batch(0),
        bed.builder().backlog(0),
        bed.builder().claim(millis(50)),
        bed.builder().claim(seconds(1)).sink_timeout(seconds(1)),
        bed.builder().max_attempts(0),
        bed.builder().max_attempts(1_000),
        bed.builder().backoff(seconds(2), seconds(1)),
        bed.builder().concurrency(0),
    ] {
        let refused = builder.build().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Configuration);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_under_way_does_not_overwrite_an_accepted_value() {
    let bed = Bed::new();
    let (writes, _worker) = bed.queue().await;
    let loading = tokio::spawn({
        let cache = bed.cache.clone();
        async move {
            let old = || async {
                tokio::time::sleep(seconds(2)).await;
                Ok::<_, std::io::Error>(text("from the database"))
            };
            cache.get_or_load(&key("a"), old).await
        }
    });
    pass(seconds(1)).await;
    writes.put(&key("a"), &text("new")).await.unwrap();
    loading.await.unwrap().unwrap();
    assert_eq!(bed.cache.get(&key("a")).await.unwrap(), Some(text("new")));
}
