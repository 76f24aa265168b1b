//! Runs of scripts: what only the memory store refuses, its clocks, its budget, and bodies that panic.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use tokio::time::advance;

use super::{
    super::transaction::{Effects, Run},
    books::assert_level,
    key, numbered, used, volatile,
};
use crate::{
    Error, ErrorKind, Expiration, ExpireChange, KeyExpiry, MemoryStore, Reply, Result, Script,
    ScriptBody, ScriptCall, ScriptEffect, SetOptions, Store, StoreExt, Transaction, ZAddCondition,
};

fn script(body: ScriptBody) -> Script {
    Script::new("test", "").with_body(body)
}

fn forever() -> SetOptions {
    SetOptions::new(Expiration::Never)
}

async fn run(store: &MemoryStore, body: ScriptBody, keys: &[Key]) -> Result<Reply> {
    run_with(store, body, keys, &[]).await
}

async fn run_with(
    store: &MemoryStore,
    body: ScriptBody,
    keys: &[Key],
    args: &[Bytes],
) -> Result<Reply> {
    let call = ScriptCall::new(keys.to_vec(), args.to_vec());
    let mut replies = store.run_script(&script(body), &[call]).await?;
    assert_eq!(replies.len(), 1);
    Ok(replies.remove(0))
}

#[tokio::test]
async fn an_undeclared_key_is_refused() {
    let store = MemoryStore::new();
    store.set(&key("b"), "v".into(), forever()).await.unwrap();
    let error = run(
        &store,
        |tx, _, _| tx.get(&key("b")).map(|_| Reply::Nil),
        &[key("a")],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied(), error.key()),
        (ErrorKind::Unexpected, false, Some("b"))
    );
    assert!(error.to_string().contains("did not declare"), "{error}");
}

#[tokio::test]
async fn every_method_refuses_an_undeclared_key() {
    fn body(tx: &mut dyn Transaction, _: &[Key], _: &[Bytes]) -> Result<Reply> {
        let other = key("other");
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        let pair = (Bytes::new(), Bytes::new());
        let refusals = [
            tx.exists(&other).is_err(),
            tx.del(&other).is_err(),
            tx.pttl(&other).is_err(),
            tx.pexpire(&other, ExpireChange::Never).is_err(),
            tx.get(&other).is_err(),
            tx.look(&other).is_err(),
            tx.set(&other, Bytes::new(), volatile()).is_err(),
            tx.set_copy(&other, b"", volatile()).is_err(),
            tx.incrby(&other, 1).is_err(),
            tx.hget(&other, b"").is_err(),
            tx.hgetall(&other).is_err(),
            tx.hset(&other, &[pair]).is_err(),
            tx.hset(&other, &[]).is_err(),
            tx.hdel(&other, &[]).is_err(),
            tx.hincrby(&other, b"", 1).is_err(),
            tx.hlen(&other).is_err(),
            tx.zadd(&other, ZAddCondition::Always, &[]).is_err(),
            tx.zrem(&other, &[]).is_err(),
            tx.zscore(&other, b"").is_err(),
            tx.zcard(&other).is_err(),
            tx.zcount(&other, all).is_err(),
            tx.zrange_by_score(&other, all, 1).is_err(),
            tx.zremrange_by_score(&other, all).is_err(),
        ];
        assert_eq!(refusals, [true; 23]);
        Ok(Reply::Nil)
    }
    let store = MemoryStore::new();
    assert_eq!(run(&store, body, &[key("a")]).await.unwrap(), Reply::Nil);
}

#[tokio::test]
async fn a_script_without_a_body_is_unsupported() {
    const LUA_ONLY: Script = Script::new("lua-only", "return 1");
    let store = MemoryStore::new();
    let call = ScriptCall::new(vec![key("a")], Vec::new());
    let error = store.run_script(&LUA_ONLY, &[call]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Unsupported, false)
    );
    assert!(error.to_string().contains("lua-only"), "{error}");
}

#[tokio::test]
async fn a_run_that_fails_before_it_writes_says_so() {
    let store = MemoryStore::new();
    store.put_foreign(&key("a"));
    let error = run(
        &store,
        |tx, keys, _| {
            tx.del(&keys[1])?;
            tx.hdel(&keys[1], &[Bytes::new()])?;
            tx.set(
                &keys[0],
                Bytes::new(),
                volatile().with_condition(crate::Condition::IfAbsent),
            )?;
            tx.incrby(&keys[0], 1).map(Reply::Integer)
        },
        &[key("a"), key("absent")],
    )
    .await
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, false)
    );
}

#[tokio::test]
async fn an_error_of_the_body_itself_tells_of_what_it_wrote() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        tx.zadd(&keys[0], ZAddCondition::Always, &[(1.0, "m".into())])?;
        Err(Error::new(ErrorKind::InvalidInput, "test"))
    }
    let store = MemoryStore::new();
    let error = run(&store, body, &[key("a")]).await.unwrap_err();
    assert!(error.may_have_applied());
    assert!(store.exists(&key("a")).await.unwrap());
}

#[tokio::test]
async fn a_failed_batch_of_reads_has_applied_nothing() {
    let store = MemoryStore::new();
    store.put_foreign(&key("a"));
    let reading = script(|tx, keys, _| Ok(tx.get(&keys[0])?.map_or(Reply::Nil, Reply::Bytes)))
        .with_effect(ScriptEffect::ReadOnly);
    let calls = ["a", "b"].map(|name| ScriptCall::new(vec![key(name)], Vec::new()));
    let error = store.run_script(&reading, &calls).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, false)
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_wherever_it_is_written() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        let (key, large) = (&keys[0], Bytes::from(vec![0; 101]));
        let small = || Bytes::from_static(b"s");
        let refusals = [
            tx.set(key, large.clone(), volatile()).map(drop),
            tx.set_copy(key, &large, volatile()).map(drop),
            tx.hset(key, &[(small(), small()), (small(), large.clone())])
                .map(drop),
            tx.hset(key, &[(large.clone(), small())]).map(drop),
            tx.hincrby(key, &large, 1).map(drop),
            tx.zadd(key, ZAddCondition::Always, &[(1.0, small()), (1.0, large)])
                .map(drop),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err().kind(), ErrorKind::TooLarge);
        }
        assert!(!tx.exists(key)?);
        Ok(Reply::Nil)
    }
    let store = MemoryStore::builder().max_value_size(100).build();
    run(&store, body, &[key("a")]).await.unwrap();
}

#[tokio::test]
async fn empty_lists_of_fields_and_members_do_nothing() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        let counts = [
            tx.hset(&keys[0], &[])?,
            tx.hdel(&keys[0], &[])?,
            tx.zadd(&keys[0], ZAddCondition::Always, &[])?,
            tx.zrem(&keys[0], &[])?,
        ];
        assert_eq!(counts, [0; 4]);
        Ok(Reply::Integer(i64::from(tx.exists(&keys[0])?)))
    }
    let store = MemoryStore::new();
    let reply = run(&store, body, &[key("a")]).await.unwrap();
    assert_eq!(reply, Reply::Integer(0));
}

#[tokio::test]
async fn a_key_may_be_declared_twice() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        tx.incrby(&keys[0], 1)?;
        Ok(Reply::Integer(tx.incrby(&keys[1], 1)?))
    }
    let store = MemoryStore::new();
    let reply = run(&store, body, &[key("a"), key("a")]).await.unwrap();
    assert_eq!(reply, Reply::Integer(2));
    assert_level(&store);
}

#[tokio::test]
async fn messages_are_kept_in_order_until_the_run_ends() {
    let store = MemoryStore::new();
    let mut run = Run::begin(store.keyspace(), "test", &[], 100);
    run.publish(b"one", "1".into());
    run.publish(b"too large", vec![0; 101].into());
    run.publish(b"two", "2".into());
    let Effects { wrote, messages } = run.end();
    assert!(!wrote);
    assert_eq!(
        messages,
        [("one".into(), "1".into()), ("two".into(), "2".into())]
    );
}

#[tokio::test]
async fn a_message_counts_as_applied() {
    fn body(tx: &mut dyn Transaction, _: &[Key], _: &[Bytes]) -> Result<Reply> {
        tx.publish(b"channel", "payload".into());
        Err(Error::new(ErrorKind::InvalidInput, "test"))
    }
    let error = run(&MemoryStore::new(), body, &[]).await.unwrap_err();
    assert!(error.may_have_applied());
}

fn now(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
    let left = match keys.first().map(|key| tx.pttl(key)).transpose()? {
        Some(KeyExpiry::In(left)) => left.as_millis() as i64,
        _ => -1,
    };
    let now = i64::try_from(tx.now()).unwrap();
    Ok(Reply::Array(vec![
        Reply::Integer(now),
        Reply::Integer(left),
    ]))
}

#[tokio::test(start_paused = true)]
async fn a_shifted_wall_clock_shows_in_now_and_not_in_expiry() {
    let store = MemoryStore::new();
    let new_year = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    store.set_wall_clock(new_year);
    let long = SetOptions::ttl(Ttl::seconds(60));
    store.set(&key("a"), "v".into(), long).await.unwrap();
    let at = |seconds: i64, left: i64| {
        let now = 1_767_225_600_000_000 + seconds * 1_000_000;
        Reply::Array(vec![Reply::Integer(now), Reply::Integer(left)])
    };
    let keys = [key("a")];
    assert_eq!(run(&store, now, &keys).await.unwrap(), at(0, 60_000));
    store.advance_wall_clock(Duration::from_secs(3_600));
    assert_eq!(run(&store, now, &keys).await.unwrap(), at(3_600, 60_000));
    advance(Duration::from_secs(10)).await;
    assert_eq!(run(&store, now, &keys).await.unwrap(), at(3_610, 50_000));
    store.rewind_wall_clock(Duration::from_secs(7_200));
    assert_eq!(run(&store, now, &keys).await.unwrap(), at(-3_590, 50_000));
    advance(Duration::from_secs(50)).await;
    assert_eq!(run(&store, now, &keys).await.unwrap(), at(-3_540, -1));
}

#[tokio::test(start_paused = true)]
async fn an_expired_collection_is_swept_with_its_cost() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        tx.hset(&keys[0], &[("f".into(), vec![0; 5_000].into())])?;
        tx.pexpire(&keys[0], ExpireChange::After(Ttl::seconds(1)))?;
        Ok(Reply::Nil)
    }
    let store = MemoryStore::new();
    run(&store, body, &[key("a")]).await.unwrap();
    assert!(used(&store).await > 5_000);
    advance(Duration::from_secs(1)).await;
    assert!(
        store.get(&key("a")).await.unwrap().is_none(),
        "not a wrong type"
    );
    assert_eq!(used(&store).await, 0);
    assert_level(&store);
}

/// Adds a field of a kilobyte to a hash with a TTL.
fn grow(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    tx.hset(&keys[0], &[(args[0].clone(), vec![0; 1_000].into())])?;
    tx.pexpire(&keys[0], ExpireChange::After(Ttl::seconds(3_600)))?;
    Ok(Reply::Nil)
}

#[tokio::test]
async fn growth_in_place_is_charged_and_evicted_for() {
    let store = MemoryStore::builder().byte_budget(100_000).build();
    for number in 0..2_000 {
        let field = [Bytes::from(number.to_string())];
        run_with(&store, grow, &[numbered(number % 50)], &field)
            .await
            .unwrap();
        assert!(used(&store).await <= 100_000);
        assert_level(&store);
    }
    let kept = store.server_facts().await.unwrap().keys;
    assert!(kept >= 1, "something fits");
}

#[tokio::test]
async fn a_full_store_refuses_runs_that_may_write_before_they_start() {
    fn persist(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        tx.set(&keys[0], vec![0; 60_000].into(), forever())?;
        Ok(Reply::Nil)
    }
    fn read(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        Ok(Reply::Integer(i64::from(tx.exists(&keys[0])?)))
    }
    let store = MemoryStore::builder().byte_budget(100_000).build();
    store
        .set(&key("volatile"), "v".into(), volatile())
        .await
        .unwrap();
    for name in ["a", "b"] {
        // The second passes the budget: what it is going to write is not known when it starts.
        run(&store, persist, &[key(name)]).await.unwrap();
    }
    assert!(used(&store).await > 100_000);
    let refused = run(&store, persist, &[key("c")]).await.unwrap_err();
    assert_eq!(
        (
            refused.kind(),
            refused.may_have_applied(),
            refused.operation()
        ),
        (ErrorKind::OutOfMemory, false, "test")
    );
    assert!(!store.exists(&key("c")).await.unwrap());
    assert!(
        store.exists(&key("volatile")).await.unwrap(),
        "nothing is evicted in vain"
    );
    let reading = script(read).with_effect(ScriptEffect::ReadOnly);
    let call = ScriptCall::new(vec![key("a")], Vec::new());
    let replies = store.run_script(&reading, &[call]).await.unwrap();
    assert_eq!(replies, [Reply::Integer(1)]);
    // Deleting makes room again.
    store.delete_one(&key("a")).await.unwrap();
    run(&store, persist, &[key("a")])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn a_body_that_panics_leaves_no_lock_held_and_the_books_level() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        for key in keys {
            tx.hset(key, &[("f".into(), vec![0; 1_000].into())])?;
        }
        panic!("a bug in a script");
    }
    let store = MemoryStore::new();
    let keys: Vec<Key> = (0..100).map(numbered).collect();
    let (running, declared) = (store.clone(), keys.clone());
    let task = tokio::spawn(async move { run(&running, body, &declared).await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    assert_level(&store);
    assert!(used(&store).await > 100_000, "what it wrote stays");
    assert_eq!(store.delete(&keys).await.unwrap(), 100);
    assert_eq!(used(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn now_follows_a_wall_clock_before_the_epoch_and_centuries_after_it() {
    let store = MemoryStore::new();
    let at = async || match run(&store, now, &[]).await.unwrap() {
        Reply::Array(parts) => match parts[0] {
            Reply::Integer(now) => now,
            _ => -1,
        },
        _ => -1,
    };
    store.set_wall_clock(SystemTime::UNIX_EPOCH - Duration::from_secs(10));
    assert_eq!(at().await, 0);
    advance(Duration::from_secs(15)).await;
    assert_eq!(at().await, 5_000_000);
    let centuries = Duration::from_secs(600 * 365 * 86_400);
    store.set_wall_clock(SystemTime::UNIX_EPOCH + centuries);
    advance(Duration::from_micros(3)).await;
    assert_eq!(at().await, 18_921_600_000_000_003);
    // The nanoseconds of the start fit into a word, those of now do not.
    store.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::MAX - 1_000));
    advance(Duration::from_micros(2)).await;
    assert_eq!(at().await, 18_446_744_073_709_552);
}

#[tokio::test]
async fn looking_and_copying_are_getting_and_setting() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], _: &[Bytes]) -> Result<Reply> {
        let key = &keys[0];
        assert_eq!(tx.look(key)?, None);
        let once = forever().with_condition(crate::Condition::IfAbsent);
        assert!(tx.set_copy(key, b"first", once)?);
        assert!(!tx.set_copy(key, b"second", once)?);
        assert_eq!(tx.look(key)?, Some(&b"first"[..]));
        assert!(tx.set_copy(key, b"third", volatile())?);
        assert_eq!(tx.get(key)?.as_deref(), Some(&b"third"[..]));
        assert!(matches!(tx.pttl(key)?, KeyExpiry::In(_)));
        tx.del(key)?;
        tx.hset(key, &[(Bytes::new(), Bytes::new())])?;
        assert_eq!(tx.look(key).unwrap_err().kind(), ErrorKind::WrongType);
        tx.set_copy(key, b"fourth", forever()).map(|_| Reply::Nil)
    }
    let store = MemoryStore::new();
    run(&store, body, &[key("a")]).await.unwrap();
    assert_eq!(
        store.get(&key("a")).await.unwrap().as_deref(),
        Some(&b"fourth"[..])
    );
    assert_level(&store);
}

/// Adds its second number to each key, and answers the sums.
const ADD: Script = Script::new("add", "").with_numbers(|tx, keys, args, reply| {
    for (key, sum) in keys.iter().zip(&mut *reply) {
        *sum = tx.incrby(key, args[1])?;
    }
    match keys.len() <= reply.len() {
        true => Ok(keys.len()),
        false => Err(Error::new(ErrorKind::Unexpected, "add")),
    }
});

#[tokio::test]
async fn numbers_are_run_at_once_as_one_command() {
    let store = MemoryStore::new();
    let (keys, mut reply) = ([key("a"), key("b"), key("a")], [0; 4]);
    let len = store.run_numbers(&ADD, &keys, &[0, 5], &mut reply);
    assert_eq!((len.unwrap().unwrap(), reply), (3, [5, 5, 10, 0]));
    assert_eq!(store.server_facts().await.unwrap().total_commands, 1);
    assert_level(&store);
    let text_only = script(now);
    assert!(store.run_numbers(&text_only, &[], &[], &mut []).is_none());
}

#[tokio::test]
async fn numbers_meet_the_refusals_of_every_run() {
    let run = |store: &MemoryStore, keys: &[Key]| {
        let answer = store.run_numbers(&ADD, keys, &[0, 1], &mut [0; 1]);
        answer.unwrap().unwrap_err()
    };
    let store = MemoryStore::new();
    let error = run(&store, &[key("a"), key("b")]);
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Unexpected, true)
    );
    store.close().await;
    assert_eq!(run(&store, &[key("a")]).kind(), ErrorKind::Closed);
    let clustered = MemoryStore::builder().clustered(true).build();
    let error = run(&clustered, &[key("a"), key("b")]);
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::CrossSlot, false)
    );
    assert_eq!(used(&clustered).await, 0);
}

#[tokio::test]
async fn a_closed_store_runs_nothing() {
    let store = MemoryStore::new();
    store.close().await;
    let error = run(&store, now, &[]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Closed, false)
    );
}

#[tokio::test]
async fn a_run_counts_as_one_command() {
    let store = MemoryStore::new();
    run(&store, now, &[key("a"), key("b")]).await.unwrap();
    assert_eq!(store.server_facts().await.unwrap().total_commands, 1);
}

#[tokio::test]
async fn short_fields_and_members_are_detached_from_their_buffer() {
    fn body(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
        tx.hset(&keys[0], &[(args[0].clone(), args[0].clone())])?;
        tx.zadd(&keys[1], ZAddCondition::Always, &[(1.0, args[0].clone())])?;
        Ok(Reply::Nil)
    }
    let buffer = Bytes::from(vec![7; 1 << 20]);
    let store = MemoryStore::new();
    run_with(&store, body, &[key("a"), key("b")], &[buffer.slice(..100)])
        .await
        .unwrap();
    assert!(buffer.is_unique());
}
