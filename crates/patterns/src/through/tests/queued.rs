//! The specification's write-behind: what each half leaves.

use std::{io, sync::Arc, time::Duration};

use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, KeyExpiry, MemoryStore, Store,
};
use tokio::{sync::mpsc, time::advance};

use super::support::{builder, cache, tree};
use crate::{ThroughOptions, Written};

fn options() -> ThroughOptions {
    ThroughOptions::new().with_timeout(Duration::from_secs(10))
}

#[tokio::test(start_paused = true)]
async fn the_value_is_cached_and_queued_with_its_key() {
    let (_, cache) = cache();
    let (sender, mut queue) = mpsc::channel(1);
    let enqueue = |key, value| async move { sender.send((key, value)).await };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    assert!(matches!(written.unwrap(), Written::Stored));
    assert_eq!(queue.recv().await, Some((tree(), "new".to_owned())));
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("new"));
    let left = cache.expiry(&tree()).await.unwrap();
    assert_eq!(left, KeyExpiry::In(Duration::from_secs(100)));
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_refuses_is_taken_back_unless_another_has_written() {
    let (_, cache) = cache();
    let (sender, queue) = mpsc::channel(1);
    drop(queue);
    let enqueue = |key, value| async move { sender.send((key, value)).await };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::WriteFailed);
    assert_eq!(cache.get(&tree()).await.unwrap(), None);

    let other = cache.clone();
    let enqueue = |_, _| async move {
        other.set(&tree(), &"theirs".to_owned()).await.unwrap();
        Err(io::Error::other("full"))
    };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::WriteFailed);
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("theirs"));
}

#[tokio::test(start_paused = true)]
async fn what_another_has_written_before_the_queue_answers_stays() {
    let (_, cache) = cache();
    let other = cache.clone();
    let enqueue = |_, _| async move { other.set(&tree(), &"theirs".to_owned()).await };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    assert!(matches!(written.unwrap(), Written::Uncached));
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_value_whose_fate_the_cache_does_not_learn_goes_soon() {
    let (store, plan) = (Arc::new(MemoryStore::new()), FaultPlan::new());
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let cache = builder(Arc::new(Faults::new(shared, &plan)))
        .build()
        .unwrap();
    let dying = plan.clone();
    let enqueue = |_, _| async move {
        dying.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
        Ok::<_, io::Error>(())
    };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    assert!(matches!(written.unwrap(), Written::Uncached));
    plan.clear();
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("new"));
    advance(Duration::from_secs(16)).await;
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_cached_although_the_answer_was_lost_is_taken_back() {
    let (store, plan) = (Arc::new(MemoryStore::new()), FaultPlan::new());
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let cache = builder(Arc::new(Faults::new(shared, &plan)))
        .build()
        .unwrap();
    plan.add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout)).nth(1));
    let enqueue = |_, _| async move { Err(io::Error::other("never asked")) };
    let written = cache
        .write_queued(tree(), "new".to_owned(), &options(), enqueue)
        .await;
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(!error.may_have_applied());
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
}
