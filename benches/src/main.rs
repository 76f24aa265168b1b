//! Measurements against the raw client and other peers, on a real server that is started for the run.
//!
//! `cargo xtask bench` runs all; `--only PREFIX` runs the rows whose names begin so. Ours and the peer run in
//! turn in one process, with the same bytes, the same runtime and the peer's best settings known to us; the ratio is
//! the median over the pairs.
#![expect(
    clippy::print_stdout,
    reason = "the table is for the person who runs it"
)]

mod harness;
mod memory;
mod report;
mod server;

use std::{env, error::Error, process::ExitCode};

use cachekit_testkit::server::{Kind, Server};

use self::harness::Row;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(&only()).await {
        Ok(rows) if rows.is_empty() => {
            println!("no row has such a name");
            ExitCode::from(2)
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The prefix of the rows to run; empty for all.
fn only() -> String {
    let mut arguments = env::args().skip_while(|argument| argument != "--only");
    arguments.nth(1).unwrap_or_default()
}

async fn run(only: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let Some(server) = Server::start(Kind::Redis7).await? else {
        return Err("no server to measure against".into());
    };
    let bench = server::Bench::prepare(&server.url()).await?;
    report::print_head();
    let mut rows = Vec::new();
    for name in server::ROWS.into_iter().chain(memory::ROWS) {
        if name.starts_with(only) {
            let row = match memory::run(name).await {
                Some(row) => row,
                None => bench.run(name).await?,
            };
            report::print(&row);
            rows.push(row);
        }
    }
    report::write(&rows)?;
    Ok(rows)
}
