//! Compares the memory store with servers for as long as one likes: `cargo xtask equivalence`.
//!
//! `--ops N` operations on each kind of server (default 1 000 000), from `--seed N` (default: another one each time),
//! on `--kind NAME` only (default: every kind that is at hand).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is its interface"
)]

use std::{env, error::Error, process::ExitCode, sync::Mutex, time::Duration, time::Instant};

use cachekit_store::{MemoryStore, RedisStore};
use cachekit_testkit::{
    equivalence::{self, Comparison, Config, Report, Side},
    server::{Kind, Server},
};

/// How often a line tells how far the run has come.
const PROGRESS: Duration = Duration::from_secs(10);

struct Arguments {
    operations: usize,
    seed: u64,
    kinds: Vec<Kind>,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let outcome = match arguments() {
        Ok(arguments) => run(&arguments).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut read = Arguments {
        operations: 1_000_000,
        seed: u64::from(fastrand::u32(..)),
        kinds: Kind::ALL.to_vec(),
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.replace('_', "").parse::<u64>();
        match word.as_str() {
            "--ops" => read.operations = usize::try_from(number()?)?,
            "--seed" => read.seed = number()?,
            "--kind" => {
                let kind = Kind::from_name(&value);
                read.kinds = vec![kind.ok_or_else(|| format!("no kind of server {value}"))?];
            }
            _ => return Err(format!("cannot read {word}").into()),
        }
    }
    Ok(read)
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut compared = false;
    for kind in &arguments.kinds {
        let Some(server) = Server::start(*kind).await? else {
            continue;
        };
        let report = compare(*kind, &server, arguments).await?;
        println!("{kind}: {report}");
        compared = true;
    }
    match compared {
        true => Ok(()),
        false => Err("no server to compare with".into()),
    }
}

async fn compare(
    kind: Kind,
    server: &Server,
    arguments: &Arguments,
) -> Result<Report, Box<dyn Error>> {
    let redis = Side::redis(&RedisStore::builder(&server.url()))?;
    let comparison = Comparison::new(Side::memory(MemoryStore::new), redis);
    let last = Mutex::new(Instant::now());
    let progress = move |report: &Report| {
        let mut last = last.lock().expect("no holder panics");
        if last.elapsed() >= PROGRESS {
            *last = Instant::now();
            println!("{kind}: {report}");
        }
    };
    let config = Config::new(arguments.seed, arguments.operations).with_progress(progress);
    Ok(equivalence::run(&config, &comparison).await?)
}
