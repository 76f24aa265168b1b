//! No stale fill: whatever was invalidated while it was being loaded stays so.

use std::{collections::HashMap, io, sync::Arc};

use bytes::Bytes;
use cachekit_keys::{KeySchema, Tag, Ttl};
use cachekit_store::{Fault, FaultPlan, FaultRule, MemoryStore, Store, StoreExt};
use tokio::time::advance;

use super::support::{
    Origins, Trees, builder, cache, faulty, invalidation, old, project, secs, settle, stored, tag,
    tree,
};
use crate::{Cache, Invalidation, LoadContext, LoadOptions, Loaded, Origin};

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

/// Clears by pattern while something is loaded that is not stored, and sees what a caller is given that comes afterwards.
async fn late_caller(clustered: bool, too_large: bool) -> Option<String> {
    let store = MemoryStore::builder().clustered(clustered);
    let store = Arc::new(store.max_value_size(100).build());
    let (cache, origin) = (cache(&store), Origins::default());
    let not_stored = move |text: String| match too_large {
        true => Loaded::value(text + &" ".repeat(200)),
        false => Loaded::uncached(text),
    };
    let (starter, loader) = (cache.clone(), origin.gated());
    let loader = move || async move { loader().await.map(not_stored) };
    let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await.unwrap() });
    origin.began().await;
    origin.change();
    let all = invalidation(&store);
    all.delete_by_pattern("project:proj456:*").await.unwrap();
    let loader = origin.now();
    let loader = move || async move { loader().await.map(not_stored) };
    let late = tokio::spawn(async move { cache.fetch(&tree(), loader).await.unwrap() });
    settle().await;
    origin.open();
    let first = first.await.unwrap().value.unwrap();
    assert_eq!(first.trim(), "v0", "it began before");
    let late = late.await.unwrap().value;
    late.map(|text| text.trim().to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_not_given_to_who_comes_after_a_clearing_by_pattern() {
    for (clustered, too_large) in [(false, false), (false, true), (true, false), (true, true)] {
        let late = late_caller(clustered, too_large).await;
        let what = format!("clustered {clustered}, too large {too_large}");
        assert_eq!(late.as_deref(), Some("v1"), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_not_given_to_who_comes_after_its_loaders_tag_was_invalidated() {
    let (store, origin) = (Arc::default(), Origins::default());
    let (cache, all) = (cache(&store), invalidation(&store));
    let named = Tag::new("named-by-the-loader").unwrap();
    let tagged = |text: String| {
        let tags = [Tag::new("named-by-the-loader").unwrap()];
        Loaded::uncached(text).with_tags(tags)
    };
    let (starter, loader) = (cache.clone(), origin.gated());
    let loader = move || async move { loader().await.map(tagged) };
    let first = tokio::spawn(async move { starter.fetch(&tree(), loader).await.unwrap() });
    origin.began().await;
    origin.change();
    all.invalidate_tag(&named).await.unwrap();
    let loader = origin.now();
    let loader = move || async move { loader().await.map(tagged) };
    let late = tokio::spawn(async move { cache.fetch(&tree(), loader).await.unwrap() });
    settle().await;
    origin.open();
    assert_eq!(first.await.unwrap().value.as_deref(), Some("v0"));
    assert_eq!(late.await.unwrap().value.as_deref(), Some("v1"));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_before_the_lease_is_granted_is_not_kept_by_not_modified() {
    let store: Arc<MemoryStore> = Arc::default();
    let plan = FaultPlan::new();
    let build = |store: Arc<dyn Store>| {
        let builder = Cache::builder(store, KeySchema::plain()).ttl(Ttl::seconds(100));
        builder.stale_for(Ttl::seconds(1_000)).build().unwrap()
    };
    let slow: Trees = build(faulty(&store, &plan));
    let other: Trees = build(store);
    for many in [false, true] {
        old(&slow).await;
        advance(secs(150)).await;
        plan.add(
            FaultRule::new(Fault::Delay(secs(1)))
                .on("lease_take")
                .times(1),
        );
        let cache = slow.clone();
        let call = tokio::spawn(async move {
            if many {
                let loader = |keys: Vec<_>| async move {
                    let answers = keys.into_iter().map(|key| (key, Loaded::not_modified()));
                    Ok::<_, io::Error>(answers.collect::<HashMap<_, _>>())
                };
                let answers = cache.get_or_load_many(&[tree()], loader).await.unwrap();
                return answers.into_iter().next().unwrap();
            }
            let loader = |load: LoadContext<String>| async move {
                Ok::<_, io::Error>(match load.stale() {
                    Some(_) => Loaded::not_modified(),
                    None => Loaded::value("new".to_owned()),
                })
            };
            cache.fetch_with(&tree(), &LoadOptions::new(), loader).await
        });
        settle().await;
        assert!(other.remove(&tree()).await.unwrap());
        let _ = call.await.unwrap();
        let left = other.get(&tree()).await.unwrap();
        assert_eq!(left.as_deref(), (!many).then_some("new"), "many: {many}");
        other.remove(&tree()).await.unwrap();
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
