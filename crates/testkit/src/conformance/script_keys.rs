//! Keys of any type within scripts, and what single commands make of the types that scripts write.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{ErrorKind, ExpireChange, Increment, KeyExpiry, Reply, ScanRequest, StoreExt};

use super::{
    commands::{
        DEL, EXISTS, GET, HGETALL, HLEN, HSET, INCRBY, PERSIST, PEXPIRE, PTTL, SET, ZADD, ZCARD,
        strings,
    },
    fixture::{Fixture, LONG, millis, outlive},
};

const YES: Reply = Reply::Integer(1);
const NO: Reply = Reply::Integer(0);

/// A string, a hash and a sorted set.
async fn one_of_each(fixture: &Fixture) -> [Key; 3] {
    let keys = ["text", "hash", "set"].map(|name| fixture.key(name));
    fixture.call(&SET, &keys[0], &["value"]).await;
    fixture.call(&HSET, &keys[1], &["field", "value"]).await;
    fixture.call(&ZADD, &keys[2], &["1", "member"]).await;
    keys
}

pub(super) async fn exists_and_del_take_every_type(fixture: &Fixture) {
    for key in one_of_each(fixture).await {
        assert_eq!(fixture.call(&EXISTS, &key, &[]).await, YES);
        assert_eq!(fixture.call(&DEL, &key, &[]).await, YES);
        assert_eq!(fixture.call(&DEL, &key, &[]).await, NO);
        assert_eq!(fixture.call(&EXISTS, &key, &[]).await, NO);
        fixture.assert_missing(&key).await;
    }
}

pub(super) async fn pttl_tells_missing_never_and_remaining(fixture: &Fixture) {
    let missing = fixture.key("missing");
    assert_eq!(fixture.call(&PTTL, &missing, &[]).await, Reply::Integer(-2));
    for key in one_of_each(fixture).await {
        assert_eq!(fixture.call(&PTTL, &key, &[]).await, Reply::Integer(-1));
        assert_eq!(fixture.call(&PEXPIRE, &key, &["1000000"]).await, YES);
        assert_lives(fixture, &key, 1_000_000).await;
    }
}

pub(super) async fn a_life_is_changed_under_its_condition(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(fixture.call(&PEXPIRE, &key, &["1000"]).await, NO);
    assert_eq!(fixture.call(&PERSIST, &key, &[]).await, NO);
    fixture.call(&HSET, &key, &["field", "value"]).await;
    let raised = fixture.call(&PEXPIRE, &key, &["900000", "GT"]).await;
    assert_eq!(raised, NO, "no time to live is longer than any");
    assert_eq!(fixture.call(&PEXPIRE, &key, &["500000", "NX"]).await, YES);
    assert_eq!(fixture.call(&PEXPIRE, &key, &["900000", "NX"]).await, NO);
    assert_eq!(fixture.call(&PEXPIRE, &key, &["400000", "GT"]).await, NO);
    assert_lives(fixture, &key, 500_000).await;
    assert_eq!(fixture.call(&PEXPIRE, &key, &["900000", "GT"]).await, YES);
    assert_lives(fixture, &key, 900_000).await;
    assert_eq!(fixture.call(&PERSIST, &key, &[]).await, YES);
    assert_eq!(fixture.call(&PERSIST, &key, &[]).await, NO);
    fixture.assert_forever(&key).await;
}

async fn assert_lives(fixture: &Fixture, key: &Key, full: i64) {
    let Reply::Integer(left) = fixture.call(&PTTL, key, &[]).await else {
        panic!("a time is a number")
    };
    assert!(
        (full - 30_000..=full).contains(&left),
        "{left} of {full} ms"
    );
}

pub(super) async fn expired_keys_are_absent(fixture: &Fixture) {
    let keys = one_of_each(fixture).await;
    for key in &keys {
        assert_eq!(fixture.call(&PEXPIRE, key, &["20"]).await, YES);
    }
    outlive(millis(20)).await;
    let [text, hash, set] = &keys;
    assert_eq!(fixture.call(&GET, text, &[]).await, Reply::Nil);
    assert_eq!(fixture.call(&HGETALL, hash, &[]).await, strings(&[]));
    assert_eq!(fixture.call(&ZCARD, set, &[]).await, NO);
    for key in &keys {
        assert_eq!(fixture.call(&EXISTS, key, &[]).await, NO);
        assert_eq!(fixture.call(&PEXPIRE, key, &["1000"]).await, NO);
        assert_eq!(fixture.call(&DEL, key, &[]).await, NO);
    }
}

pub(super) async fn a_write_to_an_expired_key_starts_over(fixture: &Fixture) {
    let keys = one_of_each(fixture).await;
    for key in &keys {
        fixture.call(&PEXPIRE, key, &["20"]).await;
    }
    outlive(millis(20)).await;
    let [text, hash, set] = &keys;
    assert_eq!(fixture.call(&INCRBY, text, &["5"]).await, Reply::Integer(5));
    assert_eq!(fixture.call(&HSET, hash, &["other", "1"]).await, YES);
    assert_eq!(fixture.call(&ZADD, set, &["1", "other"]).await, YES);
    assert_eq!(fixture.call(&HLEN, hash, &[]).await, YES);
    assert_eq!(fixture.call(&ZCARD, set, &[]).await, YES);
    for key in &keys {
        fixture.assert_forever(key).await;
    }
}

pub(super) async fn single_commands_meet_the_types_that_scripts_write(fixture: &Fixture) {
    let [_, hash, set] = one_of_each(fixture).await;
    for key in [hash, set] {
        let store = &fixture.store;
        let kind = |error: cachekit_store::Error| error.kind();
        assert_eq!(
            store.get(&key).await.map_err(kind),
            Err(ErrorKind::WrongType)
        );
        let keys = [key.clone()];
        assert_eq!(store.get_many(&keys).await.unwrap(), [None]);
        assert_eq!(
            store.get_entries(&keys).await.map_err(kind),
            Err(ErrorKind::WrongType)
        );
        assert_eq!(
            store
                .increment(&[Increment::new(key.clone(), 1, LONG)])
                .await
                .map_err(kind),
            Err(ErrorKind::WrongType)
        );
        assert_eq!(store.expiries(&keys).await.unwrap(), [KeyExpiry::Never]);
        let changed = store.expire(&keys, ExpireChange::After(LONG)).await;
        assert_eq!(changed.unwrap(), [true]);
        fixture.assert_ttl(&key, LONG).await;
        fixture.put(&key, "text").await;
        fixture.assert_value(&key, "text").await;
    }
}

pub(super) async fn scans_and_deletions_take_every_type(fixture: &Fixture) {
    let keys = one_of_each(fixture).await;
    let mut request = ScanRequest::new(fixture.space.everything());
    let mut found = Vec::new();
    loop {
        let page = fixture.store.scan(&request).await.unwrap();
        found.extend(page.keys);
        match page.next {
            Some(next) => request = request.continue_from(next),
            None => break,
        }
    }
    found.sort();
    found.dedup();
    let mut expected = keys.to_vec();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(fixture.store.delete(&keys).await.unwrap(), 3);
}

pub(super) async fn a_script_reads_what_single_commands_wrote(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.put(&key, "value").await;
    assert_eq!(
        fixture.call(&GET, &key, &[]).await,
        Reply::Bytes(Bytes::from_static(b"value"))
    );
    assert_lives(fixture, &key, 1_000_000).await;
    let keys = [key.clone()];
    let expired = fixture.store.expire(&keys, ExpireChange::After(millis(20)));
    assert_eq!(expired.await.unwrap(), [true]);
    outlive(millis(20)).await;
    assert_eq!(fixture.call(&GET, &key, &[]).await, Reply::Nil);
    assert!(!fixture.store.exists(&key).await.unwrap());
}
