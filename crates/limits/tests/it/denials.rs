//! Denials that are remembered in one process, and what ends them in another.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{KeySchema, Namespace, UserId};
use cachekit_limits::{Limit, Limiter, Origin, Period};
use cachekit_store::{LayerExt, MemoryStore, RedisStore, Store, Tasks};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server, SharedServer},
};

use crate::support::user;

const HOUR: Duration = Duration::from_secs(3_600);

fn limits() -> Vec<Limit> {
    let window = Limit::fixed_window(10, 24 * HOUR).unwrap();
    vec![
        window.with_penalty(HOUR).unwrap().named("calls").unwrap(),
        Limit::daily(10).unwrap(),
    ]
}

/// Two processes: one that remembers what it was denied, and one that changes something.
struct Two {
    remembering: Limiter,
    other: Limiter,
    tasks: Tasks,
}

impl Two {
    fn on(stores: [Arc<dyn Store>; 2], schema: &KeySchema) -> Self {
        let tasks = Tasks::new();
        let [one, other] =
            stores.map(|store| Limiter::all_of(store, schema.clone(), limits()).unwrap());
        let remembering = one.remembering_denials(HOUR);
        Self {
            remembering: remembering.hearing_of_changes(&tasks).unwrap(),
            other,
            tasks,
        }
    }

    async fn origin(&self) -> Origin {
        self.remembering.check(&user(), 1).await.unwrap().origin()
    }

    /// Knocks until a denial is remembered, after what was heard before.
    async fn is_remembered(&self) {
        for _ in 0..500 {
            let decision = self.remembering.check(&user(), 1).await.unwrap();
            assert!(!decision.is_allowed());
            if decision.origin() == Origin::DenialCache {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no denial is remembered");
    }

    /// Knocks until the server is asked again.
    async fn is_forgotten(&self, why: &str) {
        for _ in 0..500 {
            if self.origin().await == Origin::Server {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{why} did not end the denial");
    }

    async fn every_change_is_heard_of(&self) {
        for change in ["refund", "reset", "unblock", "set", "clear"] {
            self.other.reset(&user()).await.unwrap();
            let all = self.other.check(&user(), 10).await.unwrap();
            assert!(all.is_allowed());
            self.is_remembered().await;
            match change {
                "refund" => drop(self.other.refund(&user(), &all).await.unwrap()),
                "reset" => self.other.reset(&user()).await.unwrap(),
                "unblock" => self.other.unblock(&user()).await.unwrap(),
                "set" => {
                    let set = self.other.set_limit(&user(), Period::Day, 20).await;
                    set.unwrap();
                }
                _ => self.other.clear_limit(&user(), Period::Day).await.unwrap(),
            }
            self.is_forgotten(change).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_process_changes_ends_a_denial_here() {
    let store = MemoryStore::new();
    let stores = [Arc::new(store.clone()) as Arc<dyn Store>, Arc::new(store)];
    let two = Two::on(stores, &KeySchema::plain());
    two.every_change_is_heard_of().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_heard_behind_a_namespace_of_the_store_too() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let staging = Namespace::new("staging").unwrap();
    let behind = || Arc::clone(&store).in_namespace(&staging);
    let two = Two::on([behind(), behind()], &KeySchema::plain());
    two.every_change_is_heard_of().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_one_subject_leaves_others_denied() {
    let store = MemoryStore::new();
    let stores = [Arc::new(store.clone()) as Arc<dyn Store>, Arc::new(store)];
    let two = Two::on(stores, &KeySchema::plain());
    assert!(two.other.check(&user(), 10).await.unwrap().is_allowed());
    two.is_remembered().await;
    for number in 0..50 {
        let another = UserId::new(format!("other{number}")).unwrap();
        two.other.reset(&another).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(two.origin().await, Origin::DenialCache);
}

#[tokio::test(start_paused = true)]
async fn the_listener_ends_with_the_limiter_or_the_tracker() {
    let store = MemoryStore::new();
    let stores = || {
        [
            Arc::new(store.clone()) as Arc<dyn Store>,
            Arc::new(store.clone()),
        ]
    };
    let Two {
        remembering, tasks, ..
    } = Two::on(stores(), &KeySchema::plain());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks.running(), 1);
    drop(remembering);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(tasks.running(), 0);

    let two = Two::on(stores(), &KeySchema::plain());
    let left = two.tasks.shutdown(Duration::from_secs(1)).await;
    assert!(left.cut_off.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_server_every_change_is_heard_of_by_every_process() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let space = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let schema = KeySchema::sharded().with_namespace(space);
    let connect = || async {
        let store = RedisStore::connect(server.url()).await.unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    let two = Two::on([connect().await, connect().await], &schema);
    two.every_change_is_heard_of().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_that_may_be_missing_ends_all_denials() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let connect = || async {
        let store = RedisStore::connect(&server.url()).await.unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    let two = Two::on([connect().await, connect().await], &KeySchema::plain());
    assert!(two.other.check(&user(), 10).await.unwrap().is_allowed());
    two.is_remembered().await;
    // Nothing has changed; but something might have, while nobody listened.
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let killed = raw.text(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert_eq!(killed.as_integer(), Some(1));
    two.is_forgotten("a gap").await;
}
