//! The byte budget: what goes, what stays, and what is refused.

use bytes::Bytes;

use super::{key, numbered, used, volatile};
use crate::{
    ErrorKind, Expiration, ExpireChange, KeyExpiry, MemoryStore, SetOptions, Store, StoreExt,
};
use cachekit_keys::Ttl;
use std::time::Duration;

const BUDGET: u64 = 100_000;

fn persistent() -> SetOptions {
    SetOptions::new(Expiration::Never)
}

fn bounded() -> MemoryStore {
    MemoryStore::builder().byte_budget(BUDGET).build()
}

fn kilobyte() -> Bytes {
    Bytes::from(vec![0; 1_000])
}

#[tokio::test]
async fn the_budget_is_kept_while_ten_times_as_much_is_written() {
    let store = bounded();
    for number in 0..1_000 {
        assert!(
            store
                .set(&numbered(number), kilobyte(), volatile())
                .await
                .unwrap()
        );
        assert!(used(&store).await <= BUDGET);
    }
    let kept = store.server_facts().await.unwrap().keys;
    assert!((80..=90).contains(&kept), "{kept} of about 86 that fit");
}

#[tokio::test]
async fn what_is_used_outlives_what_is_not() {
    let store = bounded();
    let hot: Vec<_> = (0..10).map(|number| key(format!("hot:{number}"))).collect();
    for name in &hot {
        store.set(name, kilobyte(), volatile()).await.unwrap();
    }
    for number in 0..1_000 {
        store.get_many(&hot).await.unwrap();
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    assert!(
        store
            .get_many(&hot)
            .await
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
}

#[tokio::test]
async fn entries_without_a_ttl_are_never_evicted() {
    let store = bounded();
    for number in 0..40 {
        store
            .set(&key(format!("kept:{number}")), kilobyte(), persistent())
            .await
            .unwrap();
    }
    for number in 0..500 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    for number in 0..40 {
        assert!(
            store.exists(&key(format!("kept:{number}"))).await.unwrap(),
            "{number}"
        );
    }
}

#[tokio::test]
async fn a_write_without_room_fails_and_evicts_nothing() {
    let store = bounded();
    for number in 0..70 {
        store
            .set(&numbered(number), kilobyte(), persistent())
            .await
            .unwrap();
    }
    store
        .set(&key("volatile"), kilobyte(), volatile())
        .await
        .unwrap();
    let before = used(&store).await;
    let error = store
        .set(&key("big"), vec![0; 50_000].into(), volatile())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::OutOfMemory, false)
    );
    assert_eq!(used(&store).await, before);
    assert!(store.exists(&key("volatile")).await.unwrap());
}

#[tokio::test]
async fn a_batch_without_room_for_one_writes_the_others_and_says_so() {
    let store = bounded();
    let items = [
        crate::SetItem::new(key("a"), "1", volatile()),
        crate::SetItem::new(key("big"), vec![0; 200_000], volatile()),
        crate::SetItem::new(key("b"), "2", volatile()),
    ];
    let error = store.set_many(&items).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::OutOfMemory, true)
    );
    assert!(store.exists(&key("a")).await.unwrap() && store.exists(&key("b")).await.unwrap());
    assert!(!store.exists(&key("big")).await.unwrap());
}

#[tokio::test]
async fn overwriting_in_a_full_store_needs_only_the_difference() {
    let store = bounded();
    let big = || Bytes::from(vec![0; 90_000]);
    store.set(&key("big"), big(), persistent()).await.unwrap();
    assert!(store.set(&key("big"), big(), persistent()).await.unwrap());
    assert!(used(&store).await <= BUDGET);
}

#[tokio::test(start_paused = true)]
async fn overwriting_does_not_evict_the_entry_whose_ttl_it_keeps() {
    let store = bounded();
    store
        .set(&key("big"), vec![0; 60_000].into(), volatile())
        .await
        .unwrap();
    for number in 0..30 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    store
        .set(
            &key("big"),
            vec![0; 90_000].into(),
            SetOptions::new(Expiration::Keep),
        )
        .await
        .unwrap();
    assert_eq!(
        store.expiry(&key("big")).await.unwrap(),
        KeyExpiry::In(Duration::from_secs(3600))
    );
}

#[tokio::test]
async fn a_condition_that_fails_evicts_nothing() {
    let store = bounded();
    for number in 0..80 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    let before = used(&store).await;
    let update = volatile().with_condition(crate::Condition::IfPresent);
    assert!(
        !store
            .set(&key("absent"), vec![0; 80_000].into(), update)
            .await
            .unwrap()
    );
    assert_eq!(used(&store).await, before);
}

#[tokio::test]
async fn persisting_an_entry_protects_it() {
    let store = bounded();
    store.set(&key("k"), kilobyte(), volatile()).await.unwrap();
    store
        .expire(&[key("k")], ExpireChange::Never)
        .await
        .unwrap();
    for number in 0..500 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    assert!(store.exists(&key("k")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_books_are_level_after_everything_is_gone() {
    let store = bounded();
    for number in 0..300 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
        store
            .increment_one(&key(format!("c:{number}")), 1, Ttl::seconds(60))
            .await
            .unwrap();
    }
    store
        .expire(&[key("c:299")], ExpireChange::Never)
        .await
        .unwrap();
    let names: Vec<_> = (0..300)
        .flat_map(|number| [numbered(number), key(format!("c:{number}"))])
        .collect();
    store.delete(&names).await.unwrap();
    assert_eq!(used(&store).await, 0);
    assert!(store.keyspace().budget.can_be_kept(0));
}

#[tokio::test]
async fn an_unbounded_store_evicts_nothing() {
    let store = MemoryStore::builder().unbounded().build();
    for number in 0..1_000 {
        store
            .set(&numbered(number), kilobyte(), volatile())
            .await
            .unwrap();
    }
    let facts = store.server_facts().await.unwrap();
    assert_eq!((facts.keys, facts.max_memory), (1_000, 0));
}
