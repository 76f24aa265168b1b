//! How long an index and its members live.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Ttl};
use cachekit_patterns::WriteOptions;
use cachekit_store::{KeyExpiry, MemoryStore, StoreExt};

use crate::support::{Bed, count_all, everywhere, session_id};

fn lasting(seconds: u32) -> WriteOptions {
    WriteOptions::new().with_ttl(Ttl::seconds(seconds))
}

async fn index_lives_for(bed: &Bed) -> Duration {
    let index = bed.schema.session_root(&session_id("a")).index();
    match bed.store.expiry(&index).await.unwrap() {
        KeyExpiry::In(left) => left,
        other => panic!("{bed:?}: {other:?}"),
    }
}

#[tokio::test]
async fn an_index_outlives_its_longest_member_and_is_never_shortened() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        session.set_with("short", &1, &lasting(100)).await.unwrap();
        let left = index_lives_for(&bed).await;
        assert!(left > Duration::from_secs(150), "{bed:?}: {left:?}");
        assert!(left <= Duration::from_secs(220), "{bed:?}: {left:?}");
        let values = [("long", 1), ("longer", 2)];
        session
            .set_many_with(&values, &lasting(10_000))
            .await
            .unwrap();
        session.set_with("short", &1, &lasting(100)).await.unwrap();
        session
            .set_many_with(&[("x", 1), ("y", 2)], &lasting(5))
            .await
            .unwrap();
        let left = index_lives_for(&bed).await;
        assert!(left > Duration::from_secs(10_050), "{bed:?}: {left:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn members_that_are_over_are_trimmed_by_later_writes() {
    for bed in [Bed::memory(), Bed::cluster(KeySchema::plain())] {
        let session = bed.session("a");
        let old: Vec<(String, u32)> = (0..300).map(|n| (format!("old{n}"), n)).collect();
        session.set_many_with(&old, &lasting(10)).await.unwrap();
        session
            .set_with("lasting", &1, &lasting(10_000))
            .await
            .unwrap();
        let root = bed.schema.session_root(&session_id("a"));
        // A grace after they have expired, and not before.
        tokio::time::advance(Duration::from_secs(69)).await;
        session.set_many(&[("x", 1), ("y", 2)]).await.unwrap();
        assert_eq!(bed.members(&root).await.len(), 303, "{bed:?}");
        tokio::time::advance(Duration::from_secs(2)).await;
        let new: Vec<(String, u32)> = (0..150).map(|n| (format!("new{n}"), n)).collect();
        // One batch in eight trims: that none of these does is less likely than one in 10^11.
        for _ in 0..200 {
            session.set_many(&new).await.unwrap();
        }
        assert_eq!(bed.members(&root).await.len(), 153, "{bed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn single_writes_keep_an_index_from_growing_without_end() {
    let bed = Bed::memory();
    let session = bed.session("a");
    for number in 0..3_000 {
        let name = format!("n{number}");
        session.set_with(&name, &1, &lasting(1)).await.unwrap();
        tokio::time::advance(Duration::from_millis(500)).await;
    }
    // 61 seconds' worth of writes are within life and grace.
    let members = bed
        .members(&bed.schema.session_root(&session_id("a")))
        .await;
    assert!((122..700).contains(&members.len()), "{}", members.len());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_everything_has_expired() {
    let store = Arc::new(MemoryStore::new());
    let bed = Bed::new("memory", Arc::clone(&store) as _, KeySchema::plain());
    let tagged = lasting(10).with_tags([crate::support::tag_of("t")]);
    bed.session("a").set_with("x", &1, &tagged).await.unwrap();
    bed.project("p")
        .set_analysis("fn main() {}", &1)
        .await
        .unwrap();
    assert_eq!(count_all(&store).await, 6, "two values, four indices");
    tokio::time::advance(Duration::from_secs(3_600 + 121)).await;
    assert_eq!(count_all(&store).await, 0);
}
