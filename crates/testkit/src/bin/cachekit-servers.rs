//! Holds one server of each kind for the length of a test run.
//!
//! `cargo xtask test` starts this program, reads `NAME=URL` lines up to `READY`, hands them to the tests, and closes
//! its standard input at the end. An end of input by any other cause, such as a killed parent, ends the servers too.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is its interface"
)]

use std::{io::Read, process::ExitCode};

use cachekit_testkit::server::{Choice, Kind, Server, ServerError, Source};

#[tokio::main]
async fn main() -> ExitCode {
    let servers = match start_all().await {
        Ok(servers) => servers,
        Err(error) => {
            eprintln!("cachekit-servers: {error}: {}", chain(&error));
            return ExitCode::FAILURE;
        }
    };
    for server in &servers {
        println!("{}={}", server.kind().url_variable(), server.url());
    }
    println!("READY");
    let end_of_input =
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    // Whatever ended the wait, the servers go now.
    let _ = end_of_input.await;
    drop(servers);
    ExitCode::SUCCESS
}

/// Starts every kind that the machine has, at the same time.
async fn start_all() -> Result<Vec<Server>, ServerError> {
    let choice = Choice::of_process().await;
    let present = Kind::ALL
        .into_iter()
        .filter(|kind| !matches!(choice.source(*kind), Source::Absent(_)));
    let tasks: Vec<_> = present
        .map(|kind| tokio::spawn(Server::start(kind)))
        .collect();
    let mut servers = Vec::new();
    for task in tasks {
        servers.extend(task.await.expect("starting a server does not panic")?);
    }
    Ok(servers)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
