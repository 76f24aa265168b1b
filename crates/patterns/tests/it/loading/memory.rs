//! A server without memory, which refuses what writes and still removes.

use std::time::Duration;

use cachekit_patterns::Origin;
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};

use super::support::{Origins, Process, project, random_schema, tree};

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_who_comes_after_a_removal_is_not_given_what_was_loaded_before() {
    let arguments = ["--maxmemory-policy", "noeviction"];
    let Some(server) = Server::start_with(Kind::Redis7, &arguments).await.unwrap() else {
        return;
    };
    let (url, schema) = (server.url(), random_schema());
    let (here, there) = tokio::join!(Process::start(&url, &schema), Process::start(&url, &schema));
    let mut raw = RawClient::connect(&url).unwrap();
    raw.text(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    for way in 0..3 {
        let origin = Origins::new();
        let load = |process: &Process| {
            let (cache, loader) = (process.cache.clone(), origin.clone());
            tokio::spawn(async move { cache.fetch(&tree(), || loader.gated()).await.unwrap() })
        };
        let first = load(&here);
        origin.began().await;
        origin.change();
        match way {
            0 => drop(here.cache.remove(&tree()).await.unwrap()),
            1 => drop(there.cache.remove(&tree()).await.unwrap()),
            _ => drop(there.invalidation.clear_project(&project()).await.unwrap()),
        }
        let late = load(&here);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(origin.calls(), 1, "one at a time");
        origin.open();
        origin.open();
        let first = first.await.unwrap();
        assert_eq!(first.value.as_deref(), Some("v0"), "way {way}");
        let late = late.await.unwrap();
        assert_eq!(
            (late.origin, late.value.as_deref()),
            (Origin::Uncached, Some("v1")),
            "way {way}"
        );
    }
}
