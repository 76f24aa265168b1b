//! The Redis store against real servers: the conformance cases, and what happens when the server does not behave.
//!
//! A machine without a server skips these and says so; a run that requires servers fails instead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ErrorKind, Increment, RedisStore, Reply, Script, ScriptCall, ScriptEffect, SetOptions, Store,
    StoreExt,
};
use cachekit_testkit::{
    RawClient,
    conformance::{self, RedisSubject},
    server::{Kind, Server, SharedServer, acl::AclUser},
};

const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);

fn key(name: &str) -> Key {
    Key::from_raw(format!("it:{}:{name}", fastrand::u64(..))).unwrap()
}

fn ttl() -> SetOptions {
    SetOptions::ttl(Ttl::seconds(60))
}

async fn impatient(url: &str) -> RedisStore {
    RedisStore::builder(url)
        .request_timeout(REQUEST_TIMEOUT)
        .connect()
        .await
        .unwrap()
}

async fn conformance_on(kind: Kind) {
    let Some(server) = SharedServer::of(kind).await.unwrap() else {
        return;
    };
    let subject = RedisSubject::connect(server.url()).await.unwrap();
    conformance::run(Arc::new(subject)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_redis_7() {
    conformance_on(Kind::Redis7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_redis_8() {
    conformance_on(Kind::Redis8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_on_valkey_8() {
    conformance_on(Kind::Valkey8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_as_a_user_with_the_rights_of_the_kit() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let user = AclUser::create(server.url(), &["t*"], &["*"]).unwrap();
    let builder = RedisStore::builder(server.url()).user(user.name(), user.password());
    let subject = RedisSubject::new(builder, server.url()).await.unwrap();
    conformance::run(Arc::new(subject)).await;
}

#[tokio::test]
async fn a_store_that_was_built_while_its_server_was_down_works_when_it_is_there() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    server.kill().await.unwrap();
    let store = RedisStore::builder(&server.url())
        .request_timeout(REQUEST_TIMEOUT)
        .build()
        .unwrap();
    let key = key("early");
    for _ in 0..3 {
        let error = store.set(&key, "v".into(), ttl()).await.unwrap_err();
        assert!(error.is_retryable() && !error.may_have_applied(), "{error}");
    }
    server.restart().await.unwrap();
    recovered(&store).await;
    assert!(store.set(&key, "v".into(), ttl()).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap().unwrap(), "v");
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_unavailable_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = RedisStore::connect(&format!("redis://127.0.0.1:{port}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable() && !error.may_have_applied());
}

#[tokio::test]
async fn a_listener_that_never_answers_is_a_time_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let builder = RedisStore::builder(&url).connect_timeout(Duration::from_millis(150));
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        !error.may_have_applied(),
        "nothing but the greeting was sent"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_from_missing_ones_without_being_shown() {
    let arguments = ["--requirepass", "right-secret"];
    let Some(server) = Server::start_with(Kind::Redis7, &arguments).await.unwrap() else {
        return;
    };
    let wrong = RedisStore::builder(&server.url())
        .password("wrong-secret")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unauthenticated);
    assert!(!format!("{wrong} {wrong:?}").contains("secret"));
    let missing = RedisStore::connect(&server.url()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unauthenticated);
    let right = RedisStore::builder(&server.url())
        .password("right-secret")
        .connect()
        .await;
    right.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_user_without_permission_is_refused_with_a_kind_of_its_own() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&[
        "ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get", "+ping", "+hello", "+client",
    ])
    .unwrap();
    let store = RedisStore::builder(&server.url())
        .user("reader", "pw")
        .connect()
        .await
        .unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let error = store
        .set(&key("a"), Bytes::from_static(b"v"), ttl())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!error.may_have_applied());
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_serves_reads() {
    let arguments = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"];
    let Some(server) = Server::start_with(Kind::Redis7, &arguments).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let first = key("first");
    store
        .set(&first, Bytes::from_static(b"v"), ttl())
        .await
        .unwrap();
    let mut refusal = None;
    for index in 0..100 {
        let value = Bytes::from(vec![b'x'; 100_000]);
        if let Err(error) = store.set(&key(&index.to_string()), value, ttl()).await {
            refusal = Some(error);
            break;
        }
    }
    let refusal = refusal.expect("10 MB do not fit into 3 MB");
    assert_eq!(refusal.kind(), ErrorKind::OutOfMemory);
    assert!(!refusal.may_have_applied());
    assert_eq!(store.get(&first).await.unwrap().as_deref(), Some(&b"v"[..]));
}

#[tokio::test]
async fn a_frozen_server_is_a_time_out_and_the_store_recovers() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let counter = key("counter");
    server.pause().await.unwrap();
    let started = Instant::now();
    let read = store.get(&counter).await.unwrap_err();
    assert_eq!(
        (read.kind(), read.may_have_applied()),
        (ErrorKind::Timeout, false)
    );
    let write = store
        .increment(&[Increment::new(counter.clone(), 1, Ttl::seconds(60))])
        .await
        .unwrap_err();
    assert_eq!(
        (write.kind(), write.may_have_applied()),
        (ErrorKind::Timeout, true)
    );
    assert!(
        started.elapsed() < 5 * REQUEST_TIMEOUT,
        "nothing waits past its deadline"
    );
    server.resume().await.unwrap();
    recovered(&store).await;
    let stored = store.get(&counter).await.unwrap();
    assert!(
        matches!(stored.as_deref(), None | Some(b"1")),
        "never applied twice: {stored:?}"
    );
}

#[tokio::test]
async fn a_killed_server_is_unavailable_and_the_store_reconnects_by_itself() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let name = key("a");
    store
        .set(&name, Bytes::from_static(b"v"), ttl())
        .await
        .unwrap();
    server.kill().await.unwrap();
    for _ in 0..20 {
        let error = store.get(&name).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(!error.may_have_applied());
    }
    server.restart().await.unwrap();
    recovered(&store).await;
    assert_eq!(
        store.get(&name).await.unwrap(),
        None,
        "the server came back empty"
    );
}

#[tokio::test]
async fn a_connection_cut_by_the_server_costs_at_most_one_call() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    for _ in 0..10 {
        raw.text(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .unwrap();
        // The cut may or may not have been noticed by now.
        if let Err(error) = store.ping().await {
            assert!(error.is_retryable(), "{error}");
        }
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn scripts_survive_a_flush_of_the_servers_script_cache() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let counter = key("counter");
    for expected in 1..=3 {
        assert_eq!(
            store
                .increment_one(&counter, 1, Ttl::seconds(60))
                .await
                .unwrap(),
            expected
        );
        raw.text(&["SCRIPT", "FLUSH"]).unwrap();
    }
}

#[tokio::test]
async fn a_batch_of_script_calls_answers_in_order_and_names_the_refusal() {
    const ECHO: Script = Script::new("echo", "return {KEYS[1], ARGV[1], tonumber(ARGV[1])}");
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let name = key("a");
    let call = |n: &'static str| {
        ScriptCall::new(vec![name.clone()], vec![Bytes::from_static(n.as_bytes())])
    };
    let replies = store
        .run_script(&ECHO, &[call("1"), call("2")])
        .await
        .unwrap();
    let expected = |text: &'static str, number| {
        Reply::Array(vec![
            Reply::Bytes(name.to_bytes()),
            Reply::Bytes(Bytes::from_static(text.as_bytes())),
            Reply::Integer(number),
        ])
    };
    assert_eq!(replies, [expected("1", 1), expected("2", 2)]);

    const FAILS: Script = Script::new(
        "fails",
        "return redis.error_reply('secret value ' .. ARGV[1])",
    );
    let error = store
        .run_script(&FAILS, &[call("s3cret")])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unexpected, "fails")
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}

const STAMP: Script = Script::new("stamp", "return {int(now), #ARGV, ARGV[1] or false}")
    .with_time()
    .with_effect(ScriptEffect::ReadOnly);

async fn stamp(store: &RedisStore) -> (u64, Reply) {
    let calls = [
        ScriptCall::new(Vec::new(), vec!["own".into()]),
        ScriptCall::new(Vec::new(), Vec::new()),
    ];
    let replies = store.run_script(&STAMP, &calls).await.unwrap();
    let [Reply::Array(with), Reply::Array(without)] = &replies[..] else {
        panic!("{replies:?}")
    };
    assert_eq!(with[1..], [Reply::Integer(1), Reply::Bytes("own".into())]);
    assert_eq!(without[1..], [Reply::Integer(0), Reply::Nil]);
    let Reply::Bytes(now) = &with[0] else {
        panic!("{with:?}")
    };
    let now = std::str::from_utf8(now).unwrap().parse().unwrap();
    (now, without[0].clone())
}

async fn scripts_see_time_on(kind: Kind) {
    let Some(server) = SharedServer::of(kind).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let micros = |time: std::time::SystemTime| {
        u64::try_from(
            time.duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_micros(),
        )
        .unwrap()
    };
    let before = micros(store.time().await.unwrap());
    let (now, _) = stamp(&store).await;
    assert!((before..=micros(store.time().await.unwrap())).contains(&now));

    let set = RedisStore::builder(server.url())
        .script_clock(|| 1_700_000_000_123_457)
        .connect()
        .await
        .unwrap();
    let expected = Reply::Bytes("1700000000123457".into());
    assert_eq!(stamp(&set).await, (1_700_000_000_123_457, expected));
}

#[tokio::test]
async fn scripts_see_the_servers_time_or_the_one_a_test_sets_on_redis_7() {
    scripts_see_time_on(Kind::Redis7).await;
}

#[tokio::test]
async fn scripts_see_the_servers_time_or_the_one_a_test_sets_on_redis_8() {
    scripts_see_time_on(Kind::Redis8).await;
}

#[tokio::test]
async fn scripts_see_the_servers_time_or_the_one_a_test_sets_on_valkey_8() {
    scripts_see_time_on(Kind::Valkey8).await;
}

#[tokio::test]
async fn a_lost_answer_of_a_script_that_changes_nothing_leaves_nothing_open() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let calls = [ScriptCall::new(Vec::new(), Vec::new())];
    server.pause().await.unwrap();
    let reading = store.run_script(&STAMP, &calls).await.unwrap_err();
    assert_eq!(
        (reading.kind(), reading.may_have_applied()),
        (ErrorKind::Timeout, false)
    );
    const WRITES: Script = Script::new("writes", "return 1");
    let writing = store.run_script(&WRITES, &calls).await.unwrap_err();
    assert!(writing.may_have_applied());
    server.resume().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_calls_leave_every_other_caller_its_own_answer() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let keys: Vec<Key> = (0..50).map(|index| key(&index.to_string())).collect();
    for (index, name) in keys.iter().enumerate() {
        store
            .set(name, Bytes::from(index.to_string()), ttl())
            .await
            .unwrap();
    }
    let dropped = (0..1_000).map(|index| {
        let (store, name) = (store.clone(), keys[index % keys.len()].clone());
        async move {
            let pause = Duration::from_micros(fastrand::u64(0..300));
            let _ = tokio::time::timeout(pause, store.get(&name)).await;
        }
    });
    let kept = (0..1_000).map(|index| {
        let (store, name) = (store.clone(), keys[index % keys.len()].clone());
        async move {
            let value = store.get(&name).await.unwrap().unwrap();
            assert_eq!(value, (index % 50).to_string());
        }
    });
    let tasks: Vec<_> = dropped
        .map(tokio::spawn)
        .chain(kept.map(tokio::spawn))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    store.close().await;
    store.close().await;
    assert_eq!(
        store.get(&key("a")).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
}

/// Waits until a call succeeds, for at most five seconds.
async fn recovered(store: &RedisStore) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = store.ping().await {
        assert!(
            Instant::now() < deadline,
            "the store did not come back: {error}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
