//! What a server has to be like for a queue.

use std::sync::{Arc, Mutex};

use cachekit_keys::{KeySchema, ProjectKey};
use cachekit_store::{
    Capabilities, ErrorKind, Event, MockStore, Observer, Observers, Result, ServerFacts,
};

use super::support::{Handle, Rows, Worker};
use crate::{Cache, WriteBehind};

#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn observe(&self, event: &Event<'_>) {
        if let Event::WritesAtRisk { queue, reason, .. } = event {
            self.0.lock().unwrap().push(format!("{queue}: {reason}"));
        }
    }
}

/// Builds a queue on a server that says this of itself; answers what was warned of, too.
async fn build_on(facts: ServerFacts, scripts: bool) -> (Result<(Handle, Worker)>, Vec<String>) {
    let mut store = MockStore::new();
    let mut capabilities = Capabilities::basic(1 << 20);
    capabilities.shared = true;
    capabilities.scripts = scripts;
    store.expect_capabilities().return_const(capabilities);
    store
        .expect_server_facts()
        .returning(move || Ok(facts.clone()));
    let warnings = Arc::new(Warnings::default());
    let observers = Observers::none().with(Arc::clone(&warnings) as Arc<dyn Observer>);
    let cache = Cache::<ProjectKey, String>::builder(Arc::new(store), KeySchema::plain());
    let cache = cache.observers(observers).build().unwrap();
    let built = WriteBehind::builder(&cache, Rows::default()).build().await;
    let heard = warnings.0.lock().unwrap().clone();
    (built, heard)
}

fn facts(policy: &str, append_only: bool) -> ServerFacts {
    let mut facts = ServerFacts::default();
    facts.eviction_policy = policy.to_owned();
    facts.append_only = append_only;
    facts
}

#[tokio::test]
async fn a_server_that_may_evict_writes_is_refused() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let (refused, _) = build_on(facts(policy, true), true).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Configuration);
        assert!(refused.to_string().contains(policy), "{refused}");
    }
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        let (built, warnings) = build_on(facts(policy, true), true).await;
        assert!(built.is_ok());
        assert_eq!(warnings, [""; 0]);
    }
}

#[tokio::test]
async fn a_server_that_keeps_no_file_or_does_not_say_is_warned_of() {
    let (built, warnings) = build_on(facts("noeviction", false), true).await;
    assert!(built.is_ok());
    assert!(warnings[0].contains("append-only file"), "{warnings:?}");
    let (built, warnings) = build_on(facts("", true), true).await;
    assert!(built.is_ok());
    assert!(warnings[0].contains("does not say"), "{warnings:?}");
}

#[tokio::test]
async fn a_store_that_runs_no_scripts_is_refused() {
    let (refused, _) = build_on(facts("noeviction", true), false).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}
