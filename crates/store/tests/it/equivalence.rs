//! The memory store and real servers carry out the same random operations; see `cachekit_testkit::equivalence`.

use cachekit_store::{MemoryStore, RedisStore};
use cachekit_testkit::{
    equivalence::{self, Comparison, Config, Side},
    server::{Kind, Server},
};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 30_000;

/// A server of the test's own: scans walk over all keys of the server.
async fn compare_with(kind: Kind) {
    let Some(server) = Server::start(kind).await.unwrap() else {
        return;
    };
    let redis = Side::redis(&RedisStore::builder(&server.url())).unwrap();
    let comparison = Comparison::new(Side::memory(MemoryStore::new), redis);
    let config = Config::from_environment(OPERATIONS);
    match equivalence::run(&config, &comparison).await {
        Ok(report) => eprintln!("{kind}: {report}"),
        Err(failed) => panic!("{kind}: {failed}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_is_equivalent_to_redis_7() {
    compare_with(Kind::Redis7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_is_equivalent_to_redis_8() {
    compare_with(Kind::Redis8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_is_equivalent_to_valkey_8() {
    compare_with(Kind::Valkey8).await;
}
