//! Measurements against the raw client and other peers, on a real server that is started for the run.
//!
//! `cargo xtask bench` runs all; `--only PREFIX` runs the rows whose names begin so, and with `--check` a row that misses
//! its bound is a failure. Ours and the peer run in
//! turn in one process, with the same bytes, the same runtime and the peer's best settings known to us; the ratio is
//! the median over the pairs.
#![expect(
    clippy::print_stdout,
    reason = "the table is for the person who runs it"
)]

mod aside;
mod behind;
mod bounds;
mod harness;
mod keyspace;
mod limits;
mod memory;
mod payload;
mod raw;
mod report;
mod stampede;
mod typed;
mod warm;

use std::{env, error::Error, process::ExitCode};

use self::harness::Row;

/// What a part of the measurements ends with.
type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    if let Some(ended) = stampede::child().await {
        return ended;
    }
    match run(&only()).await {
        Ok(rows) if rows.is_empty() => {
            println!("no row has such a name");
            ExitCode::from(2)
        }
        Ok(rows) => verdict(&rows),
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// With `--check`, a failure where a row misses its bound.
fn verdict(rows: &[Row]) -> ExitCode {
    let missed = rows.iter().filter(|row| row.is_met() == Some(false));
    let missed: Vec<&str> = missed.map(|row| row.name.as_str()).collect();
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("missed: {}", missed.join(", "));
    match env::args().any(|argument| argument == "--check") {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn only() -> String {
    let mut arguments = env::args().skip_while(|argument| argument != "--only");
    arguments.nth(1).unwrap_or_default()
}

async fn run(only: &str) -> Outcome<Vec<Row>> {
    let wanted = |rows: &[&'static str]| -> Vec<&'static str> {
        rows.iter()
            .copied()
            .filter(|name| name.starts_with(only))
            .collect()
    };
    report::print_head();
    // First, as its memory is told by what the process grows, and no longer grows where others have been.
    let mut rows = memory::run(&wanted(&memory::ROWS)).await?;
    rows.extend(typed::run(&wanted(&typed::ROWS)).await?);
    rows.extend(aside::run(&wanted(&aside::ROWS)).await?);
    rows.extend(warm::run(&wanted(&warm::ROWS)).await?);
    rows.extend(behind::run(&wanted(&behind::ROWS)).await?);
    rows.extend(keyspace::run(&wanted(&keyspace::ROWS)).await?);
    rows.extend(limits::run(&wanted(&limits::ROWS)).await?);
    rows.extend(stampede::run(&wanted(&stampede::ROWS)).await?);
    report::write(&rows)?;
    Ok(rows)
}
