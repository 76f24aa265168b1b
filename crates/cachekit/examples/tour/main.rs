//! A tour of cachekit on a real source tree.
//!
//! It opens a session, caches the project's file tree, analyses every file with the result cached by content hash, and
//! then goes over the tree again and is served from the cache:
//!
//! ```text
//! cargo run --release --example tour                                     # this repository, in memory
//! cargo run --release --example tour -- ~/src/app                        # another tree
//! cargo run --release --example tour -- --redis redis://127.0.0.1:6379   # on a server; run it twice
//! cargo run --release --example tour -- --json                           # for programs
//! ```
//!
//! How the kit is used is in `tour.rs` and `pass.rs`; the rest is what any program has.
#![allow(clippy::print_stderr, reason = "a command reports its failure there")]

mod analysis;
mod args;
mod facts;
mod failure;
mod findings;
mod pass;
mod progress;
mod project;
mod report;
#[cfg(test)]
mod scratch;
mod server;
mod session;
mod source;
mod tour;
mod tree;
mod written;

use args::{Command, HELP, Request};
use failure::Failure;
use report::Report;
use std::process::ExitCode;
use std::time::Duration;
use tour::Tour;

/// How long the connection may take to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

// Files are read and analysed on this thread, which runs no other task: the connection lives on the runtime's own.
#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::ReaderGone) {
                eprintln!("tour: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

async fn run() -> Result<(), Failure> {
    match args::parse(std::env::args_os().skip(1)).map_err(Failure::Usage)? {
        Command::Help => report::write(HELP),
        Command::Run(request) => take(request).await,
    }
}

async fn take(request: Request) -> Result<(), Failure> {
    let root = project::root(request.path.as_deref())?;
    let id = project::id(&root)?;
    let (kit, place) = server::open(request.redis.as_deref()).await?;
    let tour = Tour::new(kit.clone(), Report::new(request.format));
    let result = tour.run(&root, &id, place).await;
    // Every write has been answered by now, so an ending that takes too long loses nothing.
    let _ = kit.shutdown(SHUTDOWN).await;
    result
}
