//! Subscriptions over real servers that crash, stall, throw clients out and refuse them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{
    ConnectionState, ErrorKind, Event, Gap, Observer, PubSubItem, RedisStore, Store, StoreExt,
    SubscribeRequest, Subscription, Woken,
};
use cachekit_testkit::{
    RawClient, RawReply,
    server::{Kind, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a call with that deadline may take on a machine that is busy with other things.
const IN_TIME: Duration = Duration::from_secs(3);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const RECONNECTED: PubSubItem = PubSubItem::Gap(Gap::Reconnected);

fn channel(name: &str) -> Bytes {
    Bytes::from(name.to_owned())
}

fn request(name: &str) -> SubscribeRequest {
    SubscribeRequest::channel(channel(name))
}

fn message(name: &str, payload: &'static str) -> PubSubItem {
    PubSubItem::Message {
        channel: channel(name),
        payload: Bytes::from_static(payload.as_bytes()),
    }
}

async fn impatient(url: &str) -> RedisStore {
    RedisStore::builder(url)
        .request_timeout(REQUEST_TIMEOUT)
        .connect()
        .await
        .unwrap()
}

async fn end_or_next(subscription: &mut Subscription) -> Option<PubSubItem> {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .expect("in time")
}

async fn next(subscription: &mut Subscription) -> PubSubItem {
    end_or_next(subscription).await.expect("the stream goes on")
}

async fn subscribed(store: &RedisStore, request: SubscribeRequest) -> Subscription {
    let mut subscription = store.subscribe(request).await.unwrap();
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    subscription
}

/// The server's connections that have subscribed to something.
fn subscribers(raw: &mut RawClient) -> usize {
    let list = raw.text(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
    let list = String::from_utf8(list.into_bytes().unwrap()).unwrap();
    list.lines().count()
}

fn channels(raw: &mut RawClient) -> usize {
    match raw.text(&["PUBSUB", "CHANNELS"]).unwrap() {
        RawReply::List(channels) => channels.len(),
        other => panic!("{other:?}"),
    }
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn hundreds_of_subscriptions_share_one_connection_and_few_round_trips() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    assert_eq!(subscribers(&mut raw), 0, "connected by the first one only");
    let calls = (0..600).map(|number| {
        let request = request(&format!("many:{}", number % 300)).with_pattern("many:*");
        let store = store.clone();
        async move { store.subscribe(request).await }
    });
    let subscriptions = futures_util::future::try_join_all(calls).await.unwrap();
    assert_eq!(subscribers(&mut raw), 1);
    assert_eq!(channels(&mut raw), 300);
    let stats = raw.text(&["INFO", "commandstats"]).unwrap();
    let stats = String::from_utf8(stats.into_bytes().unwrap()).unwrap();
    let calls = stats.split("cmdstat_subscribe:calls=").nth(1).unwrap();
    let calls: u32 = calls.split(',').next().unwrap().parse().unwrap();
    assert!(calls <= 10, "{calls} round trips");
    drop(subscriptions);
    eventually("all names are given up", || channels(&mut raw) == 0).await;
}

#[tokio::test]
async fn a_stream_goes_on_after_the_server_was_killed_and_restarted() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let request = request("a").with_channel(channel("b")).with_pattern("c:*");
    let mut subscriptions = Vec::new();
    for _ in 0..20 {
        subscriptions.push(subscribed(&store, request.clone()).await);
    }
    store.publish(&channel("a"), "before".into()).await.unwrap();
    for subscription in &mut subscriptions {
        assert_eq!(next(subscription).await, message("a", "before"));
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    for subscription in &mut subscriptions {
        assert_eq!(next(subscription).await, RECONNECTED);
    }
    let mut raw = RawClient::connect(&server.url()).unwrap();
    for (name, payload) in [("b", "one"), ("c:1", "two"), ("a", "three")] {
        raw.text(&["PUBLISH", name, payload]).unwrap();
    }
    for subscription in &mut subscriptions {
        assert_eq!(next(subscription).await, message("b", "one"));
        assert_eq!(next(subscription).await, message("c:1", "two"));
        assert_eq!(next(subscription).await, message("a", "three"));
    }
    assert_eq!(subscribers(&mut raw), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_and_found_again() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let mut subscription = subscribed(&store, request("a")).await;
    server.pause().await.unwrap();
    let started = Instant::now();
    let error = store.subscribe(request("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(started.elapsed() < IN_TIME);
    // A silence of two to four seconds is noticed, and a sign of life has 0.8 seconds.
    let early = tokio::time::timeout(Duration::from_secs(6), subscription.next()).await;
    assert!(early.is_err(), "nothing comes from a stopped server");
    server.resume().await.unwrap();
    assert_eq!(next(&mut subscription).await, RECONNECTED);
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["PUBLISH", "a", "again"]).unwrap();
    assert_eq!(next(&mut subscription).await, message("a", "again"));
    let mut later = subscribed(&store, request("b")).await;
    raw.text(&["PUBLISH", "b", "later"]).unwrap();
    assert_eq!(next(&mut later).await, message("b", "later"));
}

#[tokio::test]
async fn a_stream_goes_on_after_the_server_threw_its_connection_out() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let mut subscription = subscribed(&store, request("a")).await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    for round in 0..5 {
        let killed = raw.text(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        assert_eq!(killed, RawReply::Integer(1), "round {round}");
        assert_eq!(next(&mut subscription).await, RECONNECTED);
        raw.text(&["PUBLISH", "a", "again"]).unwrap();
        assert_eq!(next(&mut subscription).await, message("a", "again"));
    }
}

#[tokio::test]
async fn a_wake_up_that_may_have_been_missed_ends_the_wait() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    let key = Key::from_raw("lock:report").unwrap();
    let mut wakeup = store.wakeup(&key).await.unwrap();
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert_eq!(wakeup.wait(PATIENCE).await, Woken::Gap);
    let script = "return redis.pcall('PUBLISH', ARGV[1], '')";
    let wake = key.wake_channel();
    let reached = raw
        .call(&[b"EVAL", script.as_bytes(), b"0", &wake])
        .unwrap();
    assert_eq!(reached, RawReply::Integer(1));
    assert_eq!(wakeup.wait(PATIENCE).await, Woken::Message);
}

#[tokio::test]
async fn subscribing_to_a_server_that_is_down_fails_in_time_and_works_when_it_is_back() {
    let Some(mut server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let store = impatient(&server.url()).await;
    server.kill().await.unwrap();
    for _ in 0..5 {
        let started = Instant::now();
        let error = store.subscribe(request("a")).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
            "{error}"
        );
        assert!(error.is_retryable() && !error.may_have_applied());
        assert!(started.elapsed() < IN_TIME);
    }
    server.restart().await.unwrap();
    let started = Instant::now();
    let mut subscription = loop {
        match store.subscribe(request("a")).await {
            Ok(subscription) => break subscription,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    let mut raw = RawClient::connect(&server.url()).unwrap();
    raw.text(&["PUBLISH", "a", "again"]).unwrap();
    assert_eq!(next(&mut subscription).await, message("a", "again"));
}

#[tokio::test]
async fn closing_ends_the_streams_and_the_connection() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let store = impatient(&server.url()).await;
    let mut subscriptions = Vec::new();
    for number in 0..20 {
        subscriptions.push(subscribed(&store, request(&number.to_string())).await);
    }
    store.close().await;
    for subscription in &mut subscriptions {
        assert_eq!(end_or_next(subscription).await, None);
    }
    eventually("the connection ends", || subscribers(&mut raw) == 0).await;

    let store = impatient(&server.url()).await;
    let mut subscription = subscribed(&store, request("a")).await;
    drop(store);
    assert_eq!(end_or_next(&mut subscription).await, None);
    eventually("the connection ends", || subscribers(&mut raw) == 0).await;
}

/// The channels of the user `listener` in a server that was given one.
fn allow(raw: &mut RawClient, channels: &[&str]) {
    let mut command = vec!["ACL", "SETUSER", "listener", "on", ">pw", "~*", "+@all"];
    command.push("resetchannels");
    command.extend(channels);
    assert_eq!(raw.text(&command).unwrap(), RawReply::Status("OK".into()));
}

#[tokio::test]
async fn a_user_without_the_right_to_a_channel_is_refused_alone() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    allow(&mut raw, &["&public:*"]);
    let builder = RedisStore::builder(&server.url()).user("listener", "pw");
    let store = builder.connect().await.unwrap();
    let public = || request("public:1").with_pattern("public:*");
    let (a, b, c, d) = tokio::join!(
        store.subscribe(public()),
        store.subscribe(request("secret:1")),
        store.subscribe(public().with_channel(channel("secret:2"))),
        store.subscribe(public()),
    );
    for refused in [b, c] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(!error.is_retryable() && !error.may_have_applied());
    }
    for subscription in [a, d] {
        let mut subscription = subscription.unwrap();
        raw.text(&["PUBLISH", "public:1", "hello"]).unwrap();
        assert_eq!(
            next(&mut subscription).await,
            PubSubItem::Gap(Gap::Subscribed)
        );
        assert_eq!(next(&mut subscription).await, message("public:1", "hello"));
    }
    let error = store
        .publish(&channel("secret:1"), "x".into())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::PermissionDenied, false)
    );
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn count(&self, what: &str) -> usize {
        let events = self.0.lock().unwrap();
        events.iter().filter(|event| *event == what).count()
    }
}

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        let text = match event {
            Event::Connection { state, .. } => match state {
                ConnectionState::Failed(error) => format!("failed: {}", error.kind()),
                state => format!("{state:?}"),
            },
            Event::Gap { gap, .. } => format!("{gap:?}"),
            Event::SubscriptionRefused { error, .. } => format!("refused: {}", error.kind()),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

#[tokio::test]
async fn a_right_that_is_withdrawn_ends_the_streams_that_need_it_and_no_others() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let mut raw = RawClient::connect(&server.url()).unwrap();
    allow(&mut raw, &["&public:*", "&secret:*"]);
    let log = Arc::new(Log::default());
    let store = RedisStore::builder(&server.url())
        .user("listener", "pw")
        .observer(Arc::clone(&log) as _)
        .connect()
        .await
        .unwrap();
    let mut public = subscribed(&store, request("public:1")).await;
    let mut secret = subscribed(&store, request("secret:1").with_pattern("public:*")).await;
    // The server throws out whoever listens to what it may not.
    allow(&mut raw, &["&public:*"]);
    assert_eq!(end_or_next(&mut secret).await, None);
    assert_eq!(next(&mut public).await, RECONNECTED);
    raw.text(&["PUBLISH", "public:1", "hello"]).unwrap();
    assert_eq!(next(&mut public).await, message("public:1", "hello"));
    let error = store.subscribe(request("secret:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(log.count("refused: permission denied"), 1);
    let patterns = raw.text(&["PUBSUB", "NUMPAT"]).unwrap();
    assert_eq!(
        patterns,
        RawReply::Integer(0),
        "the ended stream's pattern is given up"
    );
}

#[tokio::test]
async fn observers_hear_of_connections_and_gaps() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let log = Arc::new(Log::default());
    let store = RedisStore::builder(&server.url())
        .observer(Arc::clone(&log) as _)
        .connect()
        .await
        .unwrap();
    assert_eq!(log.count("Connected"), 1);
    let mut subscription = subscribed(&store, request("a").with_buffer(2)).await;
    assert_eq!((log.count("Connected"), log.count("Subscribed")), (2, 1));
    let mut quick = subscribed(&store, request("a")).await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    for _ in 0..5 {
        raw.text(&["PUBLISH", "a", "x"]).unwrap();
        next(&mut quick).await;
    }
    drop(subscription);
    assert_eq!(
        log.count("Overflow { dropped: 3 }"),
        1,
        "told by a listener that goes without having read"
    );
    raw.text(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert_eq!(next(&mut quick).await, RECONNECTED);
    assert_eq!((log.count("Lost"), log.count("Connected")), (1, 3));
    assert_eq!(log.count("Reconnected"), 1);
    subscription = subscribed(&store, request("a")).await;
    drop(subscription);
    store.close().await;
    eventually("both connections are closed", || log.count("Closed") == 2).await;
    assert_eq!(log.count("Lost"), 1);
}

/// Forwards one connection at a time to a server, and can stop reading what the server says.
struct Stalling {
    url: String,
    stalled: Arc<AtomicBool>,
}

impl Stalling {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let target = (server.host().to_owned(), server.port());
        let stalled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stalled);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(target.clone()).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&flag)));
            }
        });
        Self { url, stalled }
    }
}

async fn forward(client: TcpStream, server: TcpStream, stalled: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut buffer = vec![0; 64 << 10];
    loop {
        while stalled.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match from_server.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        }
    }
    requests.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_cut_off_as_too_slow_comes_back_with_a_gap() {
    let limit = ["--client-output-buffer-limit", "pubsub 1mb 1mb 1"];
    let Some(server) = Server::start_with(Kind::Redis7, &limit).await.unwrap() else {
        return;
    };
    let proxy = Stalling::to(&server).await;
    // Patient, so that it is the server that ends the connection.
    let store = RedisStore::builder(&proxy.url)
        .request_timeout(Duration::from_secs(60))
        .connect()
        .await
        .unwrap();
    let mut subscription = subscribed(&store, request("a").with_buffer(100)).await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    proxy.stalled.store(true, Ordering::SeqCst);
    let payload = vec![b'x'; 256 << 10];
    let mut published = 0;
    while raw.call(&[b"PUBLISH", b"a", &payload]).unwrap() == RawReply::Integer(1) {
        published += 1;
        assert!(published < 1_000, "the server never lost its patience");
    }
    proxy.stalled.store(false, Ordering::SeqCst);
    loop {
        match next(&mut subscription).await {
            RECONNECTED => break,
            PubSubItem::Message { payload: got, .. } => assert_eq!(got.len(), payload.len()),
            other => panic!("{other:?}"),
        }
    }
    raw.text(&["PUBLISH", "a", "again"]).unwrap();
    assert_eq!(next(&mut subscription).await, message("a", "again"));
}

#[tokio::test]
async fn a_flood_neither_holds_up_others_nor_ends_the_connection() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    // The flood keeps a busy machine from other work, too: it is not told from one that holds up others by a short time-out.
    let store = RedisStore::builder(&server.url())
        .request_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let mut slow = subscribed(&store, request("flood").with_buffer(1)).await;
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let flood = tokio::task::spawn_blocking(move || {
        for number in 0..20_000 {
            raw.text(&["PUBLISH", "flood", &number.to_string()])
                .unwrap();
        }
        raw
    });
    for number in 0..20 {
        let name = format!("calm:{number}");
        let mut calm = subscribed(&store, request(&name)).await;
        store
            .publish(&channel(&name), "hello".into())
            .await
            .unwrap();
        assert_eq!(next(&mut calm).await, message(&name, "hello"));
    }
    let mut raw = flood.await.unwrap();
    let mut quick = subscribed(&store, request("flood")).await;
    raw.text(&["PUBLISH", "flood", "last"]).unwrap();
    // The end of the flood may still have been on its way.
    while next(&mut quick).await != message("flood", "last") {}
    let gap = PubSubItem::Gap(Gap::Overflow { dropped: 20_000 });
    assert_eq!(next(&mut slow).await, gap);
    assert_eq!(next(&mut slow).await, message("flood", "last"));
}

#[test]
fn a_connection_that_died_with_its_runtime_comes_back_on_the_next() {
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
    let short = runtime();
    let (store, mut first) = short.block_on(async {
        let store = RedisStore::builder(&server.url()).build().unwrap();
        let first = subscribed(&store, request("a")).await;
        (store, first)
    });
    drop(short);
    runtime().block_on(async {
        let mut second = subscribed(&store, request("a")).await;
        assert_eq!(next(&mut first).await, RECONNECTED);
        let mut raw = RawClient::connect(&server.url()).unwrap();
        raw.text(&["PUBLISH", "a", "hello"]).unwrap();
        assert_eq!(next(&mut first).await, message("a", "hello"));
        assert_eq!(next(&mut second).await, message("a", "hello"));
    });
    servers.block_on(async { drop(server) });
}
