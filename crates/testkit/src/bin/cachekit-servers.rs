//! Holds one server of each kind in each form for the length of a test run.
//!
//! `cargo xtask test` starts this program, reads `NAME=VALUE` lines up to `READY`, hands them to the tests, and closes
//! its standard input at the end. An end of input by any other cause, such as a killed parent, ends the servers too.
//! Its argument is an existing folder for the servers' certificates; without one they go where temporary files go.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is its interface"
)]

use std::{
    env,
    error::Error,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use cachekit_testkit::server::{Choice, Deployment, ServerError, SharedServer, Source};

#[tokio::main]
async fn main() -> ExitCode {
    let servers = match start_all().await {
        Ok(servers) => servers,
        Err(error) => return fail(&error),
    };
    let folder = env::args_os()
        .nth(1)
        .map_or_else(env::temp_dir, PathBuf::from);
    if let Err(error) = announce(&servers, &folder) {
        return fail(&error);
    }
    println!("READY");
    let end_of_input =
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    // Whatever ended the wait, the servers go now.
    let _ = end_of_input.await;
    drop(servers);
    ExitCode::SUCCESS
}

/// Starts everything that the machine has, at the same time.
async fn start_all() -> Result<Vec<SharedServer>, ServerError> {
    let choice = Choice::of_process().await;
    let present = Deployment::ALL
        .into_iter()
        .filter(|deployment| !matches!(choice.source(deployment.kind()), Source::Absent(_)));
    let tasks: Vec<_> = present
        .map(|deployment| tokio::spawn(SharedServer::of(deployment)))
        .collect();
    let mut servers = Vec::new();
    for task in tasks {
        servers.extend(task.await.expect("starting a server does not panic")?);
    }
    Ok(servers)
}

fn announce(servers: &[SharedServer], folder: &Path) -> std::io::Result<()> {
    for server in servers {
        for (name, value) in server.publish(folder)? {
            println!("{name}={value}");
        }
    }
    Ok(())
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("cachekit-servers: {error}: {}", chain(error));
    ExitCode::FAILURE
}

fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
