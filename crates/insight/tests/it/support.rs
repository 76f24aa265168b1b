//! Servers, and trackers over stores of their own.

use std::sync::Arc;

use cachekit_insight::{HitOptions, HitTracker};
use cachekit_keys::{KeySchema, Namespace, ProjectId, ProjectKey};
use cachekit_store::RedisStore;
use cachekit_testkit::server::{Deployment, Form, Kind, SharedServer};

/// Where the tests run: on one server, and on a cluster.
pub(crate) const DEPLOYMENTS: [Deployment; 2] = [
    Deployment::new(Kind::Redis7, Form::Single),
    Deployment::new(Kind::Redis7, Form::Cluster),
];

/// A schema with a namespace that no other test has.
pub(crate) fn schema() -> KeySchema {
    let name = format!("it{:016x}", fastrand::u64(..));
    KeySchema::plain().with_namespace(Namespace::new(name).unwrap())
}

/// A tracker as in a process of its own: with connections, a script cache and a number of its own.
pub(crate) async fn process(url: &str, schema: &KeySchema) -> HitTracker {
    let store = Arc::new(RedisStore::connect(url).await.unwrap());
    HitTracker::new(store, schema.clone(), HitOptions::new()).0
}

/// The shared servers that there are.
pub(crate) async fn servers() -> Vec<SharedServer> {
    let mut servers = Vec::new();
    for deployment in DEPLOYMENTS {
        servers.extend(SharedServer::of(deployment).await.unwrap());
    }
    servers
}

pub(crate) fn tree() -> ProjectKey {
    ProjectKey::file_tree(ProjectId::new("proj456").unwrap())
}
