//! Traffic that goes on while the server stops, hangs, forgets, and refuses.

use cachekit_testkit::{
    RawClient,
    server::{Kind, Server, acl::AclUser},
};

use super::{
    support::{Process, random_schema},
    traffic::Traffic,
};

async fn server(arguments: &[&str]) -> Option<Server> {
    Server::start_with(Kind::Redis7, arguments).await.unwrap()
}

/// Two processes of a fleet, and callers of both.
async fn traffic(server: &Server) -> Traffic {
    let (url, schema) = (server.url(), random_schema());
    let start = || Process::start_impatient(&url, &schema);
    let (one, other) = tokio::join!(start(), start());
    let traffic = Traffic::start(&[one, other]);
    traffic.is_as_before().await;
    traffic
}

fn command(server: &Server, parts: &[&str]) {
    let mut raw = RawClient::connect(&server.url()).unwrap();
    let reply = raw.text(parts).unwrap();
    assert!(!format!("{reply:?}").starts_with("Error"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_and_started_again_costs_nobody_an_answer() {
    let Some(mut server) = server(&[]).await else {
        return;
    };
    let traffic = traffic(&server).await;
    for _ in 0..3 {
        server.stop().await.unwrap();
        traffic.goes_to_the_origin(200).await;
        server.restart().await.unwrap();
        traffic.is_as_before().await;
    }
    server.kill().await.unwrap();
    traffic.goes_to_the_origin(200).await;
    server.restart().await.unwrap();
    traffic.is_as_before().await;
    traffic.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_nobody_an_answer() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let traffic = traffic(&server).await;
    for _ in 0..2 {
        server.pause().await.unwrap();
        traffic.goes_to_the_origin(60).await;
        server.resume().await.unwrap();
        traffic.is_as_before().await;
    }
    traffic.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_everything_is_filled_again() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let traffic = traffic(&server).await;
    for what in ["FLUSHALL", "SCRIPT"].into_iter().cycle().take(40) {
        match what {
            "SCRIPT" => command(&server, &["SCRIPT", "FLUSH"]),
            _ => command(&server, &["FLUSHALL"]),
        }
        traffic.goes_on(20).await;
    }
    traffic.is_as_before().await;
    traffic.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_leaves_the_work_to_the_origin() {
    let Some(server) = server(&["--maxmemory-policy", "noeviction"]).await else {
        return;
    };
    let traffic = traffic(&server).await;
    for _ in 0..3 {
        // Reads still work: what is there is served, and what is not comes from the origin.
        command(&server, &["CONFIG", "SET", "maxmemory", "1"]);
        traffic.wants_others();
        traffic.goes_to_the_origin(200).await;
        command(&server, &["CONFIG", "SET", "maxmemory", "0"]);
        traffic.is_as_before().await;
    }
    traffic.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_save_leaves_the_work_to_the_origin() {
    // Nothing can be written there, so that a snapshot fails, and then every write (MISCONF).
    let arguments = ["--save", "3600 1", "--dir", "/proc"];
    let Some(server) = server(&arguments).await else {
        return;
    };
    let traffic = traffic(&server).await;
    command(&server, &["BGSAVE"]);
    traffic.wants_others();
    traffic.goes_to_the_origin(200).await;
    command(
        &server,
        &["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"],
    );
    traffic.is_as_before().await;
    traffic.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_channels_callers_wait_for_the_lease_and_no_longer() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let (url, schema) = (server.url(), random_schema());
    let user = AclUser::create(&url, &["*"], &[]).unwrap();
    let start = || Process::start_as(&user, &url, &schema);
    let (one, other) = tokio::join!(start(), start());
    let traffic = Traffic::start(&[one, other]);
    traffic.is_as_before().await;
    command(&server, &["FLUSHALL"]);
    traffic.is_as_before().await;
    traffic.ends().await;
}
