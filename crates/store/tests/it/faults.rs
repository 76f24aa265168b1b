//! What the Redis store does on slow networks, in stalls, after a failover, and while it is closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{ErrorKind, RedisStore, SetOptions, Store};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// Forwards connections to a server, each after a pause, and counts them.
struct SlowProxy {
    url: String,
    accepted: Arc<AtomicUsize>,
}

impl SlowProxy {
    async fn to(server: &Server, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let target = (server.host().to_owned(), server.port());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let target = target.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, accepted }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn key() -> Key {
    Key::from_raw(format!("faults:{}", fastrand::u64(..))).unwrap()
}

fn ttl() -> SetOptions {
    SetOptions::ttl(Ttl::seconds(60))
}

#[tokio::test]
async fn impatient_callers_do_not_keep_a_slow_server_from_being_reached() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = SlowProxy::to(&server, Duration::from_millis(300)).await;
    let store = RedisStore::builder(&proxy.url)
        .request_timeout(Duration::from_millis(100))
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let started = Instant::now();
    while let Err(error) = store.ping().await {
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "never connected"
        );
    }
    assert_eq!(proxy.accepted(), 1, "all callers wait for one attempt");
}

#[tokio::test]
async fn many_calls_that_time_out_in_one_stall_keep_the_connection() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = SlowProxy::to(&server, Duration::ZERO).await;
    let timeout = Duration::from_millis(300);
    let store = RedisStore::builder(&proxy.url)
        .request_timeout(timeout)
        .connect()
        .await
        .unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["CLIENT", "PAUSE", "450", "ALL"]).unwrap();
    let name = key();
    let (a, b, c) = tokio::join!(store.get(&name), store.get(&name), store.get(&name));
    for outcome in [a, b, c] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    }
    assert_eq!(store.get(&name).await.unwrap(), None);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_not_ready_and_then_is() {
    // Each key takes 10 ms, so that calls meet it on the way; in between it answers.
    let slowly = ["--key-load-delay", "10000"];
    let answering = ["--loading-process-events-interval-bytes", "1024"];
    let arguments = [slowly, answering].concat();
    let started = Server::start_with(Kind::Redis7, &arguments).await;
    let Some(mut server) = started.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 0..200 {
        let name = Key::from_raw(format!("k{number}")).unwrap();
        let value = Bytes::from(vec![b'v'; 1_024]);
        store.set(&name, value, ttl()).await.unwrap();
    }
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["SAVE"]).unwrap();
    server.kill().await.unwrap();
    let calling = async {
        let (mut refused, begun) = (0, Instant::now());
        loop {
            match store.set(&key(), Bytes::from_static(b"v"), ttl()).await {
                Err(error) if error.kind() == ErrorKind::NotReady => {
                    assert!(!error.may_have_applied());
                    refused += 1;
                }
                Err(_) => {}
                Ok(_) if refused > 0 => return refused,
                Ok(_) => panic!("it was ready at once"),
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (restarted, refused) = tokio::join!(server.restart(), calling);
    restarted.unwrap();
    assert!(refused > 0);
    let first = Key::from_raw("k0").unwrap();
    assert!(
        store.get(&first).await.unwrap().is_some(),
        "it has its data"
    );
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left_for_whatever_the_address_leads_to_now() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let proxy = SlowProxy::to(&server, Duration::ZERO).await;
    let store = RedisStore::connect(&proxy.url).await.unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    for _ in 0..5 {
        let error = store
            .set(&key(), Bytes::from_static(b"v"), ttl())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (ErrorKind::ReadOnly, false)
        );
        assert_eq!(store.get(&key()).await.unwrap(), None, "reads go on");
    }
    assert_eq!(
        proxy.accepted(),
        2,
        "dialled again once, and not for every write"
    );
    raw.text(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert!(
        store
            .set(&key(), Bytes::from_static(b"v"), ttl())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn closing_waits_for_the_calls_in_flight() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::builder(&server.url())
        .request_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["CLIENT", "PAUSE", "400", "ALL"]).unwrap();
    let name = key();
    let write = tokio::spawn({
        let (store, name) = (store.clone(), name.clone());
        async move { store.set(&name, Bytes::from_static(b"v"), ttl()).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let early = tokio::time::timeout(Duration::from_millis(50), store.close()).await;
    assert!(early.is_err(), "a write is in flight");
    store.close().await;
    assert!(write.is_finished());
    assert!(write.await.unwrap().unwrap());
    assert_eq!(
        store.get(&name).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test]
async fn a_port_of_another_protocol_says_so_and_is_not_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("protocol"), "{error}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named_as_the_reason() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let error = RedisStore::connect(&format!("{}99", server.url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("no database"), "{error}");
}

#[tokio::test]
async fn a_refusal_within_a_batch_names_its_key_and_says_that_the_rest_was_written() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let (text, counter) = (key(), key());
    store
        .set(&text, Bytes::from_static(b"no number"), ttl())
        .await
        .unwrap();
    let both = [
        cachekit_store::Increment::new(counter.clone(), 1, Ttl::seconds(60)),
        cachekit_store::Increment::new(text.clone(), 1, Ttl::seconds(60)),
    ];
    let error = store.increment(&both).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::WrongType, true)
    );
    assert_eq!(error.key(), text.as_str());
    assert!(error.to_string().contains("no integer"), "{error}");
    assert_eq!(
        store.get(&counter).await.unwrap().as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn an_attempt_that_died_with_its_runtime_does_not_block_the_next() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let servers = runtime();
    let Some(server) = servers.block_on(Server::start(Kind::Redis7)).unwrap() else {
        return;
    };
    let store = RedisStore::builder(&server.url()).build().unwrap();
    let short = runtime();
    short.block_on(async {
        let mut ping = std::pin::pin!(store.ping());
        // Polled once: the attempt has been made a task, and the task has not run.
        let once = std::future::poll_fn(|cx| Poll::Ready(ping.as_mut().poll(cx).is_pending()));
        assert!(once.await);
    });
    drop(short);
    let next = runtime();
    next.block_on(async {
        if let Err(error) = store.ping().await {
            assert!(error.is_retryable(), "{error}");
        }
        store.ping().await.unwrap();
    });
    servers.block_on(async { drop(server) });
}
