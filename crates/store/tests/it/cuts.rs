//! Connections that are cut off when the server has carried out a change: each is carried out once, and said to be possible.

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ErrorKind, Increment, PubSubItem, RedisStore, Result, Script, ScriptCall, SetOptions, Store,
    SubscribeRequest,
};
use cachekit_testkit::{
    chaos::Proxy,
    server::{Kind, SharedServer},
};

const COUNT: Script = Script::new("count", "return redis.call('INCR', KEYS[1])");

fn key() -> Key {
    Key::from_raw(format!("cuts:{:016x}", fastrand::u64(..))).unwrap()
}

fn minute() -> SetOptions {
    SetOptions::ttl(Ttl::seconds(60))
}

async fn set(store: &RedisStore, key: &Key) -> Result<()> {
    store.set(key, "new".into(), minute()).await.map(drop)
}

async fn increment(store: &RedisStore, key: &Key) -> Result<()> {
    let one = Increment::new(key.clone(), 1, Ttl::seconds(60));
    store.increment(&[one]).await.map(drop)
}

async fn count(store: &RedisStore, key: &Key) -> Result<()> {
    let call = ScriptCall::new(vec![key.clone()], Vec::new());
    store.run_script(&COUNT, &[call]).await.map(drop)
}

async fn delete(store: &RedisStore, key: &Key) -> Result<()> {
    store.delete(std::slice::from_ref(key)).await.map(drop)
}

async fn publish(store: &RedisStore, key: &Key) -> Result<()> {
    store.publish(&key.to_bytes(), "m".into()).await.map(drop)
}

/// A change of a key whose answer is lost; answers its server, a store that is not cut off, and the key.
async fn cut_off(
    change: impl AsyncFn(&RedisStore, &Key) -> Result<()>,
    prepare: impl AsyncFn(&RedisStore, &Key),
) -> Option<(SharedServer, RedisStore, Key)> {
    let server = SharedServer::of(Kind::Redis7).await.unwrap()?;
    let proxy = Proxy::start(server.url()).await.unwrap();
    let cut_off = RedisStore::connect(&proxy.url()).await.unwrap();
    let (direct, key) = (RedisStore::connect(server.url()).await.unwrap(), key());
    prepare(&direct, &key).await;
    let cut = proxy.cut_at_reply(key.as_bytes());
    let error = change(&cut_off, &key).await.unwrap_err();
    cut.happened().await;
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Unavailable, true),
        "{error}"
    );
    Some((server, direct, key))
}

async fn found(store: &RedisStore, key: &Key) -> Option<Bytes> {
    store.get(key).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_whose_answer_was_lost_is_written() {
    let Some((_server, store, key)) = cut_off(set, async |_, _| {}).await else {
        return;
    };
    assert_eq!(found(&store, &key).await.unwrap(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_whose_answer_was_lost_is_made_once() {
    // The server knows the script by then, so that the answer which is lost is that of the addition.
    let prepare = async |store: &RedisStore, _: &Key| increment(store, &key()).await.unwrap();
    let Some((_server, store, key)) = cut_off(increment, prepare).await else {
        return;
    };
    assert_eq!(found(&store, &key).await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_answer_was_lost_is_run_once() {
    let prepare = async |store: &RedisStore, _: &Key| {
        let other = key();
        count(store, &other).await.unwrap();
        delete(store, &other).await.unwrap();
    };
    let Some((_server, store, key)) = cut_off(count, prepare).await else {
        return;
    };
    assert_eq!(found(&store, &key).await.unwrap(), "1");
    delete(&store, &key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_answer_was_lost_is_made() {
    let prepare = async |store: &RedisStore, key: &Key| set(store, key).await.unwrap();
    let Some((_server, store, key)) = cut_off(delete, prepare).await else {
        return;
    };
    assert_eq!(found(&store, &key).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_was_lost_is_published_once() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let listener = RedisStore::connect(server.url()).await.unwrap();
    let channels = SubscribeRequest::pattern("cuts:*");
    let mut heard = listener.subscribe(channels).await.unwrap();
    assert!(matches!(heard.next().await, Some(PubSubItem::Gap(_))));
    let (_server, store, key) = cut_off(publish, async |_, _| {}).await.unwrap();
    store.publish(&key.to_bytes(), "last".into()).await.unwrap();
    let mut payloads = Vec::new();
    while payloads.last().is_none_or(|last: &Bytes| last != "last") {
        if let Some(PubSubItem::Message { channel, payload }) = heard.next().await
            && channel == key.to_bytes()
        {
            payloads.push(payload);
        }
    }
    assert_eq!(payloads, ["m", "last"]);
}
