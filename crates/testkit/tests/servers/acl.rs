//! The rights that the kit needs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cachekit_store::{RedisStore, Store};
use cachekit_testkit::{
    RawClient, RawReply,
    conformance::{self, RedisSubject, Subject},
    server::{
        ClusterServer, Kind, Server,
        acl::{self, AclUser},
    },
};
use tokio::task::JoinSet;

use crate::Outcome;

/// The keys of the conformance cases.
const KEYS: &[&str] = &["t*"];

async fn conformance_as(user: &AclUser, url: &str) -> cachekit_store::Result<usize> {
    let builder = RedisStore::builder(url).user(user.name(), user.password());
    let subject = RedisSubject::new(builder, url).await?;
    Ok(conformance::run(Arc::new(subject)).await)
}

/// Whether the user cannot connect, or fails in some case.
async fn is_stopped(user: &AclUser, url: &str) -> bool {
    let builder = RedisStore::builder(url).user(user.name(), user.password());
    let Ok(subject) = RedisSubject::new(builder, url).await else {
        return true;
    };
    let subject: Arc<dyn Subject> = Arc::new(subject);
    for case in conformance::cases(subject.store().capabilities()) {
        if case.run(&subject).await.is_err() {
            return true;
        }
    }
    false
}

async fn needs_nothing_else(kind: Kind) -> Outcome {
    let Some(server) = Server::start(kind).await? else {
        return Ok(());
    };
    let user = AclUser::create(&server.url(), KEYS, &["*"])?;
    assert!(conformance_as(&user, &server.url()).await? > 0);
    // Also of refusals that were overlooked.
    let log = RawClient::connect(&server.url())?.text(&["ACL", "LOG"])?;
    assert_eq!(log, RawReply::List(Vec::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_pass_with_the_listed_rights_on_redis_7() -> Outcome {
    needs_nothing_else(Kind::Redis7).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_pass_with_the_listed_rights_on_redis_8() -> Outcome {
    needs_nothing_else(Kind::Redis8).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_pass_with_the_listed_rights_on_valkey_8() -> Outcome {
    needs_nothing_else(Kind::Valkey8).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listed_right_of_the_store_is_needed() -> Outcome {
    let Some(server) = Server::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let mut commands = acl::STORE_COMMANDS.to_vec();
    // A script's text is sent only where the server does not have it, and here others have brought it.
    commands.retain(|command| *command != "eval");
    let url = server.url();
    if RedisStore::connect(&url).await?.capabilities().pubsub {
        commands.extend(["publish", "subscribe"]);
    }
    let mut runs = JoinSet::new();
    for command in commands {
        let (user, url) = (
            AclUser::create_without(&[command], &url, KEYS, &["*"])?,
            url.clone(),
        );
        runs.spawn(async move {
            assert!(is_stopped(&user, &url).await, "nobody missed {command}");
        });
    }
    let complete = AclUser::create(&url, KEYS, &["*"])?;
    conformance_as(&complete, &url).await?; // at the same time, with all of them
    while let Some(run) = runs.join_next().await {
        run?;
    }
    Ok(())
}

/// The source files of the libraries that bring scripts: all but this one, whose cases also call what must fail.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|end| end == "lua" || end == "rs")
        {
            files.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_command_that_a_script_of_the_kit_calls_is_listed() -> Outcome {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for library in std::fs::read_dir(crates)? {
        let library = library?.path();
        if library.join("src").is_dir() && !library.ends_with("testkit") {
            sources(&library.join("src"), &mut files)?;
        }
    }
    let mut calls = 0;
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for start in ["redis.call('", "redis.pcall('"] {
            for (_, rest) in text.match_indices(start).map(|(at, _)| text.split_at(at)) {
                let rest = &rest[start.len()..];
                let command = rest.split('\'').next().unwrap_or_default().to_lowercase();
                let lists = [
                    acl::STORE_COMMANDS,
                    acl::SCRIPT_COMMANDS,
                    acl::PUBSUB_COMMANDS,
                ];
                let listed = lists.concat().contains(&command.as_str());
                assert!(listed, "{command} in {} is not listed", file.display());
                calls += 1;
            }
        }
    }
    assert!(calls > 0, "there are scripts");
    Ok(())
}

#[tokio::test]
async fn a_user_may_do_nothing_else_and_is_gone_when_dropped() -> Outcome {
    let Some(server) = Server::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let user = AclUser::create(&server.url(), &["app:*"], &["app:*"])?;
    let mut raw = RawClient::connect(&server.url())?;
    let in_person = |raw: &mut RawClient| raw.text(&["AUTH", user.name(), user.password()]);
    assert_eq!(in_person(&mut raw)?, RawReply::Status("OK".to_owned()));
    let refused: [&[&str]; 5] = [
        &["GET", "other:key"],
        &["PUBLISH", "other:channel", "x"],
        &["FLUSHALL"],
        &["KEYS", "*"],
        &["CONFIG", "GET", "*"],
    ];
    for command in refused {
        let reply = raw.text(command)?;
        let says = matches!(&reply, RawReply::Error(text) if text.starts_with("NOPERM"));
        assert!(says, "{command:?}: {reply:?}");
    }
    let name = user.name().to_owned();
    drop(user);
    let users = RawClient::connect(&server.url())?.text(&["ACL", "USERS"])?;
    let RawReply::List(users) = users else {
        panic!("{users:?}");
    };
    assert!(!users.contains(&RawReply::Bytes(Some(name.into_bytes()))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_conformance_cases_do_on_a_cluster_is_refused() -> Outcome {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let url = cluster.url();
    let user = AclUser::create(&url, KEYS, &["*"])?;
    let builder = RedisStore::builder(&url).user(user.name(), user.password());
    let subject: Arc<dyn Subject> = Arc::new(RedisSubject::new(builder, &url).await?);
    for case in conformance::cases(subject.store().capabilities()) {
        // What they find is not the matter here, but what the nodes say of it.
        let _ = case.run(&subject).await;
    }
    for node in 0..cluster.node_count() {
        let log = RawClient::connect(&cluster.node_url(node))?.text(&["ACL", "LOG"])?;
        assert_eq!(log, RawReply::List(Vec::new()), "node {node}");
    }
    Ok(())
}

#[tokio::test]
async fn on_a_cluster_every_node_knows_the_user() -> Outcome {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await? else {
        return Ok(());
    };
    let user = AclUser::create(&cluster.url(), &["app:*"], &[])?;
    for node in 0..cluster.node_count() {
        let mut raw = RawClient::connect(&cluster.node_url(node))?;
        let in_person = raw.text(&["AUTH", user.name(), user.password()])?;
        assert_eq!(in_person, RawReply::Status("OK".to_owned()));
        assert!(matches!(
            raw.text(&["CLUSTER", "SLOTS"])?,
            RawReply::List(_)
        ));
        assert!(matches!(
            raw.text(&["CLUSTER", "NODES"])?,
            RawReply::Error(_)
        ));
    }
    Ok(())
}
