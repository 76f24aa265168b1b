//! How commands find their node, against nodes that answer from a script: what a real cluster does rarely, and how often
//! each command was sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit_keys::{Key, Ttl};
use cachekit_store::{
    ErrorKind, Increment, RedisStore, RedisStoreBuilder, Script, ScriptCall, ScriptEffect, SetItem,
    SetOptions, Store, Topology,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

/// What a node answers to a command; `None` closes the connection.
type Answering = dyn Fn(&[String]) -> Option<String> + Send + Sync;

/// A node that answers from a script, and remembers what it was sent.
struct FakeNode {
    port: u16,
    script: Mutex<Arc<Answering>>,
    seen: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl FakeNode {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            script: Mutex::new(Arc::new(|_| Some("+OK\r\n".to_owned()))),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&node);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&serving).serve(client));
            }
        });
        node
    }

    /// What the node answers to everything but the greeting.
    fn answers(&self, script: impl Fn(&[String]) -> Option<String> + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(script);
    }

    async fn serve(self: Arc<Self>, client: TcpStream) {
        client.set_nodelay(true).unwrap();
        let (reader, mut writer) = client.into_split();
        let mut reader = BufReader::new(reader);
        while let Some(command) = read_command(&mut reader).await {
            let reply = match command[0].as_str() {
                "HELLO" => Some("%1\r\n+proto\r\n:3\r\n".to_owned()),
                "CLIENT" => Some("+OK\r\n".to_owned()),
                _ => {
                    self.seen.lock().push(command.join(" "));
                    let script = Arc::clone(&self.script.lock());
                    script(&command)
                }
            };
            let Some(reply) = reply else { return };
            if writer.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// How often a command with this beginning came.
    fn times(&self, beginning: &str) -> usize {
        let seen = self.seen.lock();
        seen.iter()
            .filter(|command| command.starts_with(beginning))
            .count()
    }
}

async fn read_command(reader: &mut BufReader<OwnedReadHalf>) -> Option<Vec<String>> {
    let count = read_number(reader, '*').await?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = read_number(reader, '$').await?;
        let mut bytes = vec![0; length + 2];
        reader.read_exact(&mut bytes).await.ok()?;
        bytes.truncate(length);
        parts.push(String::from_utf8(bytes).ok()?);
    }
    Some(parts)
}

async fn read_number(reader: &mut BufReader<OwnedReadHalf>, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The reply of `CLUSTER SLOTS`: ranges of slots, each with the endpoint as the protocol writes it, and the port.
fn slots(ranges: &[(u16, u16, &str, u16)]) -> String {
    let mut reply = format!("*{}\r\n", ranges.len());
    for (first, last, endpoint, port) in ranges {
        reply += &format!(
            "*3\r\n:{first}\r\n:{last}\r\n*4\r\n{endpoint}:{port}\r\n{}*0\r\n",
            bulk("id")
        );
    }
    reply
}

const NO_HOST: &str = "_\r\n";

/// A node that serves all slots and answers `reply` to everything else.
fn all_slots(
    port: u16,
    reply: impl Fn(&[String]) -> Option<String> + Send + Sync + 'static,
) -> impl Fn(&[String]) -> Option<String> {
    move |command| match command[0].as_str() {
        "CLUSTER" => Some(slots(&[(0, 16_383, NO_HOST, port)])),
        _ => reply(command),
    }
}

fn builder(node: &FakeNode) -> RedisStoreBuilder {
    RedisStore::builder(&format!("redis://127.0.0.1:{}", node.port))
        .topology(Topology::Cluster)
        .request_timeout(Duration::from_millis(400))
}

fn key(name: &str) -> Key {
    Key::from_raw(name.to_owned()).unwrap()
}

fn error_reply(text: &str) -> Option<String> {
    Some(format!("-{text}\r\n"))
}

#[tokio::test]
async fn one_look_at_the_cluster_serves_all_callers() {
    let node = FakeNode::start().await;
    node.answers(all_slots(node.port, |_| Some(bulk("v"))));
    let store = builder(&node).build().unwrap();
    let calls = (0..100).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.get(&key("k")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), Some("v".into()));
    }
    assert_eq!(node.times("CLUSTER SLOTS"), 1);
    assert_eq!(node.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn impatient_callers_do_not_keep_a_slow_cluster_from_being_seen() {
    let node = FakeNode::start().await;
    let (port, asked) = (node.port, AtomicUsize::new(0));
    node.answers(move |command| match command[0].as_str() {
        "CLUSTER" => {
            asked.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(250));
            Some(slots(&[(0, 16_383, NO_HOST, port)]))
        }
        _ => Some("+PONG\r\n".to_owned()),
    });
    let store = builder(&node)
        .request_timeout(Duration::from_millis(50))
        .connect_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let started = Instant::now();
    while let Err(error) = store.ping().await {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(node.times("CLUSTER SLOTS"), 1);
}

#[tokio::test]
async fn a_seed_that_is_gone_does_not_matter_while_another_answers() {
    let node = FakeNode::start().await;
    node.answers(all_slots(node.port, |_| Some(bulk("v"))));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_port = gone.local_addr().unwrap().port();
    drop(gone);
    let url = format!(
        "redis+cluster://127.0.0.1:{gone_port},127.0.0.1:{}",
        node.port
    );
    let store = RedisStore::connect(&url).await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
    assert!(store.capabilities().clustered);
}

#[tokio::test]
async fn a_silent_seed_holds_nobody_up_while_another_answers() {
    let (silent, node) = (FakeNode::start().await, FakeNode::start().await);
    silent.answers(|_| Some(String::new()));
    node.answers(all_slots(node.port, |_| Some(bulk("v"))));
    let store = builder(&silent)
        .seed(format!("127.0.0.1:{}", node.port))
        .connect()
        .await
        .unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_a_wrong_configuration() {
    let node = FakeNode::start().await;
    node.answers(|_| error_reply("ERR This instance has cluster support disabled"));
    let error = builder(&node).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains("not part of a cluster"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_follows_a_slot_that_moved_and_the_next_one_goes_straight() {
    let (old, new) = (FakeNode::start().await, FakeNode::start().await);
    let (old_port, new_port) = (old.port, new.port);
    let moved = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&moved);
    old.answers(move |command| match command[0].as_str() {
        // It knows at once, and tells whoever asks.
        "CLUSTER" if told.load(Ordering::SeqCst) == 0 => {
            Some(slots(&[(0, 16_383, NO_HOST, old_port)]))
        }
        "CLUSTER" => Some(slots(&[(0, 16_383, &bulk("127.0.0.1"), new_port)])),
        // Without a host it is the one that answers.
        _ => {
            told.fetch_add(1, Ordering::SeqCst);
            error_reply(&format!("MOVED 7629 :{new_port}"))
        }
    });
    new.answers(all_slots(new_port, |_| Some(bulk("v"))));
    let store = builder(&old).connect().await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let before = moved.load(Ordering::SeqCst);
        assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
        if moved.load(Ordering::SeqCst) == before {
            break;
        }
        assert!(Instant::now() < deadline, "the move was never learnt");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nodes_that_send_a_command_in_a_circle_are_followed_a_few_times() {
    let node = FakeNode::start().await;
    let port = node.port;
    node.answers(all_slots(port, move |_| {
        error_reply(&format!("MOVED 1 127.0.0.1:{port}"))
    }));
    let store = builder(&node).connect().await.unwrap();
    let error = store
        .set(&key("k"), "v".into(), SetOptions::ttl(Ttl::seconds(1)))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::NotReady, false)
    );
    let single = node.times("SET");
    assert!((2..=16).contains(&single), "{single}");
    let error = store.get_many(&[key("a"), key("b")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReady);
    assert!(node.times("MGET") <= 32);
    let looks = node.times("CLUSTER SLOTS");
    assert!(looks <= 3, "looks are kept apart: {looks}");
}

#[tokio::test]
async fn a_key_on_its_way_is_asked_for_where_it_goes_after_saying_so() {
    let (from, to) = (FakeNode::start().await, FakeNode::start().await);
    let target = to.port;
    from.answers(all_slots(from.port, move |_| {
        error_reply(&format!("ASK 7629 127.0.0.1:{target}"))
    }));
    to.answers(|command| match command[0].as_str() {
        "ASKING" => Some("+OK\r\n".to_owned()),
        "MGET" => Some(format!("*1\r\n{}", bulk("v"))),
        _ => Some(bulk("v")),
    });
    let store = builder(&from).connect().await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
    assert_eq!(*to.seen.lock(), ["ASKING", "GET k"]);
    to.seen.lock().clear();
    let keys = [key("a"), key("b")];
    let values = store.get_many(&keys).await.unwrap();
    assert_eq!(values, [Some("v".into()), Some("v".into())]);
    let seen = to.seen.lock().clone();
    assert_eq!((seen.len(), to.times("ASKING")), (4, 2), "{seen:?}");
    assert_eq!(from.times("CLUSTER SLOTS"), 1, "nothing has moved yet");
}

async fn refused_for_a_while(refusal: &'static str) {
    let node = FakeNode::start().await;
    let tries = AtomicUsize::new(0);
    node.answers(all_slots(node.port, move |command| {
        match command[0].as_str() {
            "GET" if tries.fetch_add(1, Ordering::SeqCst) < 3 => error_reply(refusal),
            "GET" => Some(bulk("v")),
            _ => error_reply(refusal),
        }
    }));
    let store = builder(&node)
        .request_timeout(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
    assert_eq!(node.times("GET"), 4);
    let started = Instant::now();
    let items = [SetItem::new(
        key("k"),
        "v",
        SetOptions::ttl(Ttl::seconds(1)),
    )];
    let error = store.set_many(&items).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::NotReady, false)
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_cluster_that_is_down_for_a_moment_is_waited_for_within_the_deadline() {
    refused_for_a_while("CLUSTERDOWN Hash slot not served").await;
}

#[tokio::test]
async fn keys_that_are_on_their_way_are_waited_for_within_the_deadline() {
    refused_for_a_while("TRYAGAIN Multiple keys request during rehashing of slot").await;
}

#[tokio::test]
async fn nothing_is_sent_again_over_a_connection_that_was_cut_after_execution() {
    const CALL: Script = Script::new("call", "return 1");
    const PEEK: Script = Script::new("peek", "return 1").with_effect(ScriptEffect::ReadOnly);
    let node = FakeNode::start().await;
    node.answers(all_slots(node.port, |_| None));
    let store = builder(&node).connect().await.unwrap();
    let ttl = SetOptions::ttl(Ttl::seconds(1));
    let call = [ScriptCall::new(vec![key("k")], Vec::new())];
    let outcomes = [
        (
            "SET",
            true,
            store.set(&key("k"), "v".into(), ttl).await.map(drop),
        ),
        ("UNLINK", true, store.delete(&[key("k")]).await.map(drop)),
        (
            "EVALSHA",
            true,
            store.run_script(&CALL, &call).await.map(drop),
        ),
        ("GET", false, store.get(&key("k")).await.map(drop)),
        ("MGET", false, store.get_many(&[key("k")]).await.map(drop)),
        (
            "EVALSHA",
            false,
            store.run_script(&PEEK, &call).await.map(drop),
        ),
    ];
    for (command, open, outcome) in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (ErrorKind::Unavailable, open),
            "{command}: {error}"
        );
    }
    for (command, times) in [
        ("SET", 1),
        ("UNLINK", 1),
        ("EVALSHA", 2),
        ("GET", 1),
        ("MGET", 1),
    ] {
        assert_eq!(node.times(command), times, "{command}");
    }
}

#[tokio::test]
async fn a_batch_that_failed_on_one_node_says_whether_another_may_have_carried_out_its_part() {
    let (good, bad) = (FakeNode::start().await, FakeNode::start().await);
    let (good_port, bad_port) = (good.port, bad.port);
    good.answers(move |command| match command[0].as_str() {
        "CLUSTER" => Some(slots(&[
            (0, 8_191, NO_HOST, good_port),
            (8_192, 16_383, &bulk("127.0.0.1"), bad_port),
        ])),
        "EVALSHA" => Some(bulk("1")),
        _ => Some("+OK\r\n".to_owned()),
    });
    bad.answers(|_| error_reply("NOPERM no permission"));
    let store = builder(&good).connect().await.unwrap();
    let of = |lower: bool| {
        let names = (0..).map(|index| key(&format!("k{index}")));
        names.filter(move |key| (key.slot() < 8_192) == lower)
    };
    let keys: Vec<Key> = of(true).take(2).chain(of(false).take(2)).collect();
    let ttl = SetOptions::ttl(Ttl::seconds(1));
    let items: Vec<SetItem> = keys
        .iter()
        .map(|key| SetItem::new(key.clone(), "v", ttl))
        .collect();
    let error = store.set_many(&items).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::PermissionDenied, true)
    );
    assert_eq!(error.key(), keys[2].as_str());
    let error = store.set_many(&items[2..]).await.unwrap_err();
    assert!(!error.may_have_applied(), "all of it was refused");
    let increments: Vec<Increment> = keys
        .iter()
        .map(|key| Increment::new(key.clone(), 1, Ttl::seconds(1)))
        .collect();
    let error = store.increment(&increments).await.unwrap_err();
    assert!(error.may_have_applied());
    assert_eq!(good.times("SET"), 2);
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_gone_round_once_another_is_in_charge() {
    let node = FakeNode::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_port = gone.local_addr().unwrap().port();
    drop(gone);
    let (port, asked) = (node.port, AtomicUsize::new(0));
    node.answers(move |command| match command[0].as_str() {
        "CLUSTER" if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
            Some(slots(&[(0, 16_383, &bulk("127.0.0.1"), gone_port)]))
        }
        "CLUSTER" => Some(slots(&[(0, 16_383, NO_HOST, port)])),
        "MGET" => Some(format!("*1\r\n{}", bulk("v"))),
        _ => Some(bulk("v")),
    });
    let store = builder(&node).connect().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    // Nothing was sent to the node that is gone, so that the call may go to the other one.
    while let Err(error) = store.get_many(&[key("k")]).await {
        assert!(error.is_retryable() && !error.may_have_applied(), "{error}");
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.get(&key("k")).await.unwrap(), Some("v".into()));
}

#[tokio::test]
async fn closing_ends_every_connection_and_later_calls_say_so() {
    let node = FakeNode::start().await;
    node.answers(all_slots(node.port, |_| Some(bulk("v"))));
    let store = builder(&node).connect().await.unwrap();
    store.close().await;
    store.close().await;
    let closed = [
        store.get(&key("k")).await.map(drop),
        store.get_many(&[key("k")]).await.map(drop),
        store.ping().await,
        store.time().await.map(drop),
        store.server_facts().await.map(drop),
    ];
    for outcome in closed {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
    }
}
