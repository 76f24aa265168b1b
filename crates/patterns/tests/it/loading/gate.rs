//! No stale fill, over two connections to a real server.

use bytes::Bytes;
use cachekit_keys::{ProjectKey, Ttl};
use cachekit_patterns::{CacheBuilder, Lookup, WriteOptions};
use cachekit_store::StoreExt;
use cachekit_testkit::server::{Deployment, Form, Kind, Server, SharedServer};
use futures_util::future::join_all;

use super::support::{Origins, Process, project, random_schema, tag, tree};

#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Set,
    Remove,
    Owner,
    Project,
    Tag,
    Pattern,
    Foreign,
}

impl Way {
    pub(super) const ALL: [Self; 7] = [
        Self::Set,
        Self::Remove,
        Self::Owner,
        Self::Project,
        Self::Tag,
        Self::Pattern,
        Self::Foreign,
    ];
}

pub(super) async fn invalidate(way: Way, by: &Process) {
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

/// Entries stay readable when they are no longer fresh.
pub(super) fn stale(cache: CacheBuilder<ProjectKey, String>) -> CacheBuilder<ProjectKey, String> {
    cache.stale_for(Ttl::seconds(600))
}

/// Two processes, one that loads and one that invalidates.
async fn gate(url: &str, way: Way, has_value: bool, rounds: u32) {
    let schema = random_schema();
    let start = || Process::start_with(url, &schema, stale);
    let (loading, writing) = tokio::join!(start(), start());
    for round in 0..rounds {
        let what = format!("{way:?}, a value: {has_value}, round {round}");
        if has_value {
            leave_stale(&loading).await;
        } else {
            writing.cache.remove(&tree()).await.unwrap();
        }
        one_round(&loading, &writing, way, &what).await;
    }
}

/// Leaves a value that is past its fresh time.
pub(super) async fn leave_stale(process: &Process) {
    let options = WriteOptions::new().with_ttl(Ttl::from_millis(1).unwrap());
    let value = "older".to_owned();
    let written = process.cache.set_with(&tree(), &value, &options).await;
    assert!(written.unwrap());
    while !matches!(
        process.cache.lookup(&tree()).await.unwrap(),
        Lookup::Stale(_)
    ) {}
}

async fn one_round(loading: &Process, writing: &Process, way: Way, what: &str) {
    let origin = Origins::new();
    let (cache, loader) = (loading.cache.clone(), origin.clone());
    let first = tokio::spawn(async move { cache.fetch(&tree(), || loader.gated()).await });
    origin.began().await;
    origin.change();
    invalidate(way, writing).await;
    let late = [loading, writing].map(|process| {
        let (cache, loader) = (process.cache.clone(), origin.clone());
        tokio::spawn(async move { cache.fetch(&tree(), || loader.at_once()).await })
    });
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
    let again = origin.clone().at_once();
    let left = writing.cache.fetch(&tree(), || again).await;
    assert_eq!(
        left.unwrap().value.as_deref(),
        Some("v1"),
        "{what}: nothing stale stays"
    );
}

/// All ways at once, with and without a value; a server answers while others think.
async fn every_way(url: &str, rounds: u32) {
    let all = Way::ALL.into_iter().flat_map(|way| {
        let url = url.to_owned();
        [false, true].map(|has_value| {
            let url = url.clone();
            tokio::spawn(async move { gate(&url, way, has_value, rounds).await })
        })
    });
    for done in join_all(all).await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_invalidated_while_another_process_loads_it_does_not_come_back() {
    // A server of its own, because a deletion by pattern walks over everybody's keys.
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    every_way(&server.url(), 500).await; // of each kind a thousand
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_on_a_cluster() {
    let cluster = Deployment::new(Kind::Redis7, Form::Cluster);
    let Some(server) = SharedServer::of(cluster).await.unwrap() else {
        return;
    };
    every_way(server.url(), 15).await;
}
