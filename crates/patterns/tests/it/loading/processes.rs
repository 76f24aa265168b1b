//! The gate across two processes: one loads, and the other invalidates in between.
//!
//! The child takes orders over a socket: `load VALUE` starts a load of it, which says `began` and waits for `open`; `read` reads.
//! Both end with `got VALUE`.

use std::{
    env, io,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use cachekit_testkit::server::{Kind, Server};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream, tcp},
    sync::Mutex,
};

use super::{
    gate::{Way, invalidate, leave_stale},
    support::{Process, schema_of, tree},
};

const URL: &str = "CACHEKIT_IT_TWIN_URL";
const NAMESPACE: &str = "CACHEKIT_IT_TWIN_NAMESPACE";
const PORT: &str = "CACHEKIT_IT_TWIN_PORT";
/// With each of the ways, with and without a value: a thousand in all.
const ROUNDS: usize = 72;

/// One end of the socket.
struct Line {
    reader: Lines<BufReader<tcp::OwnedReadHalf>>,
    writer: tcp::OwnedWriteHalf,
}

impl Line {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader).lines(),
            writer,
        }
    }

    async fn say(&mut self, text: &str) {
        let line = format!("{text}\n");
        self.writer.write_all(line.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Option<String> {
        self.reader.next_line().await.unwrap()
    }

    async fn expect(&mut self, text: &str, what: &str) {
        assert_eq!(self.hear().await.as_deref(), Some(text), "{what}");
    }
}

/// What the other process does.
#[tokio::test]
#[ignore = "run by another test, as a process of its own"]
async fn child_that_loads_as_it_is_told() {
    let variable = |name| env::var(name).unwrap();
    let schema = schema_of(&variable(NAMESPACE));
    let process = Process::start_with(&variable(URL), &schema, super::gate::stale).await;
    let stream = TcpStream::connect(("127.0.0.1", variable(PORT).parse().unwrap()));
    let line = Arc::new(Mutex::new(Line::new(stream.await.unwrap())));
    loop {
        let order = line.lock().await.hear().await;
        let Some(order) = order else { return };
        let value = match order.split_once(' ') {
            Some((_, value)) => {
                let (line, value) = (Arc::clone(&line), value.to_owned());
                let loader = || async move {
                    let mut line = line.lock().await;
                    line.say("began").await;
                    line.expect("open", "the word to go on").await;
                    Ok::<_, io::Error>(value)
                };
                process.cache.fetch(&tree(), loader).await.unwrap().value
            }
            None => process.cache.get(&tree()).await.unwrap(),
        };
        let value = value.as_deref().unwrap_or("nothing");
        line.lock().await.say(&format!("got {value}")).await;
    }
}

/// Ends the child with the test, however that ends.
struct Twin {
    child: Child,
    line: Line,
}

impl Twin {
    async fn start(url: &str, namespace: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = "loading::processes::child_that_loads_as_it_is_told";
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--ignored", "--exact", name]);
        child.env(URL, url).env(NAMESPACE, namespace);
        child.env(PORT, port.to_string());
        child.stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let line = Line::new(stream);
        Self { child, line }
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_invalidated_while_a_real_process_loads_it_does_not_come_back() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let namespace = format!("it{:016x}", fastrand::u64(..));
    let mut twin = Twin::start(&server.url(), &namespace).await;
    let schema = schema_of(&namespace);
    let here = Process::start_with(&server.url(), &schema, super::gate::stale).await;
    for way in Way::ALL {
        for round in 0..2 * ROUNDS {
            let has_value = round % 2 == 1;
            let what = format!("{way:?}, a value: {has_value}, round {round}");
            match has_value {
                true => leave_stale(&here).await,
                false => drop(here.cache.remove(&tree()).await.unwrap()),
            }
            one_round(&mut twin.line, &here, way, &what).await;
        }
    }
}

async fn one_round(twin: &mut Line, here: &Process, way: Way, what: &str) {
    loop {
        twin.say("load v0").await;
        match twin.hear().await.as_deref() {
            Some("began") => break,
            // By its clock the value is fresh for another moment.
            heard => assert_eq!(heard, Some("got older"), "{what}"),
        }
    }
    invalidate(way, here).await;
    let cache = here.cache.clone();
    let late = tokio::spawn(async move {
        let loader = || async { Ok::<_, io::Error>("v1".to_owned()) };
        cache.fetch(&tree(), loader).await
    });
    twin.say("open").await;
    twin.expect("got v0", what).await;
    let late = late.await.unwrap().unwrap();
    assert_eq!(late.value.as_deref(), Some("v1"), "{what}");
    twin.say("read").await;
    twin.expect("got v1", what).await;
}
