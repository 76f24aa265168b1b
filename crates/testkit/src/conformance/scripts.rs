//! Scripts, where the store runs them; the typed refusal where it does not.

use bytes::Bytes;
use cachekit_store::{ErrorKind, Reply, Script, ScriptCall};

use super::fixture::Fixture;

const ECHO: Script = Script::new("conformance-echo", "return ARGV[1]");
const STORE: Script = Script::new(
    "conformance-store",
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return redis.call('GET', KEYS[1])",
);
const KINDS: Script = Script::new(
    "conformance-kinds",
    "return {false, 7, 'text', redis.status_reply('FINE'), {1, {2}}}",
);
const FAILING: Script = Script::new(
    "conformance-failing",
    "return redis.call('NO-SUCH-COMMAND', KEYS[1])",
);

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
