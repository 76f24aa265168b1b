//! The memory store keeps the contract, under paused time and with several threads.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    Error, ErrorKind, Gap, MemoryStore, PubSubItem, Script, ScriptCall, SetOptions, Store,
    StoreExt, SubscribeRequest,
};
use cachekit_testkit::conformance::{self, MemorySubject};

#[tokio::test(start_paused = true)]
async fn the_memory_store_conforms() {
    conformance::run(Arc::new(MemorySubject::new(MemoryStore::new()))).await;
}

#[tokio::test(start_paused = true)]
async fn the_memory_store_in_cluster_mode_conforms() {
    let store = MemoryStore::builder().clustered(true).build();
    conformance::run(Arc::new(MemorySubject::new(store))).await;
}

#[tokio::test(start_paused = true)]
async fn a_memory_store_with_small_limits_conforms() {
    let store = MemoryStore::builder()
        .max_value_size(2 << 20)
        .byte_budget(8 << 20)
        .build();
    conformance::run(Arc::new(MemorySubject::new(store))).await;
}

/// The cases are to run on several threads as well; here time is real, and the few waits are short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_store_conforms_on_several_threads() {
    conformance::run(Arc::new(MemorySubject::new(MemoryStore::new()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_trait_object_has_the_conveniences() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let key = Key::from_raw("k").unwrap();
    store
        .set_ttl(&key, "v".into(), Ttl::seconds(5))
        .await
        .unwrap();
    assert!(store.exists(&key).await.unwrap());
    assert!(store.delete_one(&key).await.unwrap());
    assert!(!store.delete_one(&key).await.unwrap());
}

#[tokio::test]
async fn futures_and_handles_can_cross_threads() {
    fn assert_send_sync<T: Send + Sync + 'static>(_: &T) {}
    fn assert_send<T: Send>(_: &T) {}
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    assert_send_sync(&store);
    let key = Key::from_raw("k").unwrap();
    let write = store.set(&key, "v".into(), SetOptions::ttl(Ttl::MIN));
    assert_send(&write);
    assert!(write.await.unwrap());
}

#[tokio::test]
async fn what_a_run_published_arrives_in_order_although_the_run_failed() {
    const TELL: Script = Script::new("tell", "").with_body(|tx, _, _| {
        for payload in ["one", "two"] {
            tx.publish(b"events:told", Bytes::from_static(payload.as_bytes()));
        }
        Err(Error::new(ErrorKind::InvalidInput, "tell"))
    });
    let store = MemoryStore::new();
    let request = SubscribeRequest::channel("events:told");
    let mut subscription = store.subscribe(request).await.unwrap();
    let call = ScriptCall::new(vec![Key::from_raw("k").unwrap()], Vec::new());
    store.run_script(&TELL, &[call]).await.unwrap_err();
    assert_eq!(
        subscription.next().await,
        Some(PubSubItem::Gap(Gap::Subscribed))
    );
    for payload in ["one", "two"] {
        let expected = PubSubItem::Message {
            channel: "events:told".into(),
            payload: payload.into(),
        };
        assert_eq!(subscription.next().await, Some(expected));
    }
}
