//! Whatever a loader may answer, on a real server and on a cluster.

use std::{io, time::Duration};

use cachekit_keys::Ttl;
use cachekit_patterns::{LoadContext, LoadOptions, Loaded, Origin};
use cachekit_store::{ErrorKind, KeyExpiry, StoreExt};
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};

use super::{
    gate::{leave_stale, stale},
    support::{Origins, Process, random_schema, tree},
};

/// Two processes of a fleet, and the server, which ends with its handle.
async fn fleet(form: Form) -> Option<(SharedServer, [Process; 2])> {
    let server = SharedServer::of(Deployment::new(Kind::Redis7, form))
        .await
        .unwrap()?;
    let schema = random_schema();
    let start = || Process::start_with(server.url(), &schema, stale);
    let (one, other) = tokio::join!(start(), start());
    Some((server, [one, other]))
}

async fn not_modified_keeps_the_value(form: Form) {
    let Some((_server, [here, there])) = fleet(form).await else {
        return;
    };
    leave_stale(&here).await;
    let same = |load: LoadContext<String>| async move {
        assert_eq!(load.stale().map(String::as_str), Some("older"));
        Ok::<_, io::Error>(Loaded::not_modified())
    };
    let options = LoadOptions::new();
    let cached = here
        .cache
        .fetch_with(&tree(), &options, same)
        .await
        .unwrap();
    assert_eq!(
        (cached.origin, cached.value.as_deref()),
        (Origin::Loaded, Some("older"))
    );
    let found = there.cache.get(&tree()).await.unwrap();
    assert_eq!(found.as_deref(), Some("older"), "it is fresh again");

    there.cache.remove(&tree()).await.unwrap();
    let nothing = |load: LoadContext<String>| async move {
        assert!(load.stale().is_none());
        Ok::<_, io::Error>(Loaded::not_modified())
    };
    let error = here.cache.fetch_with(&tree(), &options, nothing).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::LoadFailed);
}

async fn what_is_not_to_be_stored_is_shared_in_its_process(form: Form) {
    let Some((_server, [here, there])) = fleet(form).await else {
        return;
    };
    let origin = Origins::new();
    let load = |process: &Process| {
        let (cache, loader) = (process.cache.clone(), origin.clone());
        tokio::spawn(async move {
            let loader = || async move { loader.gated().await.map(Loaded::uncached) };
            cache.fetch(&tree(), loader).await.unwrap()
        })
    };
    let (first, second) = (load(&here), load(&here));
    origin.began().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    origin.open();
    for call in [first, second] {
        let cached = call.await.unwrap();
        assert_eq!(
            (cached.origin, cached.value.as_deref()),
            (Origin::Uncached, Some("v0"))
        );
    }
    assert_eq!(origin.calls(), 1);
    assert!(!there.store.exists(&there.stored).await.unwrap());
    // Its lease is free.
    let next = load(&there);
    origin.open();
    assert_eq!(next.await.unwrap().origin, Origin::Uncached);
}

async fn the_loader_chooses_the_lifetime(form: Form) {
    let Some((_server, [here, there])) = fleet(form).await else {
        return;
    };
    let loader = || async {
        let loaded = Loaded::value("brief".to_owned()).with_ttl(Ttl::seconds(100));
        Ok::<_, io::Error>(loaded)
    };
    here.cache.fetch(&tree(), loader).await.unwrap();
    let KeyExpiry::In(left) = there.store.expiry(&there.stored).await.unwrap() else {
        panic!("it lives for some time");
    };
    // And ten minutes more, for which it may be served stale.
    let life = Duration::from_secs(100 + 600);
    assert!(
        left <= life && left > life - Duration::from_secs(60),
        "{left:?}"
    );
}

async fn that_there_is_none_is_known_to_all(form: Form) {
    let Some((_server, fleet)) = fleet(form).await else {
        return;
    };
    let origin = Origins::new();
    for process in &fleet {
        let loader = origin.clone().at_once();
        let loader = || async { loader.await.map(|_| None::<String>) };
        let cached = process.cache.fetch(&tree(), loader).await.unwrap();
        assert!(cached.is_negative());
        let loader = || async { Ok::<_, io::Error>("never asked".to_owned()) };
        let error = process
            .cache
            .get_or_load(&tree(), loader)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_loader_answers_holds_on_a_server() {
    every_answer(Form::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_loader_answers_holds_on_a_cluster() {
    every_answer(Form::Cluster).await;
}

async fn every_answer(form: Form) {
    tokio::join!(
        not_modified_keeps_the_value(form),
        what_is_not_to_be_stored_is_shared_in_its_process(form),
        the_loader_chooses_the_lifetime(form),
        that_there_is_none_is_known_to_all(form),
    );
}
