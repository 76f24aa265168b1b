//! Flushes that are cut off, that fail, that are repeated, and servers that forget.

use std::{sync::Arc, time::Duration};

use cachekit_insight::{HitOptions, HitTracker};
use cachekit_keys::Key;
use cachekit_store::{RedisStore, Tasks};
use cachekit_testkit::{
    RawClient, RawReply,
    chaos::Proxy,
    server::{Kind, Server, SharedServer},
};

use crate::support::{process, schema, servers, tree};

/// Flushes until the server is there again.
async fn flush_at_last(hits: &HitTracker) {
    let again = async {
        while hits.flush().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), again).await;
    done.expect("the server is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_was_cut_off_after_it_was_carried_out_counts_once() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (schema, proxy) = (schema(), Proxy::start(server.url()).await.unwrap());
    let hits = process(&proxy.url(), &schema).await;
    let reader = process(server.url(), &schema).await;
    // The server knows the script from now on, so that its first reply is that of the addition.
    hits.track_hit(&tree());
    hits.flush().await.unwrap();

    let mut expected = 1;
    for round in 0..20 {
        for _ in 0..=round {
            hits.track_hit(&tree());
            expected += 1;
        }
        let cut = proxy.cut_at_reply("ck:hits:{");
        let error = hits.flush().await.unwrap_err();
        cut.happened().await;
        assert!(error.may_have_applied());
        let seen = reader.stats().await.unwrap().total_hits;
        assert_eq!(seen, expected, "it was carried out");
        // What is counted meanwhile comes on top.
        hits.track_hit(&tree());
        expected += 1;
        flush_at_last(&hits).await;
        assert_eq!(reader.stats().await.unwrap().total_hits, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_never_reached_the_server_is_sent_later() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let (schema, proxy) = (schema(), Proxy::start(server.url()).await.unwrap());
    let hits = process(&proxy.url(), &schema).await;
    let reader = process(server.url(), &schema).await;
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    for round in 2..=10 {
        hits.track_hit(&tree());
        let cut = proxy.cut_at_request("ck:hits:{");
        hits.flush().await.unwrap_err();
        cut.happened().await;
        assert_eq!(reader.stats().await.unwrap().total_hits, round - 1);
        flush_at_last(&hits).await;
        assert_eq!(reader.stats().await.unwrap().total_hits, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_is_given_what_was_counted_meanwhile() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let schema = schema();
    let hits = process(&server.url(), &schema).await;
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    server.pause().await.unwrap();
    hits.track_hit(&tree());
    let hung = hits.flush().await.unwrap_err();
    assert!(hung.may_have_applied());
    hits.track_hit(&tree());
    server.resume().await.unwrap();
    flush_at_last(&hits).await;
    // The hung one was carried out when the server went on, and once more under its number.
    assert_eq!(hits.stats().await.unwrap().total_hits, 3);
    assert_eq!(hits.stats().await.unwrap().total_hits, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_flushed_in_between_counts_from_there_on() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let schema = schema();
    let hits = process(&server.url(), &schema).await;
    for _ in 0..5 {
        hits.track_hit(&tree());
    }
    hits.flush().await.unwrap();
    let mut client = RawClient::connect(&server.url()).unwrap();
    client.text(&["FLUSHALL"]).unwrap();
    client.text(&["SCRIPT", "FLUSH"]).unwrap();
    hits.track_hit(&tree());
    hits.track_hit(&tree());
    assert_eq!(hits.stats().await.unwrap().total_hits, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_flushes() {
    for server in servers().await {
        let schema = schema();
        let store = Arc::new(RedisStore::connect(server.url()).await.unwrap());
        let options = HitOptions::new().with_interval(Duration::from_secs(3_600));
        let (hits, flusher) = HitTracker::new(store, schema.clone(), options);
        let tasks = Tasks::new();
        tasks
            .spawn_until_stopped("flush hit counts", |stop| flusher.run(stop))
            .unwrap();
        for _ in 0..7 {
            hits.track_hit(&tree());
        }
        let report = tasks.shutdown(Duration::from_secs(10)).await;
        assert!(report.cut_off.is_empty());
        let reader = process(server.url(), &schema).await;
        assert_eq!(reader.stats().await.unwrap().total_hits, 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_on_the_server_expire_and_can_be_read_by_anyone() {
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let schema = schema();
    let hits = process(server.url(), &schema).await;
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    let mut client = RawClient::connect(server.url()).unwrap();
    let namespace = schema.namespace().unwrap().as_encoded();
    let pattern = format!("ck:hits:{{{namespace}:*");
    let RawReply::List(listed) = client.text(&["KEYS", &pattern]).unwrap() else {
        panic!("a list");
    };
    assert_eq!(listed.len(), 2);
    for key in listed {
        let key = Key::from_raw(key.into_bytes().unwrap()).unwrap();
        schema.parse_hit_key(&key).unwrap();
        let life = client.text(&["PTTL", key.as_str().unwrap()]).unwrap();
        let (life, week) = (life.as_integer().unwrap(), 7 * 86_400_000);
        assert!((week..=week + 3_600_000).contains(&life), "{life}");
    }
}
