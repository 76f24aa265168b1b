//! Stores that fail half-way, callers that go away, and stores without scripts.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_keys::KeySchema;
use cachekit_patterns::WriteOptions;
use cachekit_store::{Error, ErrorKind, Store};

use crate::{
    hooked::Hooked,
    support::{Bed, everywhere, session_id, tag_of},
};

/// Lets `count` calls of this name pass, and fails those behind them before they reach the store.
fn failing_after(store: &Arc<dyn Store>, operation: &'static str, count: usize) -> Arc<dyn Store> {
    let left = Arc::new(AtomicUsize::new(count));
    Arc::new(Hooked::new(Arc::clone(store), move |called| {
        let take = |left: usize| left.checked_sub(1);
        let passes = called != operation
            || left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok();
        future::ready(match passes {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Unavailable, operation)),
        })
    }))
}

fn values(count: u32) -> Vec<(String, u32)> {
    (0..count).map(|n| (format!("n{n}"), n)).collect()
}

#[tokio::test]
async fn a_clearing_that_fails_says_whether_something_is_gone_and_can_be_repeated() {
    everywhere(|bed| async move {
        for (operation, passing, applied) in [
            ("index_page", 0, false),
            ("index_page", 1, true),
            ("index_page", 2, true),
        ] {
            bed.session("a").set_many(&values(2_500)).await.unwrap();
            let failing = bed.through(failing_after(&bed.store, operation, passing));
            let error = failing.session("a").clear().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.may_have_applied(), applied, "{bed:?} {passing}");
            let left = 2_500 - 1_000 * passing as u64;
            assert_eq!(bed.session("a").clear().await.unwrap(), left, "{bed:?}");
            assert!(bed.names().await.is_empty(), "{bed:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn across_slots_members_are_kept_until_their_values_are_gone() {
    for (operation, passing, applied, left) in
        [("lease_remove", 0, false, 20), ("index_forget", 0, true, 0)]
    {
        let bed = Bed::cluster(KeySchema::plain());
        bed.session("a").set_many(&values(20)).await.unwrap();
        let failing = bed.through(failing_after(&bed.store, operation, passing));
        let error = failing.session("a").clear().await.unwrap_err();
        assert_eq!(error.may_have_applied(), applied, "{operation}");
        let root = bed.schema.session_root(&session_id("a"));
        assert_eq!(bed.members(&root).await.len(), 20, "{operation}");
        assert_eq!(bed.session("a").clear().await.unwrap(), left, "{operation}");
        assert!(bed.members(&root).await.is_empty(), "{operation}");
    }
}

#[tokio::test]
async fn across_slots_a_write_that_fails_says_whether_its_value_is_there() {
    for (passing, applied) in [(0, false), (1, true)] {
        let bed = Bed::cluster(KeySchema::plain());
        let failing = bed.through(failing_after(&bed.store, "index_note", passing));
        let session = failing.session("a");
        let error = session.set("x", &1).await.unwrap_err();
        assert_eq!(
            error.may_have_applied(),
            applied,
            "before or after the value"
        );
        let found = bed.session("a").get::<u32>("x").await.unwrap();
        assert_eq!(found.is_some(), applied);
        // What is there is listed.
        assert_eq!(bed.session("a").clear().await.unwrap(), u64::from(applied));

        let failing = bed.through(failing_after(&bed.store, "index_note", passing));
        let error = failing.session("a").set_many(&values(3)).await.unwrap_err();
        assert_eq!(error.may_have_applied(), applied);
        let there = if applied { 3 } else { 0 };
        assert_eq!(bed.session("a").clear().await.unwrap(), there);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_value_unlisted() {
    everywhere(|bed| async move {
        for held in [
            "index_page",
            "index_clear",
            "delete",
            "index_forget",
            "index_note",
            "set",
        ] {
            let hooked = Hooked::new(Arc::clone(&bed.store), move |operation| async move {
                if operation == held {
                    future::pending::<()>().await;
                }
                Ok(())
            });
            let stuck = bed.through(Arc::new(hooked)).session("a");
            bed.session("a").set_many(&values(20)).await.unwrap();
            let moment = Duration::from_millis(20);
            let _ = tokio::time::timeout(moment, stuck.set("late", &1)).await;
            let _ = tokio::time::timeout(moment, stuck.clear()).await;
            bed.session("a").clear().await.unwrap();
            assert!(bed.names().await.is_empty(), "{bed:?} {held}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_without_scripts_clears_by_pattern_and_refuses_tags() {
    let bed = Bed::memory();
    let hooked = Arc::new(Hooked::watching(Arc::clone(&bed.store)).without_scripts());
    let plain = bed.through(Arc::clone(&hooked) as _);
    let session = plain.session("a");
    session.set("x", &1).await.unwrap();
    session.set_many(&[("y", 1), ("z", 2)]).await.unwrap();
    plain
        .project("p")
        .set_analysis("fn main() {}", &1)
        .await
        .unwrap();
    plain.project("p").set("file_tree", &1).await.unwrap();
    assert_eq!(hooked.take_calls(), ["set", "set_many", "set", "set"]);
    assert_eq!(session.clear().await.unwrap(), 3);
    assert_eq!(plain.project("p").clear_analyses().await.unwrap(), 1);
    assert_eq!(plain.project("p").clear_exhaustive().await.unwrap(), 1);
    assert!(!hooked.take_calls().contains(&"index_page"));

    let tagged = WriteOptions::new().with_tags([tag_of("t")]);
    let refused = session.set_with("x", &1, &tagged).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let invalidation = plain.levels.invalidation();
    let refused = invalidation.invalidate_tag(&tag_of("t")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(hooked.take_calls().is_empty());
}
