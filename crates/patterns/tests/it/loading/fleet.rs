//! Several processes that want the same value, and one that is killed while it loads.

use std::{
    env,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cachekit_keys::CompanionKind;
use cachekit_store::StoreExt;
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};
use futures_util::future::join_all;

use super::support::{Origins, Process, random_schema, schema_of, tree};

const URL: &str = "CACHEKIT_IT_CHILD_URL";
const NAMESPACE: &str = "CACHEKIT_IT_CHILD_NAMESPACE";

async fn processes(count: usize, url: &str, schema: &cachekit_keys::KeySchema) -> Vec<Process> {
    join_all((0..count).map(|_| Process::start(url, schema))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stampede_over_several_processes_costs_one_load() {
    stampede(Form::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stampede_over_several_processes_of_a_cluster_costs_one_load() {
    stampede(Form::Cluster).await;
}

async fn stampede(form: Form) {
    let deployment = Deployment::new(Kind::Redis7, form);
    let Some(server) = SharedServer::of(deployment).await.unwrap() else {
        return;
    };
    let processes = processes(4, server.url(), &random_schema()).await;
    let origin = Origins::new();
    let calls = (0..400).map(|n| {
        let (cache, loader) = (processes[n % 4].cache.clone(), origin.clone());
        tokio::spawn(async move {
            let loader = || loader.after(Duration::from_millis(300));
            cache.get_or_load(&tree(), loader).await.unwrap()
        })
    });
    let start = Instant::now();
    let values = join_all(calls).await;
    assert!(values.into_iter().all(|value| value.unwrap() == "v0"));
    assert_eq!(origin.calls(), 1);
    // They are woken: who waits for the lease to end would take two seconds.
    assert!(
        start.elapsed() < Duration::from_millis(1_800),
        "{:?}",
        start.elapsed()
    );
}

/// What the killed process does.
#[tokio::test]
#[ignore = "run by another test, as a process that is killed"]
async fn child_that_loads_for_ever() {
    let (url, namespace) = (env::var(URL).unwrap(), env::var(NAMESPACE).unwrap());
    let process = Process::start(&url, &schema_of(&namespace)).await;
    let loader = || Origins::new().after(Duration::from_secs(600));
    let result = process.cache.get_or_load(&tree(), loader).await;
    panic!("it was to be killed: {result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_process_is_killed_while_it_loads_exactly_one_other_takes_over() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let namespace = format!("it{:016x}", fastrand::u64(..));
    let processes = processes(3, server.url(), &schema_of(&namespace)).await;
    let lease = processes[0].stored.companion(CompanionKind::Lease).unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "loading::fleet::child_that_loads_for_ever",
        ])
        .env(URL, server.url())
        .env(NAMESPACE, &namespace)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !processes[0].store.exists(&lease).await.unwrap() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the child never loads"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let origin = Origins::new();
    let calls: Vec<_> = (0..60)
        .map(|n| {
            let (cache, loader) = (processes[n % 3].cache.clone(), origin.clone());
            tokio::spawn(async move {
                let loader = || loader.after(Duration::from_millis(200));
                cache.get_or_load(&tree(), loader).await.unwrap()
            })
        })
        .collect();
    // Longer than its lease: it lives, and renews it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(origin.calls(), 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let values = join_all(calls).await;
    assert!(values.into_iter().all(|value| value.unwrap() == "v0"));
    assert_eq!(origin.calls(), 1);
}
