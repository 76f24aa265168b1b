//! Nodes that die, freeze, are replaced, or lose their connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ErrorKind, PubSubItem, RedisStore, SetItem, Store, StoreExt, SubscribeRequest,
};
use cachekit_testkit::{
    RawClient,
    server::{ClusterServer, Kind},
};

use super::{REQUEST_TIMEOUT, connect, fill, keys, ttl, values, within};

/// One key for each of the first three nodes.
async fn one_each(cluster: &ClusterServer) -> [Key; 3] {
    let mut found = [None, None, None];
    for key in keys("each", 100) {
        let node = cluster.node_of_slot(key.slot()).await.unwrap();
        found[node] = Some(key);
        if let [Some(a), Some(b), Some(c)] = &found {
            return [a.clone(), b.clone(), c.clone()];
        }
    }
    panic!("a hundred keys do not all miss a third of the slots")
}

#[tokio::test]
async fn a_dead_node_fails_its_own_keys_at_once_and_comes_back_by_itself() {
    let Some(mut cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let keys = one_each(&cluster).await;
    fill(&store, &keys).await;
    cluster.kill(0).await.unwrap();
    for _ in 0..20 {
        let started = Instant::now();
        let error = store.get(&keys[0]).await.unwrap_err();
        assert!(error.is_retryable() && !error.may_have_applied(), "{error}");
        assert!(started.elapsed() < 2 * REQUEST_TIMEOUT);
        assert_eq!(
            store.get_many(&keys[1..]).await.unwrap(),
            values(&keys[1..])
        );
    }
    let error = store.get_many(&keys).await.unwrap_err();
    assert!(error.is_retryable() && !error.may_have_applied(), "{error}");
    let items: Vec<SetItem> = keys
        .iter()
        .map(|key| SetItem::new(key.clone(), "new", ttl()))
        .collect();
    let error = store.set_many(&items).await.unwrap_err();
    assert!(error.is_retryable() && error.may_have_applied(), "{error}");
    let error = store.set_many(&items[..1]).await.unwrap_err();
    assert!(!error.may_have_applied(), "nothing could be sent: {error}");
    assert_eq!(store.get(&keys[1]).await.unwrap(), Some("new".into()));
    assert!(store.ping().await.unwrap_err().is_retryable());
    // Another store finds the layout without it.
    let late = connect(&cluster).await;
    assert_eq!(late.get(&keys[2]).await.unwrap(), Some("new".into()));

    cluster.restart(0).await.unwrap();
    cluster.wait_until_ok().await.unwrap();
    within(Duration::from_secs(3), async || store.ping().await.is_ok()).await;
    fill(&store, &keys).await;
}

#[tokio::test]
async fn a_frozen_node_times_out_its_own_keys_and_holds_up_no_others() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let keys = one_each(&cluster).await;
    fill(&store, &keys).await;
    cluster.pause(0).await.unwrap();
    let started = Instant::now();
    let (frozen, others) =
        tokio::join!(store.increment_one(&keys[0], 1, Ttl::seconds(60)), async {
            for _ in 0..20 {
                assert_eq!(
                    store.get_many(&keys[1..]).await.unwrap(),
                    values(&keys[1..])
                );
            }
            started.elapsed()
        });
    let error = frozen.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Timeout, true)
    );
    assert!(started.elapsed() < 2 * REQUEST_TIMEOUT);
    assert!(others < REQUEST_TIMEOUT, "{others:?}");
    let read = store.get_many(&keys).await.unwrap_err();
    assert!(read.is_retryable() && !read.may_have_applied(), "{read}");
    cluster.resume(0).await.unwrap();
    within(Duration::from_secs(5), async || {
        store.get(&keys[0]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_took_over_is_found_without_help() {
    let started = ClusterServer::start_with(Kind::Redis7, 3, 1, &[]).await;
    let Some(cluster) = started.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let keys = one_each(&cluster).await;
    fill(&store, &keys).await;
    cluster.kill(0).await.unwrap();
    within(Duration::from_secs(15), async || {
        store
            .set(&keys[0], Bytes::from_static(b"after"), ttl())
            .await
            .is_ok()
    })
    .await;
    assert_eq!(store.get(&keys[0]).await.unwrap(), Some("after".into()));
    let replica = cluster.replicas_of(0).start;
    assert_eq!(cluster.node_of_slot(keys[0].slot()).await.unwrap(), replica);
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_hand_goes_unnoticed() {
    let started = ClusterServer::start_with(Kind::Redis7, 3, 1, &[]).await;
    let Some(cluster) = started.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&cluster.url())
        .request_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let keys = one_each(&cluster).await;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = tokio::spawn({
        let (store, key, stop) = (store.clone(), keys[0].clone(), Arc::clone(&stop));
        async move {
            let mut sum = 0;
            while !stop.load(Ordering::SeqCst) {
                sum += 1;
                let answer = store.increment_one(&key, 1, Ttl::seconds(60)).await;
                assert_eq!(answer.unwrap(), sum);
            }
        }
    });
    let replica = cluster.replicas_of(0).start;
    // Masters that have just met give no vote, and the request is lost then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.promote(replica).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    traffic.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_calls_leave_every_other_caller_its_own_answer() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    // So many calls at once take a busy machine a while.
    let store = RedisStore::builder(&cluster.url())
        .request_timeout(Duration::from_secs(20))
        .connect()
        .await
        .unwrap();
    let keys = keys("dropped", 50);
    fill(&store, &keys).await;
    let dropped = (0..1_000).map(|index| {
        let (store, keys) = (store.clone(), keys.clone());
        async move {
            let pause = Duration::from_micros(fastrand::u64(0..500));
            let _ = tokio::time::timeout(pause, async {
                match index % 2 {
                    0 => drop(store.get_many(&keys).await),
                    _ => drop(store.get(&keys[index % 50]).await),
                }
            })
            .await;
        }
    });
    let kept = (0..500).map(|index| {
        let (store, keys) = (store.clone(), keys.clone());
        async move {
            let key = &keys[index % 50];
            assert_eq!(store.get(key).await.unwrap(), Some(key.to_bytes()));
            assert_eq!(store.get_many(&keys).await.unwrap(), values(&keys));
        }
    });
    let tasks: Vec<_> = dropped
        .map(tokio::spawn)
        .chain(kept.map(tokio::spawn))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await;
    let error = store.get(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(
        store.get_many(&keys).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_over_connections_that_are_cut_count_at_most_once() {
    let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = connect(&cluster).await;
    let keys = one_each(&cluster).await;
    let cutter = {
        let urls: Vec<String> = (0..3).map(|node| cluster.node_url(node)).collect();
        tokio::task::spawn_blocking(move || {
            let mut raws: Vec<RawClient> = urls
                .iter()
                .map(|url| RawClient::connect(url).unwrap())
                .collect();
            for _ in 0..40 {
                std::thread::sleep(Duration::from_millis(15));
                for raw in &mut raws {
                    raw.text(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                        .unwrap();
                }
            }
        })
    };
    let (mut sure, mut open) = (0, 0);
    while !cutter.is_finished() {
        for key in &keys {
            match store.increment_one(key, 1, Ttl::seconds(60)).await {
                Ok(_) => sure += 1,
                Err(error) if error.may_have_applied() => open += 1,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }
    cutter.await.unwrap();
    within(Duration::from_secs(3), async || store.ping().await.is_ok()).await;
    let mut sum = 0;
    for value in store.get_many(&keys).await.unwrap() {
        let value = value.unwrap();
        sum += std::str::from_utf8(&value).unwrap().parse::<i32>().unwrap();
    }
    assert!((sure..=sure + open).contains(&sum), "{sure} {open} {sum}");
}

#[tokio::test]
async fn messages_go_on_when_any_one_node_dies() {
    for dead in 0..3 {
        let Some(cluster) = ClusterServer::start(Kind::Redis7).await.unwrap() else {
            return;
        };
        let store = connect(&cluster).await;
        let channel = Bytes::from_static(b"news");
        let request = SubscribeRequest::channel(channel.clone());
        let mut subscription = store.subscribe(request).await.unwrap();
        cluster.kill(dead).await.unwrap();
        let heard = async {
            while !matches!(subscription.next().await, Some(PubSubItem::Message { .. })) {}
        };
        let told = async {
            loop {
                // Fails or gets lost while the loss of the node is being noticed.
                let _ = store.publish(&channel, "hello".into()).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let both = async {
            tokio::select! { () = heard => {}, () = told => {} }
        };
        tokio::time::timeout(Duration::from_secs(10), both)
            .await
            .expect("a message arrives");
    }
}
