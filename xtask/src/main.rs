//! Every chore of the workspace: `cargo xtask <chore>`.
//!
//! A chore does its own set-up and needs no other tool than Rust. Nothing here is part of the product, and no crate of
//! the workspace is used, so that the chores still run while a crate does not compile.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod bench;
mod ci;
mod command;
mod crash;
mod deps;
mod docs;
mod equivalence;
mod failure;
mod servers;
mod test;
mod workspace;

use std::{env, process::ExitCode};

use failure::{Failure, Outcome};
use workspace::Workspace;

const HELP: &str = "\
Usage: cargo xtask <chore>

Chores:
  test [-- ARGS...]   prepare servers and run every test; ARGS go to the test runner (a filter)
  ci [--skip-test]    format, lints, deps, docs, features, licences and advisories, then test
  bench [--only NAME] [--check]
                      measure against peers on a real server, in target/bench/latest.json; NAME may be a prefix;
                      --check: a row that misses its bound is a failure
  equivalence [--ops N] [--seed N] [--kind NAME] [--cluster]
                      compare the memory store with servers by N random operations on each (default 1000000),
                      on one kind such as redis-7 or on all, or on clusters of them; a seed that is printed repeats a run
  crash [--rounds N] [--seed N]
                      kill processes that write and persist, and their server, N times (default 300), and compare what the
                      database holds with what was acknowledged; a seed that is printed repeats a run
  deps                check the arrows between the crates
  docs                build the documentation with broken links denied, check the paths that it names

Environment:
  CACHEKIT_REQUIRE_SERVERS   1: a run without any real server fails (the default where CI is set);
                             a list such as redis-7,redis-8,valkey-8: a run without one of them fails;
                             0: nothing is required
  CACHEKIT_NO_INSTALL        1: install no package, build no image, start no Docker engine
  CARGO_TARGET_DIR           also holds the images that are built (in servers/)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => test::run(&Workspace::load()?, &[]),
        ["test", "--", filter @ ..] => test::run(&Workspace::load()?, filter),
        ["ci"] => ci::run(&Workspace::load()?, ci::Test::Run),
        ["ci", "--skip-test"] => ci::run(&Workspace::load()?, ci::Test::Skip),
        ["bench"] => bench::run(&Workspace::load()?, "", false),
        ["bench", "--check"] => bench::run(&Workspace::load()?, "", true),
        ["bench", "--only", name] => bench::run(&Workspace::load()?, name, false),
        ["bench", "--only", name, "--check"] => bench::run(&Workspace::load()?, name, true),
        ["equivalence", arguments @ ..] => equivalence::run(&Workspace::load()?, arguments),
        ["crash", arguments @ ..] => crash::run(&Workspace::load()?, arguments),
        ["deps"] => deps::run(&Workspace::load()?),
        ["docs"] => docs::run(&Workspace::load()?),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [] => Err(Failure::new(format!("no chore named\n\n{HELP}"))),
        _ => Err(Failure::new(format!(
            "cannot read `{}`\n\n{HELP}",
            words.join(" ")
        ))),
    }
}
