//! No stale fill, over two connections to a real server.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::Ttl;
use cachekit_store::StoreExt;
use cachekit_testkit::server::{Kind, SharedServer};

use super::support::{Origins, Process, project, random_schema, tag, tree};

#[derive(Clone, Copy, Debug)]
enum Way {
    Set,
    Remove,
    Owner,
    Project,
    Tag,
    Pattern,
    Foreign,
}

async fn invalidate(way: Way, by: &Process) {
    match way {
        Way::Set => by.cache.set(&tree(), &"v1".to_owned()).await.unwrap(),
        Way::Remove => drop(by.cache.remove(&tree()).await.unwrap()),
        Way::Owner => drop(by.invalidation.clear_owner(&tree()).await.unwrap()),
        Way::Project => drop(by.invalidation.clear_project(&project()).await.unwrap()),
        Way::Tag => drop(by.invalidation.invalidate_tag(&tag()).await.unwrap()),
        Way::Pattern => {
            let deleted = by.invalidation.delete_by_pattern("project:proj456:*").await;
            deleted.unwrap();
        }
        Way::Foreign => {
            let text = Bytes::from_static(b"\"v1\"");
            by.store
                .set_ttl(&by.stored, text, Ttl::seconds(60))
                .await
                .unwrap();
        }
    }
}

async fn gate(url: &str, way: Way, has_value: bool) {
    let schema = random_schema();
    let loading = Process::start_with(url, &schema, |cache| {
        cache
            .ttl(Ttl::from_millis(1).unwrap())
            .stale_for(Ttl::seconds(60))
    });
    let writing = Process::start_with(url, &schema, |cache| cache.stale_for(Ttl::seconds(60)));
    let (loading, writing) = tokio::join!(loading, writing);
    let origin = Origins::new();
    for round in 0..20 {
        let what = format!("{way:?}, a value: {has_value}, round {round}");
        let origin = match round {
            0 => origin.clone(),
            _ => Origins::new(),
        };
        if has_value {
            loading
                .cache
                .set(&tree(), &"older".to_owned())
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        } else {
            writing.cache.remove(&tree()).await.unwrap();
        }
        let (cache, loader) = (loading.cache.clone(), origin.clone());
        let first = tokio::spawn(async move { cache.fetch(&tree(), || loader.gated()).await });
        origin.began().await;
        origin.change();
        invalidate(way, &writing).await;
        let mut late = Vec::new();
        for process in [&loading, &writing] {
            let (cache, loader) = (process.cache.clone(), origin.clone());
            late.push(tokio::spawn(async move {
                cache.fetch(&tree(), || loader.after(Duration::ZERO)).await
            }));
        }
        origin.open();
        let first = first.await.unwrap().unwrap();
        assert_eq!(
            first.value.as_deref(),
            Some("v0"),
            "{what}: it began before"
        );
        for caller in late {
            let cached = caller.await.unwrap().unwrap();
            assert_eq!(cached.value.as_deref(), Some("v1"), "{what}: {cached:?}");
        }
        let again = origin.clone().after(Duration::ZERO);
        let left = writing.cache.fetch(&tree(), || again).await;
        assert_eq!(
            left.unwrap().value.as_deref(),
            Some("v1"),
            "{what}: nothing stale stays"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_invalidated_while_another_process_loads_it_does_not_come_back() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let ways = [
        Way::Set,
        Way::Remove,
        Way::Owner,
        Way::Project,
        Way::Tag,
        Way::Pattern,
        Way::Foreign,
    ];
    for way in ways {
        for has_value in [false, true] {
            gate(server.url(), way, has_value).await;
        }
    }
}
