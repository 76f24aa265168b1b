//! The memory store and real servers carry out the same random operations; see `cachekit_testkit::equivalence`.
//!
//! A difference prints a test that can be pasted here. `CACHEKIT_EQUIVALENCE_SEED` and `CACHEKIT_EQUIVALENCE_OPS` repeat a
//! run; `cargo xtask equivalence` compares for longer.

use cachekit_keys::Ttl;
use cachekit_store::{Expiration, ExpireChange, MemoryStore, RedisStore, SetOptions};
use cachekit_testkit::{
    equivalence::{self, Addition, Call, Comparison, Config, Ending, Operation, Side, Write, ttl},
    server::{ClusterServer, Kind, Server},
};

/// How many operations each kind of server is compared on, unless the environment says otherwise.
const OPERATIONS: usize = 10_000;

/// The same for a cluster, where each list connects to all nodes.
const CLUSTER_OPERATIONS: usize = 4_000;

/// The comparison with a server of the test's own: scans walk over all keys of the server.
async fn with_server(kind: Kind) -> Option<(Server, Comparison)> {
    let server = Server::start(kind).await.unwrap()?;
    let redis = Side::redis(&RedisStore::builder(&server.url())).unwrap();
    let comparison = Comparison::new(Side::memory(MemoryStore::new), redis);
    Some((server, comparison))
}

async fn compare_with(kind: Kind) {
    let Some((_server, comparison)) = with_server(kind).await else {
        return;
    };
    compare(kind, &comparison, &Config::from_environment(OPERATIONS)).await;
}

async fn compare(kind: Kind, comparison: &Comparison, config: &Config) {
    if let Err(failed) = equivalence::run(config, comparison).await {
        panic!("{kind}: {failed}");
    }
}

async fn same_on_both(operations: &[Operation]) {
    let Some((_server, comparison)) = with_server(Kind::Redis7).await else {
        return;
    };
    let mismatch = comparison.replay(operations).await.unwrap();
    if let Some(mismatch) = mismatch {
        panic!("{mismatch}");
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

/// Some calls of scripts have keys in two slots here, which both refuse.
#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_in_cluster_mode_is_equivalent_to_a_cluster() {
    let kind = Kind::Redis7;
    let Some(cluster) = ClusterServer::start(kind).await.unwrap() else {
        return;
    };
    let redis = Side::redis(&RedisStore::builder(&cluster.url())).unwrap();
    let memory = Side::memory(|| MemoryStore::builder().clustered(true).build());
    let comparison = Comparison::new(memory, redis);
    let config = Config::from_environment(CLUSTER_OPERATIONS).with_cross_slot();
    compare(kind, &comparison, &config).await;
}

/// What a run's random lists may or may not hold, in one fixed list.
#[tokio::test]
async fn a_list_written_by_hand_is_the_same_on_both() {
    let forever = SetOptions::new(Expiration::Never);
    let program = |args: &[&'static str]| Operation::Script {
        script: "timed-program",
        calls: vec![Call {
            keys: vec![1, 2],
            args: args.iter().map(|arg| (*arg).into()).collect(),
        }],
    };
    let operations = [
        Operation::Set(Write {
            key: 0,
            value: b"9223372036854775807".into(),
            options: forever,
        }),
        Operation::Increment {
            additions: vec![Addition {
                key: 0,
                by: 1,
                ttl: Some(Ttl::seconds(1_000)),
            }],
        },
        Operation::Expire {
            keys: vec![0],
            change: ExpireChange::AtLeast(ttl(2_000_000)),
        },
        // The first step stays although the second fails.
        program(&["HSET", "1", "2", "f", "1", "INCRBY", "1", "1", "1"]),
        program(&[
            "ZADD", "2", "4", "@now+5", "m", "@now-0", "n", "PTTL", "2", "0",
        ]),
        Operation::Clock { micros: 5 },
        program(&[
            "ZADD", "2", "3", "LT", "@now+0", "m", "ZSCORE", "2", "1", "m",
        ]),
        Operation::Outlive {
            keys: vec![0, 1],
            ending: Ending::Expire,
        },
        Operation::Scan {
            pattern: b"*".into(),
            count: 1,
        },
    ];
    same_on_both(&operations).await;
}
