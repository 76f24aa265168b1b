//! Servers that freeze, die and forget in the midst of it all.

use std::time::{Duration, Instant};

use cachekit_patterns::Origin;
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use futures_util::future::join_all;

use super::support::{Origins, Process, random_schema, tree};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_frozen_the_origin_answers_with_one_load_for_all_who_wait() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let process = Process::start_impatient(&server.url(), &random_schema()).await;
    let origin = Origins::new();
    server.pause().await.unwrap();
    let start = Instant::now();
    let calls = (0..100).map(|_| {
        let (cache, loader) = (process.cache.clone(), origin.clone());
        tokio::spawn(async move {
            let loader = || loader.after(Duration::from_secs(2));
            cache.fetch(&tree(), loader).await.unwrap()
        })
    });
    for cached in join_all(calls).await {
        assert_eq!(cached.unwrap().origin, Origin::Uncached);
    }
    assert_eq!(origin.calls(), 1);
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );

    server.resume().await.unwrap();
    let start = Instant::now();
    loop {
        let loading = origin.clone().after(Duration::ZERO);
        let loader = || loading;
        let cached = process.cache.fetch(&tree(), loader).await.unwrap();
        if cached.origin == Origin::Fresh {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{cached:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_load_costs_nobody_the_answer() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let process = Process::start_impatient(&server.url(), &random_schema()).await;
    let origin = Origins::new();
    let (cache, loader) = (process.cache.clone(), origin.clone());
    let first = tokio::spawn(async move { cache.fetch(&tree(), || loader.gated()).await });
    origin.began().await;
    let joined = (0..20).map(|_| {
        let (cache, loader) = (process.cache.clone(), origin.clone());
        tokio::spawn(async move {
            cache
                .fetch(&tree(), || loader.after(Duration::from_secs(1)))
                .await
        })
    });
    let joined: Vec<_> = joined.collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.kill().await.unwrap();
    origin.open();
    assert_eq!(first.await.unwrap().unwrap().origin, Origin::Uncached);
    for cached in join_all(joined).await {
        assert_eq!(cached.unwrap().unwrap().origin, Origin::Uncached);
    }
    assert_eq!(
        origin.calls(),
        2,
        "one load more, for those who could not be given the first"
    );

    server.restart().await.unwrap();
    let start = Instant::now();
    loop {
        let loading = origin.clone().after(Duration::ZERO);
        let loader = || loading;
        let cached = process.cache.fetch(&tree(), loader).await.unwrap();
        if cached.origin == Origin::Fresh {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{cached:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_flushed_in_mid_load_keeps_nothing_of_it() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let process = Process::start_impatient(&server.url(), &random_schema()).await;
    let origin = Origins::new();
    let (cache, loader) = (process.cache.clone(), origin.clone());
    let first = tokio::spawn(async move { cache.fetch(&tree(), || loader.gated()).await });
    origin.began().await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["FLUSHALL"]).unwrap();
    origin.change();
    origin.open();
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.value.as_deref(), Some("v0"));
    let loading = origin.clone().after(Duration::ZERO);
    let loader = || loading;
    let next = process.cache.fetch(&tree(), loader).await.unwrap();
    assert_eq!(
        (next.origin, next.value.as_deref()),
        (Origin::Loaded, Some("v1"))
    );
}
