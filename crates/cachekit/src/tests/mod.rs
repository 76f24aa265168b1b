//! The wiring: that what the builder was told reaches what is behind it.

#[cfg(feature = "patterns")]
mod handles;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "redis")]
mod redis;
mod stuck;

use std::{sync::Arc, time::Duration};

use crate::{
    CacheKit, CacheKitBuilder, ErrorKind, KeyFormat, MemoryStore, ShutdownReport,
    tests::stuck::StuckStore,
};

const fn assert_shared<T: Send + Sync + 'static>() {}

fn assert_send<T: Send>(_: T) {}

const _: () = {
    assert_shared::<CacheKit>();
    assert_shared::<CacheKitBuilder>();
    assert_shared::<ShutdownReport>();
};

#[expect(dead_code, reason = "only type-checked")]
fn futures_are_send(kit: &CacheKit) {
    assert_send(kit.get_stats());
    assert_send(kit.shutdown(Duration::ZERO));
    #[cfg(feature = "redis")]
    assert_send(CacheKit::connect("redis://127.0.0.1"));
    #[cfg(feature = "patterns")]
    assert_send(kit.delete_by_pattern("session:*"));
}

#[test]
fn keys_are_sharded_where_the_store_is_clustered_unless_the_builder_says_otherwise() {
    let clustered = || Arc::new(MemoryStore::builder().clustered(true).build());
    let format = |builder: CacheKitBuilder| builder.build().unwrap().schema().format();

    assert_eq!(format(CacheKit::builder()), KeyFormat::Plain);
    assert_eq!(
        format(CacheKit::builder().store(clustered())),
        KeyFormat::Sharded
    );
    let plain = CacheKit::builder()
        .store(clustered())
        .key_format(KeyFormat::Plain);
    assert_eq!(format(plain), KeyFormat::Plain);
}

#[tokio::test]
async fn the_statistics_are_the_stores() {
    let facts = CacheKit::memory().get_stats().await.unwrap();
    assert_eq!(facts.product, "memory");
}

#[tokio::test]
async fn shutdown_closes_the_store_of_every_clone_and_can_be_repeated() {
    let kit = CacheKit::memory();
    let clone = kit.clone();
    assert!(kit.shutdown(Duration::from_secs(1)).await.completed);
    assert_eq!(
        clone.get_stats().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert!(clone.shutdown(Duration::from_secs(1)).await.completed);
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_up_at_its_deadline_and_says_so() {
    let kit = CacheKit::builder()
        .store(Arc::new(StuckStore))
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();
    assert!(!kit.shutdown(Duration::from_secs(5)).await.completed);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}
