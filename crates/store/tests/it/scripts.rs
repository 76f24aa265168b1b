//! What a store says of scripts that fail on a real server, and what it does not do for that reason.

use std::{sync::Arc, time::Duration};

use cachekit_keys::Key;
use cachekit_store::{
    Error, ErrorKind, RedisStore, Reply, Retry, RetryOptions, Script, ScriptCall, Store,
};
use cachekit_testkit::{
    RawClient,
    server::{Deployment, Form, Kind, Server, SharedServer, acl::AclUser},
};

/// Scripts that count, and then end with an error in one way or another: name, text, and what the error is taken for.
const FAILING: [(&str, &str, ErrorKind); 6] = [
    (
        "raised",
        "redis.call('INCR', KEYS[1]) return redis.call('LPUSH', KEYS[1], 1)",
        ErrorKind::WrongType,
    ),
    (
        "returned",
        "redis.call('INCR', KEYS[1]) return redis.pcall('LPUSH', KEYS[1], 1)",
        ErrorKind::WrongType,
    ),
    (
        "busy",
        "redis.call('INCR', KEYS[1]) return redis.error_reply('BUSY taken')",
        ErrorKind::NotReady,
    ),
    (
        "noscript",
        "redis.call('INCR', KEYS[1]) return redis.error_reply('NOSCRIPT of mine')",
        ErrorKind::NotReady,
    ),
    (
        "tryagain",
        "redis.call('INCR', KEYS[1]) return redis.error_reply('TRYAGAIN later')",
        ErrorKind::NotReady,
    ),
    (
        "clusterdown",
        "redis.call('INCR', KEYS[1]) return redis.error_reply('CLUSTERDOWN so I heard')",
        ErrorKind::NotReady,
    ),
];

fn key() -> Key {
    Key::from_raw(format!("scripts:{:016x}", fastrand::u64(..))).unwrap()
}

async fn run(store: &dyn Store, script: &Script, key: &Key) -> Result<Reply, Error> {
    let call = ScriptCall::new(vec![key.clone()], Vec::new());
    let replies = store.run_script(script, &[call]).await?;
    Ok(replies.into_iter().next().unwrap())
}

/// Each is run once, whatever code it ends with, and by a layer that repeats what was certainly not done.
async fn assert_run_once(store: RedisStore) {
    let retry = Retry::new(Arc::new(store.clone()), RetryOptions::new()).unwrap();
    for (name, text, kind) in FAILING {
        let (script, key) = (Script::new(name, text), key());
        let error = run(&retry, &script, &key).await.unwrap_err();
        let found = (error.kind(), error.may_have_applied());
        assert_eq!(found, (kind, true), "{name}: {error}");
        let count = store.get(&key).await.unwrap();
        assert_eq!(count.unwrap(), "1", "{name}");
        store.delete(&[key]).await.unwrap();
    }
}

#[tokio::test]
async fn a_script_that_ends_with_an_error_may_have_written_and_is_not_sent_again() {
    for kind in Kind::ALL {
        if let Some(server) = SharedServer::of(kind).await.unwrap() {
            assert_run_once(RedisStore::connect(server.url()).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_not_asked_again_for_what_a_script_returned() {
    for kind in Kind::ALL {
        let deployment = Deployment::new(kind, Form::Cluster);
        if let Some(server) = SharedServer::of(deployment).await.unwrap() {
            assert_run_once(RedisStore::connect(server.url()).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_script_that_the_user_may_not_run_has_certainly_not_run() {
    for kind in Kind::ALL {
        let Some(server) = SharedServer::of(kind).await.unwrap() else {
            continue;
        };
        let script = Script::new("write", "return redis.call('SET', KEYS[1], 1, 'EX', 60)");
        let no_scripts = AclUser::create_without(&["evalsha"], server.url(), &["scripts:*"], &[]);
        let no_keys = AclUser::create(server.url(), &["others:*"], &[]);
        for user in [no_scripts.unwrap(), no_keys.unwrap()] {
            let store = RedisStore::builder(server.url()).user(user.name(), user.password());
            let store = store.connect().await.unwrap();
            let error = run(&store, &script, &key()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.may_have_applied()),
                (ErrorKind::PermissionDenied, false),
                "{kind:?} {error}"
            );
        }
    }
}

/// A read, a write and a script fail alike, and none of them has been carried out.
async fn assert_refused(store: &RedisStore, kind: ErrorKind, reads: bool, what: &str) {
    let key = key();
    let script = Script::new("write", "return redis.call('SET', KEYS[1], 1, 'EX', 60)");
    let minute = cachekit_store::SetOptions::ttl(cachekit_keys::Ttl::seconds(60));
    let mut errors = vec![
        store.set(&key, "v".into(), minute).await.unwrap_err(),
        run(store, &script, &key).await.unwrap_err(),
    ];
    if reads {
        errors.push(store.get(&key).await.unwrap_err());
    }
    for error in errors {
        let found = (error.kind(), error.may_have_applied());
        assert_eq!(found, (kind, false), "{what}: {error}");
    }
}

async fn own_server(kind: Kind) -> Option<(Server, RedisStore, RawClient)> {
    let server = Server::start(kind).await.unwrap()?;
    let store = RedisStore::builder(&server.url()).request_timeout(Duration::from_secs(10));
    let store = store.connect().await.unwrap();
    let raw = RawClient::connect(&server.url()).unwrap();
    Some((server, store, raw))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_state_in_which_it_takes_no_call_is_told_by_its_own_words() {
    for kind in Kind::ALL {
        let Some((server, store, mut raw)) = own_server(kind).await else {
            continue;
        };
        raw.text(&["CONFIG", "SET", "min-replicas-to-write", "1"])
            .unwrap();
        assert_refused(&store, ErrorKind::WritesRefused, false, "NOREPLICAS").await;
        raw.text(&["CONFIG", "SET", "min-replicas-to-write", "0"])
            .unwrap();

        raw.text(&["CONFIG", "SET", "busy-reply-threshold", "10"])
            .unwrap();
        let mut looper = RawClient::connect(&server.url()).unwrap();
        looper.set_timeout(Duration::from_secs(30)).unwrap();
        let endless = std::thread::spawn(move || {
            let _ = looper.text(&["EVAL", "while true do end", "0"]);
        });
        // Until the threshold a server makes others wait.
        while store.ping().await.is_ok() {}
        assert_refused(&store, ErrorKind::NotReady, true, "BUSY").await;
        raw.text(&["SCRIPT", "KILL"]).unwrap();
        endless.join().unwrap();

        raw.text(&["CONFIG", "SET", "replica-serve-stale-data", "no"])
            .unwrap();
        raw.text(&["CONFIG", "SET", "replica-read-only", "no"])
            .unwrap();
        raw.text(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        let key = key();
        let minute = cachekit_store::SetOptions::ttl(cachekit_keys::Ttl::seconds(60));
        for error in [
            store.set(&key, "v".into(), minute).await.unwrap_err(),
            store.get(&key).await.unwrap_err(),
        ] {
            let found = (error.kind(), error.may_have_applied());
            assert_eq!(found, (ErrorKind::NotReady, false), "MASTERDOWN: {error}");
        }
        // A script is begun, and refused its commands.
        let script = Script::new("write", "return redis.call('SET', KEYS[1], 1, 'EX', 60)");
        let error = run(&store, &script, &key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady, "MASTERDOWN: {error}");
    }
}
