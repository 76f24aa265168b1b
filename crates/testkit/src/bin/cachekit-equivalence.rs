//! Compares the memory store with servers for as long as one likes: `cargo xtask equivalence`.
//!
//! `--ops N` operations on each kind of server (default 1 000 000), from `--seed N` (default: another one each time),
//! on `--kind NAME` only (default: every kind that is at hand), with `--cluster` on clusters of them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is its interface"
)]

use std::{env, error::Error, process::ExitCode, sync::Mutex, time::Duration, time::Instant};

use cachekit_store::{MemoryStore, RedisStore};
use cachekit_testkit::{
    equivalence::{self, Comparison, Config, Report, Side},
    server::{ClusterServer, Kind, Server},
};

/// How often a line tells how far the run has come.
const PROGRESS: Duration = Duration::from_secs(10);

struct Arguments {
    operations: usize,
    seed: u64,
    kinds: Vec<Kind>,
    cluster: bool,
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
        cluster: false,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--cluster" {
            read.cluster = true;
            continue;
        }
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
        let report = match arguments.cluster {
            true => on_cluster(*kind, arguments).await?,
            false => on_server(*kind, arguments).await?,
        };
        if let Some(report) = report {
            println!("{kind}: {report}");
            compared = true;
        }
    }
    match compared {
        true => Ok(()),
        false => Err("no server to compare with".into()),
    }
}

async fn on_server(kind: Kind, arguments: &Arguments) -> Result<Option<Report>, Box<dyn Error>> {
    let Some(server) = Server::start(kind).await? else {
        return Ok(None);
    };
    let redis = Side::redis(&RedisStore::builder(&server.url()))?;
    let comparison = Comparison::new(Side::memory(MemoryStore::new), redis);
    let config = config(kind, arguments);
    Ok(Some(equivalence::run(&config, &comparison).await?))
}

async fn on_cluster(kind: Kind, arguments: &Arguments) -> Result<Option<Report>, Box<dyn Error>> {
    let Some(cluster) = ClusterServer::start(kind).await? else {
        return Ok(None);
    };
    let redis = Side::redis(&RedisStore::builder(&cluster.url()))?;
    let memory = Side::memory(|| MemoryStore::builder().clustered(true).build());
    let comparison = Comparison::new(memory, redis);
    let config = config(kind, arguments).with_cross_slot();
    Ok(Some(equivalence::run(&config, &comparison).await?))
}

fn config(kind: Kind, arguments: &Arguments) -> Config {
    let last = Mutex::new(Instant::now());
    let progress = move |report: &Report| {
        let mut last = last.lock().expect("no holder panics");
        if last.elapsed() >= PROGRESS {
            *last = Instant::now();
            println!("{kind}: {report}");
        }
    };
    Config::new(arguments.seed, arguments.operations).with_progress(progress)
}
