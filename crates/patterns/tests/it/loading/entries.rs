//! Entries that cannot be read, and loaders that cannot be trusted, with two processes on a real server.

use std::{io, time::Duration};

use bytes::Bytes;
use cachekit_codec::{Meta, ValueFormat};
use cachekit_keys::{KeyPath, ProjectKey, Ttl};
use cachekit_patterns::Origin;
use cachekit_store::{ErrorKind, Store, StoreExt};
use cachekit_testkit::server::{Kind, SharedServer};
use futures_util::future::join_all;

use super::support::{Origins, Process, project, random_schema, tree};

/// The server ends with its handle.
async fn fleet() -> Option<(SharedServer, [Process; 2])> {
    let server = SharedServer::of(Kind::Redis7).await.unwrap()?;
    let schema = random_schema();
    let start = || Process::start(server.url(), &schema);
    let (one, other) = tokio::join!(start(), start());
    Some((server, [one, other]))
}

async fn write(process: &Process, bytes: Bytes) {
    let written = process
        .store
        .set_ttl(&process.stored, bytes, Ttl::seconds(60));
    written.await.unwrap();
}

/// An entry as a later version of this program may write it.
fn newer() -> Bytes {
    let meta = Meta::default().with_created_at(1);
    let mut entry = ValueFormat::json().encode("newer", &meta).unwrap().to_vec();
    entry[2] = 99; // the version
    entry.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_damaged_or_of_another_program_is_healed_by_one_load() {
    let Some((_server, fleet)) = fleet().await else {
        return;
    };
    let truncated = newer().slice(..2);
    for bytes in ["{\"half\":", "4711", "\u{0}\u{1}", ""]
        .map(Bytes::from)
        .into_iter()
        .chain([truncated])
    {
        write(&fleet[0], bytes.clone()).await;
        let origin = Origins::new();
        let wanted = tree();
        let calls = (0..20).map(|n| {
            let loader = origin.clone().after(Duration::from_millis(50));
            fleet[n % 2].cache.get_or_load(&wanted, || loader)
        });
        for value in join_all(calls).await {
            assert_eq!(value.unwrap(), "v0", "{bytes:?}");
        }
        assert_eq!(origin.calls(), 1, "{bytes:?}");
        let healed = fleet[1].store.get(&fleet[1].stored).await.unwrap();
        assert_eq!(healed.as_deref(), Some(&b"\"v0\""[..]));
    }
    let corrupt: u64 = fleet.iter().map(|one| one.cache.counts().corrupt).sum();
    assert!(corrupt >= 5, "{corrupt} counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_a_newer_version_is_left_alone_by_the_fleet() {
    let Some((_server, fleet)) = fleet().await else {
        return;
    };
    write(&fleet[0], newer()).await;
    let origin = Origins::new();
    for process in &fleet {
        let loader = origin.clone().at_once();
        let cached = process.cache.fetch(&tree(), || loader).await.unwrap();
        assert_eq!(
            (cached.value.as_deref(), cached.origin),
            (Some("v0"), Origin::Uncached)
        );
        assert_eq!(process.cache.counts().newer, 1);
    }
    let left = fleet[0].store.get(&fleet[0].stored).await.unwrap();
    assert_eq!(left, Some(newer()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_panics_fails_its_callers_and_nobody_else() {
    let Some((_server, [here, there])) = fleet().await else {
        return;
    };
    let panics = || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        panic!("no") as io::Result<String>
    };
    let first = tokio::spawn({
        let cache = here.cache.clone();
        async move { cache.get_or_load(&tree(), panics).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let origin = Origins::new();
    let other = ProjectKey::new(project(), KeyPath::new("other").unwrap());
    let (loader, its_own) = (origin.clone().at_once(), origin.clone().at_once());
    let wanted = tree();
    let (elsewhere, unconcerned) = tokio::join!(
        there.cache.get_or_load(&wanted, || loader),
        here.cache.get_or_load(&other, || its_own),
    );
    assert_eq!(elsewhere.unwrap(), "v0", "it loads for itself");
    assert_eq!(unconcerned.unwrap(), "v0");
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadFailed);
    let loader = origin.clone().at_once();
    assert_eq!(
        here.cache.get_or_load(&tree(), || loader).await.unwrap(),
        "v0"
    );
    assert_eq!(origin.calls(), 2);
}
