//! Runs as a whole: atomicity, failures half-way, batches, slots and time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    Error, ErrorKind, Expiration, Increment, Reply, Result, Script, ScriptCall, SetOptions,
    StoreExt, Transaction,
};
use tokio::task::JoinSet;

use super::{
    commands::{EXISTS, INCRBY, SET, bytes},
    fixture::Fixture,
};

/// Reads two numbers, and then writes each one higher.
const READ_MODIFY_WRITE: Script = Script::new(
    "read-modify-write",
    "local a = tonumber(redis.call('GET', KEYS[1]) or '0')
local b = tonumber(redis.call('GET', KEYS[2]) or '0')
redis.call('SET', KEYS[1], a + 1)
redis.call('SET', KEYS[2], b + 1)
return {a, b}",
)
.with_body(read_modify_write);

fn read_modify_write(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    let read = |tx: &mut dyn Transaction, key| {
        let value = tx.get(key)?;
        let text = value.as_deref().unwrap_or(b"0");
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        Ok::<i64, Error>(number.expect("the case writes numbers"))
    };
    let (a, b) = (read(tx, &keys[0])?, read(tx, &keys[1])?);
    let forever = SetOptions::new(Expiration::Never);
    tx.set(&keys[0], (a + 1).to_string().into(), forever)?;
    tx.set(&keys[1], (b + 1).to_string().into(), forever)?;
    Ok(Reply::Array(vec![Reply::Integer(a), Reply::Integer(b)]))
}

/// Writes a string and then takes it for a hash.
const WRITE_THEN_FAIL: Script = Script::new(
    "write-then-fail",
    "redis.call('SET', KEYS[1], ARGV[1])
redis.call('HGET', KEYS[1], 'field')
return redis.call('SET', KEYS[1], 'never')",
)
.with_body(|tx, keys, args| {
    let forever = SetOptions::new(Expiration::Never);
    tx.set(&keys[0], args[0].clone(), forever)?;
    tx.hget(&keys[0], b"field")?;
    tx.set(&keys[0], Bytes::from_static(b"never"), forever)?;
    Ok(Reply::Status("OK".to_owned()))
});

const PUBLISH: Script = Script::new(
    "publish",
    "redis.call('SET', KEYS[1], 'before')
redis.pcall('PUBLISH', ARGV[1], 'payload')
return redis.call('GET', KEYS[1])",
)
.with_body(|tx, keys, args| {
    let forever = SetOptions::new(Expiration::Never);
    tx.set(&keys[0], Bytes::from_static(b"before"), forever)?;
    tx.publish(&args[0], Bytes::from_static(b"payload"));
    Ok(tx.get(&keys[0])?.map_or(Reply::Nil, Reply::Bytes))
});

const NOW: Script = Script::new("now", "return int(now)")
    .with_time()
    .with_body(|tx, _, _| Ok(Reply::Bytes(tx.now().to_string().into())));

/// Two keys that share a slot, by their hash tag.
fn pair(fixture: &Fixture) -> Vec<Key> {
    vec![fixture.key("{pair}:a"), fixture.key("{pair}:b")]
}

/// Two keys in different slots.
fn apart(fixture: &Fixture) -> Vec<Key> {
    let keys = vec![fixture.key("{a}"), fixture.key("{b}")];
    assert_ne!(keys[0].slot(), keys[1].slot());
    keys
}

pub(super) async fn no_update_is_lost_among_concurrent_runs(fixture: &Fixture) {
    let keys = pair(fixture);
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&fixture.store);
        let mut keys = keys.clone();
        // Half of them name the keys in the other order.
        if number % 2 == 1 {
            keys.reverse();
        }
        let call = ScriptCall::new(keys, Vec::new());
        tasks.spawn(async move { store.run_script(&READ_MODIFY_WRITE, &[call]).await });
    }
    let mut seen: Vec<i64> = Vec::new();
    for replies in tasks.join_all().await {
        let replies = replies.unwrap();
        match &replies[..] {
            [Reply::Array(numbers)] => match numbers[..] {
                [Reply::Integer(a), Reply::Integer(b)] if a == b => seen.push(a),
                _ => panic!("a run met the two numbers apart: {numbers:?}"),
            },
            _ => panic!("one reply of two numbers: {replies:?}"),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<i64>>());
    for key in &keys {
        fixture.assert_value(key, "100").await;
    }
}

pub(super) async fn runs_and_single_commands_do_not_mix(fixture: &Fixture) {
    let keys = pair(fixture);
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (store, call) = (
            Arc::clone(&fixture.store),
            ScriptCall::new(keys.clone(), Vec::new()),
        );
        tasks.spawn(async move {
            store.run_script(&READ_MODIFY_WRITE, &[call]).await.unwrap();
        });
        let (store, key) = (Arc::clone(&fixture.store), keys[0].clone());
        tasks.spawn(async move {
            let once = Increment::persistent(key, 1);
            store.increment(&[once]).await.unwrap();
        });
    }
    tasks.join_all().await;
    fixture.assert_value(&keys[0], "100").await;
    fixture.assert_value(&keys[1], "50").await;
}

pub(super) async fn a_failing_run_keeps_what_it_wrote(fixture: &Fixture) {
    let key = fixture.key("a");
    let error = fixture.refusal(&WRITE_THEN_FAIL, &key, &["first"]).await;
    assert_eq!(
        (error.kind(), error.may_have_applied(), error.operation()),
        (ErrorKind::WrongType, true, WRITE_THEN_FAIL.name),
        "{error}"
    );
    fixture.assert_value(&key, "first").await;
}

pub(super) async fn all_runs_of_a_batch_take_place_although_one_fails(fixture: &Fixture) {
    let keys = ["a", "b", "c"].map(|name| fixture.key(name));
    fixture.put_forever(&keys[1], "text").await;
    let call = |key: &Key| ScriptCall::new(vec![key.clone()], bytes(&["5"]));
    let calls: Vec<ScriptCall> = keys.iter().map(call).collect();
    let error = fixture.store.run_script(&INCRBY, &calls).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true),
        "{error}"
    );
    fixture.assert_value(&keys[0], "5").await;
    fixture.assert_value(&keys[1], "text").await;
    fixture.assert_value(&keys[2], "5").await;
}

pub(super) async fn later_runs_of_a_batch_see_earlier_ones(fixture: &Fixture) {
    let key = fixture.key("a");
    let calls: Vec<ScriptCall> = (1..=100)
        .map(|_| ScriptCall::new(vec![key.clone()], bytes(&["1"])))
        .collect();
    let replies = fixture.store.run_script(&INCRBY, &calls).await.unwrap();
    assert_eq!(
        replies,
        (1..=100).map(Reply::Integer).collect::<Vec<Reply>>()
    );
}

pub(super) async fn a_batch_may_span_slots(fixture: &Fixture) {
    let keys = apart(fixture);
    let call = |key: &Key| ScriptCall::new(vec![key.clone()], bytes(&["value"]));
    let calls: Vec<ScriptCall> = keys.iter().map(call).collect();
    let replies = fixture.store.run_script(&SET, &calls).await.unwrap();
    assert_eq!(replies.len(), 2);
    for key in &keys {
        fixture.assert_value(key, "value").await;
    }
}

pub(super) async fn keys_may_lie_in_several_slots(fixture: &Fixture) {
    let keys = apart(fixture);
    let call = ScriptCall::new(keys.clone(), Vec::new());
    fixture
        .store
        .run_script(&READ_MODIFY_WRITE, &[call])
        .await
        .unwrap();
    for key in &keys {
        fixture.assert_value(key, "1").await;
    }
}

pub(super) async fn keys_in_several_slots_are_refused_and_nothing_runs(fixture: &Fixture) {
    let (good, bad) = (pair(fixture), apart(fixture));
    let calls = [&good, &bad].map(|keys| ScriptCall::new(keys.clone(), Vec::new()));
    let error = fixture
        .store
        .run_script(&READ_MODIFY_WRITE, &calls)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::CrossSlot, false),
        "{error}"
    );
    for key in good.iter().chain(&bad) {
        assert!(!fixture.store.exists(key).await.unwrap(), "{key}");
    }
}

pub(super) async fn publishing_to_nobody_fails_no_script(fixture: &Fixture) {
    let key = fixture.key("a");
    let channel = fixture.key("channel").to_string();
    let reply = fixture.call(&PUBLISH, &key, &[&channel]).await;
    assert_eq!(reply, Reply::Bytes(Bytes::from_static(b"before")));
    assert_eq!(fixture.call(&EXISTS, &key, &[]).await, Reply::Integer(1));
}

async fn now(fixture: &Fixture) -> u64 {
    let reply = fixture.call(&NOW, &fixture.key("a"), &[]).await;
    let Reply::Bytes(text) = reply else {
        panic!("whole microseconds as text: {reply:?}")
    };
    let text = std::str::from_utf8(&text).expect("digits");
    text.parse().expect("a whole number")
}

pub(super) async fn now_is_the_wall_clock_in_microseconds(fixture: &Fixture) {
    let before = micros(fixture.store.time().await.unwrap());
    let now = now(fixture).await;
    let after = micros(fixture.store.time().await.unwrap());
    assert!(
        (before..=after).contains(&now),
        "{now} between {before} and {after}"
    );
    // From 2020 to 2100: seconds, milliseconds and nanoseconds lie outside.
    assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&now));
}

pub(super) async fn now_moves_forward(fixture: &Fixture) {
    let first = now(fixture).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = now(fixture).await;
    assert!(second >= first + 19_000, "{first}, then {second}");
}

fn micros(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
    let micros = since_epoch.expect("after 1970").as_micros();
    micros.try_into().expect("not that far ahead")
}
