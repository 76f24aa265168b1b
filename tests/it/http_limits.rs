//! The example of a limited HTTP API, asked over a socket.

#[path = "../../crates/cachekit/examples/rate_limited_api/service.rs"]
mod service;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use cachekit::{
    CacheKit, ErrorKind, MemoryStore,
    store::{Fault, FaultPlan, FaultRule, Faults},
};
use cachekit_testkit::server::{Kind, Server};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The API, listening on a port of its own until it is dropped.
struct Api {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Api {
    async fn of(kit: &CacheKit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = service::app(kit).unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, serving }
    }

    /// Sends one request, and reads until the server closes the connection.
    async fn ask(&self, method: &str, path: &str, user: Option<&str>) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let user = user.map_or_else(String::new, |user| format!("x-user-id: {user}\r\n"));
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{user}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }

    async fn get(&self, user: &str) -> Answer {
        self.ask("GET", "/analyses", Some(user)).await
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Answer {
    status: u16,
    fields: HashMap<String, String>,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        Self {
            status: status.parse().unwrap(),
            fields: lines.map(field).collect(),
            body: body.to_owned(),
        }
    }

    /// The integer parameter of the first limit in `RateLimit`.
    fn told(&self, parameter: &str) -> u64 {
        let first = self.fields["ratelimit"].split(", ").next().unwrap();
        let mut parameters = first.split(';').filter_map(|part| part.split_once('='));
        let found = parameters.find(|(name, _)| *name == parameter);
        found.unwrap().1.parse().unwrap()
    }
}

const POLICIES: &str = r#""burst";q=10;w=60, "daily";q=100;w=86400"#;

/// A user's whole way: until the limit, at it, and past it.
async fn ten_pass_and_the_next_is_told_when(api: &Api) {
    let start = Instant::now();
    for left in (0..10).rev() {
        let answer = api.get("user123").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
        assert_eq!(answer.fields["ratelimit-policy"], POLICIES);
        // Six seconds bring one back.
        let back = start.elapsed().as_secs() / 6;
        assert!((left..=left + back).contains(&answer.told("r")));
    }
    // Five come back in half a minute: it is denied on the slowest machine.
    let denied = api.ask("POST", "/analyses/now", Some("user123")).await;
    assert_eq!(denied.status, 429);
    let wait: u64 = denied.fields["retry-after"].parse().unwrap();
    assert!((1..=30).contains(&wait) && wait >= denied.told("t"));
    assert_eq!(denied.fields["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&denied.body).unwrap();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], serde_json::json!(["burst"]));
    assert_eq!(api.get("another").await.status, 200);
}

#[tokio::test]
async fn an_api_on_the_memory_store_is_limited_as_it_says() {
    let api = Api::of(&CacheKit::memory()).await;
    ten_pass_and_the_next_is_told_when(&api).await;
}

#[tokio::test]
async fn two_processes_of_an_api_share_a_users_limit_on_a_server() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let kits = [
        CacheKit::connect(&server.url()).await.unwrap(),
        CacheKit::connect(&server.url()).await.unwrap(),
    ];
    let [one, other] = [Api::of(&kits[0]).await, Api::of(&kits[1]).await];
    ten_pass_and_the_next_is_told_when(&one).await;
    let denied = other.ask("POST", "/analyses/now", Some("user123")).await;
    assert_eq!(denied.status, 429);
}

#[tokio::test]
async fn a_request_costs_by_its_method_and_what_failed_is_given_back() {
    let api = Api::of(&CacheKit::memory()).await;
    let broken = api.ask("POST", "/analyses/broken", Some("user123")).await;
    assert_eq!(broken.status, 422);
    let started = api.ask("POST", "/analyses/a1b2", Some("user123")).await;
    assert_eq!((started.status, started.told("r")), (202, 5));
}

#[tokio::test]
async fn who_says_no_name_is_refused_and_logins_are_counted_by_address() {
    let api = Api::of(&CacheKit::memory()).await;
    let refused = api.ask("GET", "/analyses", None).await;
    assert_eq!(refused.status, 400);
    for expected in [200, 200, 200, 429] {
        assert_eq!(api.ask("GET", "/login", None).await.status, expected);
    }
}

#[tokio::test]
async fn while_the_store_is_away_the_api_keeps_to_its_share() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)));
    let away = Faults::new(Arc::new(MemoryStore::new()), &plan);
    let kit = CacheKit::builder().store(Arc::new(away)).build().unwrap();
    let api = Api::of(&kit).await;
    // A quarter of ten.
    for expected in [200, 200, 429] {
        assert_eq!(api.get("user123").await.status, expected);
    }
}
