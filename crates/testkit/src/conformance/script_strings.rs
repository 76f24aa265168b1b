//! Strings and counters within scripts.

use cachekit_store::{ErrorKind, Reply};

use super::{
    commands::{EXISTS, GET, HSET, INCRBY, PTTL, SET, string},
    fixture::{Fixture, millis},
};

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

pub(super) async fn get_answers_what_set_wrote(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(fixture.call(&GET, &key, &[]).await, Reply::Nil);
    assert_eq!(fixture.call(&SET, &key, &["value"]).await, ok());
    assert_eq!(fixture.call(&GET, &key, &[]).await, string("value"));
    assert_eq!(fixture.call(&SET, &key, &[""]).await, ok());
    assert_eq!(fixture.call(&GET, &key, &[]).await, string(""));
    assert_eq!(
        fixture.call(&EXISTS, &key, &[]).await,
        Reply::Integer(1),
        "an empty string is a value"
    );
}

pub(super) async fn set_obeys_its_condition(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(fixture.call(&SET, &key, &["1", "XX"]).await, Reply::Nil);
    assert_eq!(fixture.call(&SET, &key, &["2", "NX"]).await, ok());
    assert_eq!(fixture.call(&SET, &key, &["3", "NX"]).await, Reply::Nil);
    fixture.assert_value(&key, "2").await;
    assert_eq!(fixture.call(&SET, &key, &["4", "XX"]).await, ok());
    fixture.assert_value(&key, "4").await;
}

pub(super) async fn set_gives_keeps_and_removes_a_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.call(&SET, &key, &["1", "PX", "600000"]).await;
    fixture.assert_ttl(&key, millis(600_000)).await;
    fixture.call(&SET, &key, &["2", "KEEPTTL"]).await;
    fixture.assert_ttl(&key, millis(600_000)).await;
    fixture.call(&SET, &key, &["3"]).await;
    fixture.assert_forever(&key).await;
    fixture.assert_value(&key, "3").await;
}

pub(super) async fn set_overwrites_any_type(fixture: &Fixture) {
    let key = fixture.key("a");
    fixture.call(&HSET, &key, &["field", "value"]).await;
    let refused = fixture.refusal(&GET, &key, &[]).await;
    assert_eq!(refused.kind(), ErrorKind::WrongType, "{refused}");
    assert_eq!(fixture.call(&SET, &key, &["text", "NX"]).await, Reply::Nil);
    assert_eq!(fixture.call(&SET, &key, &["text"]).await, ok());
    fixture.assert_value(&key, "text").await;
}

pub(super) async fn incrby_counts_from_zero_and_keeps_the_ttl(fixture: &Fixture) {
    let key = fixture.key("a");
    assert_eq!(fixture.call(&INCRBY, &key, &["7"]).await, Reply::Integer(7));
    assert_eq!(fixture.call(&PTTL, &key, &[]).await, Reply::Integer(-1));
    fixture.call(&SET, &key, &["10", "PX", "600000"]).await;
    assert_eq!(
        fixture.call(&INCRBY, &key, &["-12"]).await,
        Reply::Integer(-2)
    );
    fixture.assert_value(&key, "-2").await;
    fixture.assert_ttl(&key, millis(600_000)).await;
}

pub(super) async fn incrby_refuses_what_cannot_be_counted(fixture: &Fixture) {
    let key = fixture.key("a");
    for (value, kind) in [
        ("text", ErrorKind::WrongType),
        (" 1", ErrorKind::WrongType),
        ("1.5", ErrorKind::WrongType),
        ("9223372036854775808", ErrorKind::WrongType),
        ("9223372036854775807", ErrorKind::InvalidInput),
    ] {
        fixture.call(&SET, &key, &[value]).await;
        let refused = fixture.refusal(&INCRBY, &key, &["1"]).await;
        assert_eq!(refused.kind(), kind, "{value}: {refused}");
        assert!(!refused.is_retryable());
        fixture.assert_value(&key, value).await;
    }
    let hash = fixture.key("hash");
    fixture.call(&HSET, &hash, &["field", "1"]).await;
    let refused = fixture.refusal(&INCRBY, &hash, &["1"]).await;
    assert_eq!(refused.kind(), ErrorKind::WrongType, "{refused}");
}
