//! Scripts with a plan on a real server: which calls go as plain commands, and that all others end as the script says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Commands, Deviation, ErrorKind, KeyExpiry, Mend, RedisStore, Reply, Script, ScriptCall, Store,
    StoreExt,
};
use cachekit_testkit::{
    RawClient,
    chaos::Proxy,
    server::{Kind, Server, SharedServer, acl::AclUser},
};

/// Counts its runs, and answers who ran it: 1 is the plan, 2 the script, which is to be run where the second key exists.
const BUMP: Script = Script::new(
    "bump",
    "redis.call('INCRBY', KEYS[1], 100) redis.call('PEXPIRE', KEYS[1], ARGV[1]) redis.call('DEL', KEYS[2]) return 2",
)
.with_plan(plan);

fn plan(commands: &mut dyn Commands, keys: &[Key], args: &[Bytes], now: u64) -> Option<Reply> {
    let [life] = args else {
        return None;
    };
    let life: u64 = std::str::from_utf8(life).ok()?.parse().ok()?;
    commands.add(&[b"INCRBY", keys[0].as_bytes(), b"1"]);
    let until = (now + life).to_string();
    commands.add(&[b"PEXPIREAT", keys[0].as_bytes(), until.as_bytes()]);
    commands.expect(&[b"EXISTS", keys[1].as_bytes()], 0);
    Some(Reply::Integer(1))
}

/// A key to count at, and one that is in the way of the plan.
fn keys() -> (Key, Key) {
    let name = format!("plans:{:016x}", fastrand::u64(..));
    let key = |end| Key::from_raw(format!("{name}:{end}")).unwrap();
    (key("count"), key("obstacle"))
}

fn call((count, obstacle): &(Key, Key)) -> ScriptCall {
    ScriptCall::new(vec![count.clone(), obstacle.clone()], vec!["60000".into()])
}

async fn bump(store: &RedisStore, keys: &(Key, Key)) -> cachekit_store::Result<Reply> {
    let replies = store.run_script(&BUMP, &[call(keys)]).await?;
    Ok(replies.into_iter().next().unwrap())
}

async fn counted(store: &RedisStore, keys: &(Key, Key)) -> Option<Bytes> {
    store.get(&keys.0).await.unwrap()
}

#[tokio::test]
async fn a_call_goes_as_planned_by_the_servers_time() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (store, keys) = (RedisStore::connect(server.url()).await.unwrap(), keys());
    assert_eq!(bump(&store, &keys).await.unwrap(), Reply::Integer(1));
    assert_eq!(counted(&store, &keys).await.unwrap(), "1");
    let left = store.expiry(&keys.0).await.unwrap();
    let near = Duration::from_secs(45)..Duration::from_secs(75);
    assert!(
        matches!(left, KeyExpiry::In(left) if near.contains(&left)),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_answers_other_than_planned_is_followed_by_the_script() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (others, keys) = (keys(), keys());
    let minute = cachekit_keys::Ttl::seconds(60);
    store.set_ttl(&keys.1, "x".into(), minute).await.unwrap();
    let calls = [call(&others), call(&keys), call(&others)];
    let replies = store.run_script(&BUMP, &calls).await.unwrap();
    assert_eq!(
        replies,
        [Reply::Integer(1), Reply::Integer(2), Reply::Integer(1)]
    );
    assert_eq!(counted(&store, &keys).await.unwrap(), "101");
    assert_eq!(counted(&store, &others).await.unwrap(), "2");
}

#[tokio::test]
async fn a_call_without_a_plan_is_run_as_the_script() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (store, keys) = (RedisStore::connect(server.url()).await.unwrap(), keys());
    let mut unplanned = call(&keys);
    unplanned.args.push("two arguments".into());
    let replies = store.run_script(&BUMP, &[unplanned]).await.unwrap();
    assert_eq!(replies, [Reply::Integer(2)]);
    assert_eq!(counted(&store, &keys).await.unwrap(), "100");
}

#[tokio::test]
async fn an_error_of_the_script_after_its_plan_says_that_something_may_have_been_applied() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (store, keys) = (RedisStore::connect(server.url()).await.unwrap(), keys());
    let name = std::str::from_utf8(keys.0.as_bytes()).unwrap();
    RawClient::connect(server.url())
        .unwrap()
        .text(&["SET", name, "words", "EX", "60"])
        .unwrap();
    let error = bump(&store, &keys).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true)
    );
}

#[tokio::test]
async fn a_user_without_a_right_that_only_the_plan_needs_is_served_by_the_script() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    for missing in ["multi", "exec", "pexpireat", "time"] {
        let user = AclUser::create_without(&[missing], server.url(), &["plans:*"], &[]).unwrap();
        let store = RedisStore::builder(server.url()).user(user.name(), user.password());
        let (store, keys) = (store.connect().await.unwrap(), keys());
        for _ in 0..2 {
            assert_eq!(
                bump(&store, &keys).await.unwrap(),
                Reply::Integer(2),
                "{missing}"
            );
        }
        // Without `MULTI` each command stands for itself, which is tried once; a refused transaction leaves nothing behind.
        let expected = if missing == "multi" { "201" } else { "200" };
        assert_eq!(counted(&store, &keys).await.unwrap(), expected, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_followed_by_the_script() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = Proxy::start(server.url()).await.unwrap();
    let store = Arc::new(RedisStore::connect(&proxy.url()).await.unwrap());
    let keys = keys();
    let cut = proxy.cut_at_reply(keys.0.as_bytes());
    let error = bump(&store, &keys).await.unwrap_err();
    cut.happened().await;
    assert!(error.may_have_applied(), "{error}");
    assert_eq!(counted(&store, &keys).await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_calls_leave_every_other_caller_its_own_answer() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (dropped, kept) = (keys(), keys());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (caller, keys) = (store.clone(), dropped.clone());
        tasks.spawn(async move {
            let pause = Duration::from_micros(fastrand::u64(0..300));
            let _ = tokio::time::timeout(pause, bump(&caller, &keys)).await;
        });
        let (caller, keys) = (store.clone(), kept.clone());
        tasks.spawn(async move {
            assert_eq!(bump(&caller, &keys).await.unwrap(), Reply::Integer(1));
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(counted(&store, &kept).await.unwrap(), "1000");
    // Each was carried out as a whole or not at all, and none of them by the script as well.
    let found = counted(&store, &dropped).await.unwrap_or_default();
    let found: u32 = std::str::from_utf8(&found)
        .unwrap()
        .parse()
        .unwrap_or_default();
    assert!(found <= 1_000, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_given_up_at_the_deadline_and_carries_a_call_out_once() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&server.url()).request_timeout(Duration::from_millis(300));
    let (store, keys) = (store.connect().await.unwrap(), keys());
    assert_eq!(bump(&store, &keys).await.unwrap(), Reply::Integer(1));
    server.pause().await.unwrap();
    let start = tokio::time::Instant::now();
    let error = bump(&store, &keys).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Timeout, true)
    );
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    server.resume().await.unwrap();
    let found = loop {
        if let Ok(found) = store.get(&keys.0).await {
            break found.unwrap();
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the store did not come back"
        );
    };
    assert!(found == "1" || found == "2", "{found:?}");
}

/// Counts, and takes the obstacle away; what is left to do then is in the second argument: a script, or one that fails.
const COUNT: Script = Script::new(
    "count",
    "redis.call('INCRBY', KEYS[1], 100) redis.call('DEL', KEYS[2]) return 2",
)
.with_plan(plan_count)
.with_mend(mend_count);

const MARK: Script = Script::new("mark", "redis.call('INCRBY', KEYS[1], 10) return 3");
const FAIL: Script = Script::new("fail", "return redis.error_reply('WRONGTYPE it is')");

fn plan_count(commands: &mut dyn Commands, keys: &[Key], args: &[Bytes], _: u64) -> Option<Reply> {
    commands.add(&[b"INCRBY", keys[0].as_bytes(), b"1"]);
    if &args[0][..] == b"attempt" {
        commands.attempt(&[b"LPUSH", keys[0].as_bytes(), b"x"]);
    }
    commands.expect(&[b"DEL", keys[1].as_bytes()], 0);
    Some(Reply::Integer(1))
}

fn mend_count(keys: &[Key], args: &[Bytes], deviation: Deviation) -> Vec<Mend> {
    let call = || ScriptCall::new(vec![keys[0].clone()], Vec::new());
    let mut mends = Vec::new();
    if deviation.unexpected || deviation.failed || deviation.untimely {
        mends.push(Mend::vital(MARK, call()));
    }
    match &args[0][..] {
        b"optional" => mends.push(Mend::optional(FAIL, call())),
        b"vital" => mends.push(Mend::vital(FAIL, call())),
        _ => {}
    }
    mends
}

fn count((count, obstacle): &(Key, Key), how: &'static str) -> ScriptCall {
    ScriptCall::new(vec![count.clone(), obstacle.clone()], vec![how.into()])
}

async fn obstruct(store: &RedisStore, keys: &(Key, Key)) {
    let minute = cachekit_keys::Ttl::seconds(60);
    store.set_ttl(&keys.1, "x".into(), minute).await.unwrap();
}

#[tokio::test]
async fn a_deviation_is_followed_by_its_mends_and_not_by_the_script() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (plain, unexpected, failed) = (keys(), keys(), keys());
    obstruct(&store, &unexpected).await;
    let calls = [
        count(&plain, ""),
        count(&unexpected, "optional"),
        count(&failed, "attempt"),
    ];
    let replies = store.run_script(&COUNT, &calls).await.unwrap();
    assert_eq!(replies, vec![Reply::Integer(1); 3]);
    assert_eq!(counted(&store, &plain).await.unwrap(), "1");
    assert_eq!(counted(&store, &unexpected).await.unwrap(), "11");
    assert_eq!(counted(&store, &failed).await.unwrap(), "11");
}

#[tokio::test]
async fn a_mend_that_has_to_be_done_and_fails_is_the_calls_error() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (store, keys) = (RedisStore::connect(server.url()).await.unwrap(), keys());
    obstruct(&store, &keys).await;
    let error = store.run_script(&COUNT, &[count(&keys, "vital")]).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true)
    );
}

#[tokio::test]
async fn a_time_that_was_far_off_is_noticed_in_every_transaction() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let shift = Arc::new(AtomicI64::new(0));
    let read = Arc::clone(&shift);
    let now = || i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let guess = move || u64::try_from(now() + read.load(Ordering::Relaxed)).unwrap();
    let store = RedisStore::builder(server.url()).guessed_time(guess);
    let (store, keys) = (store.connect().await.unwrap(), keys());
    let call = [count(&keys, "")];
    for (shift_ms, expected) in [(0, "1"), (-7_200_000, "12"), (0, "13"), (60_000, "24")] {
        shift.store(shift_ms, Ordering::Relaxed);
        store.run_script(&COUNT, &call).await.unwrap();
        assert_eq!(
            counted(&store, &keys).await.unwrap(),
            expected,
            "{shift_ms}"
        );
    }
}

/// A script whose text no server knows.
fn unknown() -> Script {
    let text = format!("return 2 -- {:016x}", fastrand::u64(..));
    Script::new("unknown", Box::leak(text.into_boxed_str())).with_plan(plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_script_that_the_server_does_not_know_share_one_deadline() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = Proxy::start(server.url()).await.unwrap();
    let patience = Duration::from_millis(1_000);
    let store = RedisStore::builder(&proxy.url()).request_timeout(patience);
    let (store, keys) = (store.connect().await.unwrap(), keys());
    obstruct(&store, &keys).await;
    proxy.delay(Duration::ZERO, Duration::from_millis(700));
    let start = tokio::time::Instant::now();
    let error = store.run_script(&unknown(), &[call(&keys)]).await;
    let (error, took) = (error.unwrap_err(), start.elapsed());
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Timeout, true)
    );
    assert!(took < patience + Duration::from_millis(350), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_all_the_steps_of_a_call() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = Proxy::start(server.url()).await.unwrap();
    let store = RedisStore::builder(&proxy.url()).request_timeout(Duration::from_secs(20));
    let (store, keys) = (store.connect().await.unwrap(), keys());
    obstruct(&store, &keys).await;
    proxy.delay(Duration::ZERO, Duration::from_millis(200));
    let (caller, script, calls) = (store.clone(), unknown(), [call(&keys)]);
    let run = tokio::spawn(async move { caller.run_script(&script, &calls).await });
    let direct = RedisStore::connect(server.url()).await.unwrap();
    while counted(&direct, &keys).await.is_none() {
        tokio::task::yield_now().await;
    }
    store.close().await;
    // Had it been cut off, the later steps would have found no connection. (Its task may still be about to say that it is over.)
    assert_eq!(run.await.unwrap().unwrap(), [Reply::Integer(2)]);
}
