//! Hashes within scripts.

use cachekit_keys::Key;
use cachekit_store::{ErrorKind, Reply, Script};

use super::{
    commands::{EXISTS, HDEL, HGET, HGETALL, HINCRBY, HLEN, HSET, PEXPIRE, SET, string, strings},
    fixture::{Fixture, millis},
};

pub(super) async fn hset_counts_new_fields(fixture: &Fixture) {
    let key = fixture.key("a");
    let fields = ["one", "1", "two", "2"];
    assert_eq!(fixture.call(&HSET, &key, &fields).await, Reply::Integer(2));
    let fields = ["two", "zwei", "three", "3"];
    assert_eq!(fixture.call(&HSET, &key, &fields).await, Reply::Integer(1));
    assert_eq!(fixture.call(&HLEN, &key, &[]).await, Reply::Integer(3));
    assert_eq!(fixture.call(&HGET, &key, &["two"]).await, string("zwei"));
}

pub(super) async fn a_field_named_twice_has_its_last_value(fixture: &Fixture) {
    let key = fixture.key("a");
    let fields = ["one", "1", "one", "2"];
    assert_eq!(fixture.call(&HSET, &key, &fields).await, Reply::Integer(1));
    assert_eq!(fixture.call(&HGET, &key, &["one"]).await, string("2"));
}

pub(super) async fn missing_hashes_and_fields_are_nothing(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(fixture.call(&HGET, &key, &["field"]).await, Reply::Nil);
    assert_eq!(fixture.call(&HGETALL, &key, &[]).await, strings(&[]));
    assert_eq!(fixture.call(&HLEN, &key, &[]).await, Reply::Integer(0));
    assert_eq!(
        fixture.call(&HDEL, &key, &["field"]).await,
        Reply::Integer(0)
    );
    assert_eq!(
        fixture.call(&EXISTS, &key, &[]).await,
        Reply::Integer(0),
        "reading makes nothing"
    );
    fixture.call(&HSET, &key, &["field", "value"]).await;
    assert_eq!(fixture.call(&HGET, &key, &["other"]).await, Reply::Nil);
}

pub(super) async fn hgetall_answers_every_field_with_its_value(fixture: &Fixture) {
    let key = fixture.key("a");
    let names: Vec<String> = (0..200).map(|number| format!("field {number}")).collect();
    for name in &names {
        fixture.call(&HSET, &key, &[name, &name[6..]]).await;
    }
    let Reply::Array(parts) = fixture.call(&HGETALL, &key, &[]).await else {
        panic!("a list")
    };
    let mut found: Vec<(Reply, Reply)> = parts
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    assert_eq!(found.len(), 200);
    for name in &names {
        let expected = (string(name), string(&name[6..]));
        let position = found.iter().position(|pair| *pair == expected);
        found.swap_remove(position.unwrap_or_else(|| panic!("{name} is missing")));
    }
}

pub(super) async fn an_emptied_hash_is_gone(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture
        .call(&HSET, &key, &["one", "1", "two", "2", "three", "3"])
        .await;
    let removed = fixture.call(&HDEL, &key, &["one", "two", "two", "four"]);
    assert_eq!(removed.await, Reply::Integer(2));
    assert_eq!(
        fixture.call(&HDEL, &key, &["three"]).await,
        Reply::Integer(1)
    );
    assert_eq!(fixture.call(&EXISTS, &key, &[]).await, Reply::Integer(0));
    fixture.assert_missing(&key).await;
    // Its key is free for another type.
    fixture.put(&key, "text").await;
    fixture.assert_value(&key, "text").await;
}

pub(super) async fn hincrby_counts_from_zero_and_refuses_what_cannot_be_counted(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(
        fixture.call(&HINCRBY, &key, &["n", "5"]).await,
        Reply::Integer(5)
    );
    assert_eq!(
        fixture.call(&HINCRBY, &key, &["n", "-7"]).await,
        Reply::Integer(-2)
    );
    assert_eq!(fixture.call(&HGET, &key, &["n"]).await, string("-2"));
    for (value, kind) in [
        ("text", ErrorKind::WrongType),
        ("1.5", ErrorKind::WrongType),
        ("9223372036854775807", ErrorKind::InvalidInput),
    ] {
        fixture.call(&HSET, &key, &["n", value]).await;
        let refused = fixture.refusal(&HINCRBY, &key, &["n", "1"]).await;
        assert_eq!(refused.kind(), kind, "{value}: {refused}");
        assert_eq!(fixture.call(&HGET, &key, &["n"]).await, string(value));
    }
}

pub(super) async fn writes_to_a_hash_keep_its_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.call(&HSET, &key, &["field", "1"]).await;
    fixture.assert_forever(&key).await;
    fixture.call(&PEXPIRE, &key, &["600000"]).await;
    fixture.call(&HSET, &key, &["field", "2"]).await;
    fixture.call(&HSET, &key, &["other", "3"]).await;
    fixture.call(&HINCRBY, &key, &["field", "1"]).await;
    fixture.call(&HDEL, &key, &["other"]).await;
    fixture.assert_ttl(&key, millis(600_000)).await;
}

pub(super) async fn hash_commands_refuse_other_types(fixture: &Fixture) {
    let (text, list) = (fixture.key("text"), fixture.key("list"));
    fixture.call(&SET, &text, &["1"]).await;
    fixture.subject.put_list(&list).await;
    for key in [text, list] {
        assert_wrong_type(fixture, &HGET, &key, &["field"]).await;
        assert_wrong_type(fixture, &HGETALL, &key, &[]).await;
        assert_wrong_type(fixture, &HSET, &key, &["field", "1"]).await;
        assert_wrong_type(fixture, &HDEL, &key, &["field"]).await;
        assert_wrong_type(fixture, &HINCRBY, &key, &["field", "1"]).await;
        assert_wrong_type(fixture, &HLEN, &key, &[]).await;
    }
}

async fn assert_wrong_type(fixture: &Fixture, script: &Script, key: &Key, args: &[&str]) {
    let refused = fixture.refusal(script, key, args).await;
    assert_eq!(refused.kind(), ErrorKind::WrongType, "{refused}");
}
