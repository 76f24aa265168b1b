//! The comparison that a crate's own tests make for its scripts.

use cachekit_store::{MemoryStore, RedisStore};

use super::{Comparison, Config, ScriptFamily, Side, run};
use crate::server::{Kind, Server};

/// Compares a family of scripts, among all other operations, on the memory store and on a server of this kind, which is
/// started for it. Does nothing where there is none, see [`Server::start`].
///
/// `operations` is how many, unless [the environment](Config::from_environment) says otherwise.
///
/// # Panics
/// With a test to paste where the two differ, and where the server could not be started or asked.
pub async fn check_family(kind: Kind, family: impl ScriptFamily, operations: usize) {
    let Some(server) = Server::start(kind).await.expect("the server starts") else {
        return;
    };
    let redis = Side::redis(&RedisStore::builder(&server.url())).expect("the address is valid");
    let comparison = Comparison::new(Side::memory(MemoryStore::new), redis).with_family(family);
    let config = Config::from_environment(operations);
    if let Err(difference) = run(&config, &comparison).await {
        panic!("{kind}: {difference}");
    }
}
