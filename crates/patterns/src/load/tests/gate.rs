//! No stale fill: whatever was invalidated while it was being loaded stays so.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_keys::Ttl;
use cachekit_store::{MemoryStore, StoreExt};
use tokio::time::advance;

use super::support::{
    Origins, Trees, builder, invalidation, old, project, secs, settle, stored, tag, tree,
};
use crate::{Invalidation, Origin};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Set,
    Remove,
    RemoveMany,
    Owner,
    Project,
    Tag,
    Pattern,
    Foreign,
}

const KINDS: [Kind; 8] = [
    Kind::Set,
    Kind::Remove,
    Kind::RemoveMany,
    Kind::Owner,
    Kind::Project,
    Kind::Tag,
    Kind::Pattern,
    Kind::Foreign,
];

async fn invalidate(kind: Kind, store: &MemoryStore, cache: &Trees, all: &Invalidation, new: &str) {
    match kind {
        Kind::Set => cache.set(&tree(), &new.to_owned()).await.unwrap(),
        Kind::Remove => drop(cache.remove(&tree()).await.unwrap()),
        Kind::RemoveMany => drop(cache.remove_many(&[tree()]).await.unwrap()),
        Kind::Owner => drop(all.clear_owner(&tree()).await.unwrap()),
        Kind::Project => drop(all.clear_project(&project()).await.unwrap()),
        Kind::Tag => drop(all.invalidate_tag(&tag()).await.unwrap()),
        Kind::Pattern => drop(all.delete_by_pattern("project:proj456:*").await.unwrap()),
        Kind::Foreign => {
            let text = Bytes::from(format!("\"{new}\""));
            store
                .set_ttl(&stored(), text, Ttl::seconds(60))
                .await
                .unwrap();
        }
    }
}

/// Invalidates between a loader's reading and its answer, and sees who gets what.
async fn gate(kind: Kind, has_stale: bool) {
    let (store, origin) = (Arc::default(), Origins::default());
    let build = || builder(&store).stale_for(Ttl::seconds(50)).build().unwrap();
    let (loading, writing, all) = (build(), build(), invalidation(&store));
    let what = format!("{kind:?}, a stale value: {has_stale}");
    if has_stale {
        old(&loading).await;
        advance(secs(100)).await;
    }
    let (starter, loader) = (loading.clone(), origin.gated());
    let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await.unwrap() });
    origin.began().await;
    let (joiner, loader) = (loading.clone(), origin.now());
    let joined = tokio::spawn(async move { joiner.fetch(&tree(), loader).await.unwrap() });
    settle().await;

    origin.change();
    invalidate(kind, &store, &writing, &all, "v1").await;
    let (late, loader) = (loading.clone(), origin.now());
    let late = tokio::spawn(async move { late.fetch(&tree(), loader).await.unwrap() });
    let (elsewhere, loader) = (writing.clone(), origin.now());
    let elsewhere = tokio::spawn(async move { elsewhere.fetch(&tree(), loader).await.unwrap() });
    settle().await;
    origin.open();

    let first = first.await.unwrap();
    assert_eq!(first.value.as_deref(), Some("v0"), "{what}: began before");
    for caller in [joined, late, elsewhere] {
        let cached = caller.await.unwrap();
        assert_eq!(cached.value.as_deref(), Some("v1"), "{what}: {cached:?}");
        assert_ne!(cached.origin, Origin::Stale, "{what}");
    }
    settle().await;
    let left = writing.get(&tree()).await.unwrap();
    assert_eq!(left.as_deref(), Some("v1"), "{what}: nothing stale stays");
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_while_it_is_loaded_does_not_come_back() {
    for kind in KINDS {
        for has_stale in [false, true] {
            for _ in 0..65 {
                gate(kind, has_stale).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_expires_by_itself_during_its_load_does_not_refuse_the_new_one() {
    let (store, origin) = (Arc::default(), Origins::default());
    let cache = builder(&store).stale_for(Ttl::seconds(5)).build().unwrap();
    old(&cache).await;
    advance(secs(103)).await;
    let cached = cache.fetch(&tree(), origin.after(secs(10))).await.unwrap();
    assert_eq!(cached.origin, Origin::Loaded);
    assert_eq!(cache.get(&tree()).await.unwrap().as_deref(), Some("v0"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_outlives_what_a_clearing_leaves_behind_is_not_stored() {
    let (store, origin) = (Arc::default(), Origins::default());
    let patient = builder(&store).hard_timeout(secs(200_000));
    let cache = patient.build().unwrap();
    let (starter, loader) = (cache.clone(), origin.after(secs(90_000)));
    let call = tokio::spawn(async move { starter.fetch(&tree(), loader).await });
    settle().await;
    let all = invalidation(&store);
    all.delete_by_pattern("project:proj456:*").await.unwrap();
    assert_eq!(call.await.unwrap().unwrap().value.as_deref(), Some("v0"));
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn removals_count_values_and_not_leases() {
    let (store, origin) = (Arc::default(), Origins::default());
    let (cache, all) = (builder(&store).build().unwrap(), invalidation(&store));
    for kind in 0..5 {
        let (starter, loader) = (cache.clone(), origin.gated());
        let call = tokio::spawn(async move { starter.fetch(&tree(), loader).await });
        origin.began().await;
        let removed = match kind {
            0 => u64::from(cache.remove(&tree()).await.unwrap()),
            1 => cache.remove_many(&[tree()]).await.unwrap(),
            2 => all.clear_project(&project()).await.unwrap(),
            3 => all.invalidate_tag(&tag()).await.unwrap(),
            _ => all.delete_by_pattern("project:*").await.unwrap(),
        };
        assert_eq!(removed, 0);
        origin.open();
        call.await.unwrap().unwrap();
        assert_eq!(cache.get(&tree()).await.unwrap(), None, "kind {kind}");
    }
}
