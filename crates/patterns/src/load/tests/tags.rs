//! Tags that only the loader names.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use cachekit_keys::{KeyPath, ProjectKey, Tag};
use cachekit_store::{ErrorKind, MemoryStore};
use tokio::time::advance;

use super::support::{Origins, Trees, builder, cache, invalidation, project, secs, settle, tree};
use crate::{Cached, LoadOptions, Loaded, Origin, WriteOptions};

fn author(id: u32) -> Tag {
    Tag::new(format!("author-{id}")).unwrap()
}

/// In memory, and in memory as on a cluster, where indices lie in other slots.
fn stores() -> [Arc<MemoryStore>; 2] {
    let clustered = MemoryStore::builder().clustered(true).build();
    [Arc::default(), Arc::new(clustered)]
}

/// Loads with a tag that was not known before.
async fn load(cache: &Trees, origin: &Origins, gated: bool) -> Cached<String> {
    let loading = match gated {
        true => origin.gated()(),
        false => origin.now()(),
    };
    let loader =
        || async { Ok::<_, io::Error>(Loaded::value(loading.await?).with_tags([author(42)])) };
    cache.fetch(&tree(), loader).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_loader_tags_is_found_by_its_tag() {
    for store in stores() {
        let (cache, origin) = (cache(&store), Origins::default());
        assert_eq!(load(&cache, &origin, false).await.origin, Origin::Loaded);
        assert_eq!(load(&cache, &origin, false).await.origin, Origin::Fresh);
        let all = invalidation(&store);
        assert_eq!(all.invalidate_tag(&author(7)).await.unwrap(), 0);
        assert_eq!(all.invalidate_tag(&author(42)).await.unwrap(), 1);
        assert_eq!(cache.get(&tree()).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_by_such_a_tag_during_its_load_does_not_come_back() {
    for store in stores() {
        let (loading, other, origin) = (cache(&store), cache(&store), Origins::default());
        let (starter, source) = (loading.clone(), origin.clone());
        let first = tokio::spawn(async move { load(&starter, &source, true).await });
        origin.began().await;
        advance(secs(3)).await;
        origin.change();
        invalidation(&store)
            .invalidate_tag(&author(42))
            .await
            .unwrap();
        let late = [loading.clone(), other.clone()].map(|cache| {
            let source = origin.clone();
            tokio::spawn(async move { load(&cache, &source, false).await })
        });
        settle().await;
        // What is loaded within the very moment of an invalidation is not stored either.
        advance(Duration::from_millis(10)).await;
        origin.open();
        assert_eq!(
            first.await.unwrap().value.as_deref(),
            Some("v0"),
            "it began before"
        );
        for caller in late {
            assert_eq!(caller.await.unwrap().value.as_deref(), Some("v1"));
        }
        assert_eq!(other.get(&tree()).await.unwrap().as_deref(), Some("v1"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_before_the_load_does_not_concern_it() {
    for store in stores() {
        let (cache, origin) = (cache(&store), Origins::default());
        invalidation(&store)
            .invalidate_tag(&author(42))
            .await
            .unwrap();
        advance(secs(1)).await;
        assert_eq!(load(&cache, &origin, false).await.origin, Origin::Loaded);
        assert_eq!(load(&cache, &origin, false).await.origin, Origin::Fresh);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_took_longer_than_invalidations_are_remembered_is_not_stored() {
    for store in stores() {
        let cache = builder(&store).hard_timeout(secs(10_000)).build().unwrap();
        let origin = Origins::default();
        let (starter, source) = (cache.clone(), origin.clone());
        let first = tokio::spawn(async move { load(&starter, &source, true).await });
        origin.began().await;
        for _ in 0..3_601 {
            advance(secs(1)).await;
            settle().await;
        }
        origin.open();
        assert_eq!(first.await.unwrap().value.as_deref(), Some("v0"));
        assert_eq!(cache.get(&tree()).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_tags_are_a_mistake_of_the_program() {
    let store = Arc::default();
    let cache = cache(&store);
    let tags: Vec<Tag> = (0..).map(author).take(WriteOptions::MAX_TAGS).collect();
    let options = LoadOptions::new().with_tags([author(1_000)]);
    let loader = |_| async { Ok::<_, io::Error>(Loaded::value("v0".to_owned()).with_tags(tags)) };
    let refused = cache.fetch_with(&tree(), &options, loader).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
    assert_eq!(
        load(&cache, &Origins::default(), false).await.origin,
        Origin::Loaded
    );
}

#[tokio::test(start_paused = true)]
async fn each_of_many_keys_may_have_tags_of_its_own() {
    for store in stores() {
        let cache = cache(&store);
        let key = |n| ProjectKey::new(project(), KeyPath::new(format!("n:{n}")).unwrap());
        let keys: Vec<ProjectKey> = (0..4).map(key).collect();
        let clearing = invalidation(&store);
        let loader = move |missing: Vec<ProjectKey>| {
            let clearing = clearing.clone();
            async move {
                // In mid-load.
                clearing.invalidate_tag(&author(1)).await?;
                let tagged =
                    |(n, key)| (key, Loaded::value(format!("v{n}")).with_tags([author(n)]));
                let values = (0..).zip(missing).map(tagged);
                Ok::<_, cachekit_store::Error>(values.collect::<HashMap<_, _>>())
            }
        };
        let values = cache.get_or_load_many(&keys, loader).await.unwrap();
        assert!(values.iter().all(Result::is_ok));
        let stored = cache.get_many(&keys).await.unwrap();
        let stored: Vec<bool> = stored.iter().map(Option::is_some).collect();
        assert_eq!(stored, [true, false, true, true]);
        assert_eq!(
            invalidation(&store)
                .invalidate_tag(&author(3))
                .await
                .unwrap(),
            1
        );
        assert!(cache.get(&keys[3]).await.unwrap().is_none());
    }
}
