//! The crash tests, for longer than as a part of all tests.

use std::fs;

use crate::{
    command::{self, cargo},
    failure::{Failure, Outcome},
    servers::{Prepared, Requirement},
    workspace::Workspace,
};

/// How often somebody is killed, unless the arguments say otherwise.
const KILLS: &str = "300";

/// Prepares servers and runs the tests of killed processes.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Outcome<()> {
    let (mut kills, mut seed) = (KILLS, None);
    let mut words = arguments.chunks(2);
    words.try_for_each(|pair| match pair {
        ["--rounds", number] => is_number(number).map(|number| kills = number),
        ["--seed", number] => is_number(number).map(|number| seed = Some(number)),
        other => Err(Failure::new(format!("cannot read `{}`", other.join(" ")))),
    })?;
    let folder = workspace.target.join("servers");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let requirement = Requirement::from_environment()?;
    let prepared = Prepared::make(&folder)?;
    prepared.print();
    prepared.satisfy(&requirement)?;
    let mut run = cargo(&[
        "test",
        "--package",
        "cachekit-tests",
        "--test",
        "it",
        "crash::",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
    ]);
    run.envs(prepared.variables());
    run.env("CACHEKIT_CRASH_KILLS", kills);
    if let Some(seed) = seed {
        run.env("CACHEKIT_CRASH_SEED", seed);
    }
    command::run(&mut run)
}

fn is_number<'a>(text: &&'a str) -> Outcome<&'a str> {
    match text.parse::<u64>() {
        Ok(_) => Ok(text),
        Err(_) => Err(Failure::new(format!("`{text}` is no number"))),
    }
}
