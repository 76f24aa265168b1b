//! Waking, gaps and time-outs, with streams made for the test and on the memory store.

use std::{task::Poll, time::Duration};

use cachekit_keys::Key;
use futures_util::{FutureExt, stream};
use tokio::time::Instant;

use super::{Wakeup, Woken};
use crate::{ErrorKind, Gap, MemoryStore, PubSubItem, Store, StoreExt, Subscription};

const SECOND: Duration = Duration::from_secs(1);

fn key(name: &'static str) -> Key {
    Key::from_raw(name).unwrap()
}

/// A registration that yields these items and then nothing.
fn heard(items: Vec<PubSubItem>) -> Wakeup {
    let items = items.into_iter().map(Poll::Ready);
    let mut items = items.chain(std::iter::repeat(Poll::Pending));
    let stream = stream::poll_fn(move |_| items.next().unwrap_or(Poll::Pending).map(Some));
    Wakeup {
        subscription: Some(Subscription::new(stream)),
    }
}

fn message() -> PubSubItem {
    PubSubItem::Message {
        channel: "c".into(),
        payload: "".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_wake_up_and_not_before() {
    let (store, key) = (MemoryStore::new(), key("a"));
    let mut wakeup = store.wakeup(&key).await.unwrap();
    let start = Instant::now();
    let (woken, _) = tokio::join!(wakeup.wait(SECOND * 60), async {
        tokio::time::sleep(SECOND * 3).await;
        store.wake(&key).await.unwrap()
    });
    assert_eq!((woken, start.elapsed()), (Woken::Message, SECOND * 3));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_time_where_nothing_comes() {
    let (store, key) = (MemoryStore::new(), key("a"));
    let mut wakeup = store.wakeup(&key).await.unwrap();
    store.wake(&self::key("b")).await.unwrap();
    let start = Instant::now();
    assert_eq!(wakeup.wait(SECOND).await, Woken::TimedOut);
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn wake_ups_while_nobody_waits_count_as_one() {
    let (store, key) = (MemoryStore::new(), key("a"));
    let mut wakeup = store.wakeup(&key).await.unwrap();
    for _ in 0..100 {
        assert_eq!(store.wake(&key).await.unwrap(), 1);
    }
    assert_eq!(wakeup.wait(SECOND).await, Woken::Message);
    assert_eq!(wakeup.wait(SECOND).await, Woken::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_no_wake_up() {
    let (store, key) = (MemoryStore::new(), key("a"));
    let mut wakeup = store.wakeup(&key).await.unwrap();
    assert_eq!(wakeup.wait(SECOND).now_or_never(), None);
    store.wake(&key).await.unwrap();
    assert_eq!(
        wakeup.wait(SECOND).now_or_never(),
        Some(Woken::Message),
        "also with no time at all"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_outweighs_a_gap_and_a_gap_alone_is_told() {
    let gap = PubSubItem::Gap(Gap::Reconnected);
    let first = PubSubItem::Gap(Gap::Subscribed);
    let mut both = heard(vec![first.clone(), gap.clone(), message()]);
    assert_eq!(both.wait(SECOND).await, Woken::Message);
    let mut alone = heard(vec![first.clone(), gap]);
    assert_eq!(alone.wait(SECOND).await, Woken::Gap);
    assert_eq!(alone.wait(SECOND).await, Woken::TimedOut);
    let mut nothing = heard(vec![first]);
    assert_eq!(nothing.wait(SECOND).await, Woken::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_without_a_pause_does_not_hold_the_waiter_up() {
    let mut wakeup = heard(vec![message(); 1_000]);
    assert_eq!(wakeup.wait(SECOND).await, Woken::Message);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_store_ends_one_wait_and_no_further_ones() {
    let (store, key) = (MemoryStore::new(), key("a"));
    let mut wakeup = store.wakeup(&key).await.unwrap();
    let start = Instant::now();
    let (woken, ()) = tokio::join!(wakeup.wait(SECOND * 60), store.close());
    assert_eq!((woken, start.elapsed()), (Woken::Gap, Duration::ZERO));
    assert_eq!(wakeup.wait(SECOND).await, Woken::TimedOut);
    assert_eq!(start.elapsed(), SECOND, "a loop does not spin");
    let error = store.wakeup(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_woken_waits_for_its_time() {
    let start = Instant::now();
    let mut never = Wakeup::never();
    assert_eq!(never.wait(SECOND).await, Woken::TimedOut);
    assert_eq!(start.elapsed(), SECOND);
    let endless = never.wait(Duration::MAX).now_or_never();
    assert_eq!(endless, None, "the longest time-out is taken");
}
