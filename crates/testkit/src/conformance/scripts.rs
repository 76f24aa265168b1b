//! Scripts, where the store runs them; the typed refusal where it does not.

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Error, ErrorKind, Reply, Result, Script, ScriptCall, SetOptions, Transaction,
};

use super::fixture::Fixture;

const ECHO: Script = Script::new("conformance-echo", "return ARGV[1]")
    .with_body(|_, _, args| Ok(Reply::Bytes(args[0].clone())));
const STORE: Script = Script::new(
    "conformance-store",
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return redis.call('GET', KEYS[1])",
)
.with_body(store);
const KINDS: Script = Script::new(
    "conformance-kinds",
    "return {false, 7, 'text', redis.status_reply('FINE'), {1, {2}}}",
)
.with_body(kinds);
const FAILING: Script = Script::new(
    "conformance-failing",
    "return redis.call('NO-SUCH-COMMAND', KEYS[1])",
)
.with_body(|_, _, _| Err(Error::new(ErrorKind::Unexpected, "conformance-failing")));

fn store(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let millis = std::str::from_utf8(&args[1])
        .ok()
        .and_then(|text| text.parse().ok());
    let ttl = Ttl::from_millis(millis.expect("the second argument is a time"))?;
    tx.set(&keys[0], args[0].clone(), SetOptions::ttl(ttl))?;
    Ok(tx.get(&keys[0])?.map_or(Reply::Nil, Reply::Bytes))
}

fn kinds(_: &mut dyn Transaction, _: &[Key], _: &[Bytes]) -> Result<Reply> {
    let inner = Reply::Array(vec![
        Reply::Integer(1),
        Reply::Array(vec![Reply::Integer(2)]),
    ]);
    Ok(Reply::Array(vec![
        Reply::Nil,
        Reply::Integer(7),
        Reply::Bytes(bytes("text")),
        Reply::Status("FINE".to_owned()),
        inner,
    ]))
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

pub(super) async fn replies_come_in_the_order_of_the_calls(fixture: &Fixture) {
    let call = |text| ScriptCall::new(vec![fixture.key("a")], vec![bytes(text)]);
    let calls = ["one", "two", "three"].map(call);
    let replies = fixture.store.run_script(&ECHO, &calls).await.unwrap();
    assert_eq!(
        replies,
        ["one", "two", "three"].map(|text| Reply::Bytes(bytes(text)))
    );
}

pub(super) async fn keys_and_arguments_reach_the_script(fixture: &Fixture) {
    let key = fixture.key("a");
    let call = ScriptCall::new(vec![key.clone()], vec![bytes("value"), bytes("60000")]);
    let replies = fixture.store.run_script(&STORE, &[call]).await.unwrap();
    assert_eq!(replies, [Reply::Bytes(bytes("value"))]);
    fixture.assert_value(&key, "value").await;
}

pub(super) async fn every_kind_of_reply_is_read(fixture: &Fixture) {
    let call = ScriptCall::new(vec![fixture.key("a")], Vec::new());
    let replies = fixture.store.run_script(&KINDS, &[call]).await.unwrap();
    let inner = Reply::Array(vec![
        Reply::Integer(1),
        Reply::Array(vec![Reply::Integer(2)]),
    ]);
    let expected = vec![
        Reply::Nil,
        Reply::Integer(7),
        Reply::Bytes(bytes("text")),
        Reply::Status("FINE".to_owned()),
        inner,
    ];
    assert_eq!(replies, [Reply::Array(expected)]);
}

pub(super) async fn no_calls_answer_nothing(fixture: &Fixture) {
    assert!(
        fixture
            .store
            .run_script(&ECHO, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn a_failing_script_is_an_error(fixture: &Fixture) {
    let call = ScriptCall::new(vec![fixture.key("a")], Vec::new());
    let error = fixture
        .store
        .run_script(&FAILING, &[call])
        .await
        .unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    fixture.store.time().await.expect("the store still works");
}

pub(super) async fn without_the_capability_scripts_are_unsupported(fixture: &Fixture) {
    let call = ScriptCall::new(vec![fixture.key("a")], vec![bytes("x")]);
    let error = fixture.store.run_script(&ECHO, &[call]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Unsupported, false)
    );
    assert!(error.to_string().contains(ECHO.name), "{error}");
}
