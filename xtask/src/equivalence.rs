//! The long comparison of the memory store with servers, by the testkit's program `cachekit-equivalence`.

use std::fs;

use crate::{
    command::{self, cargo},
    failure::{Failure, Outcome},
    servers::{Prepared, Requirement},
    workspace::Workspace,
};

/// Prepares servers and runs the program with these arguments.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Outcome<()> {
    let folder = workspace.target.join("servers");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let requirement = Requirement::from_environment()?;
    let prepared = Prepared::make(&folder)?;
    prepared.print();
    prepared.satisfy(&requirement)?;
    let mut run = cargo(&[
        "run",
        "--release",
        "--package",
        "cachekit-testkit",
        "--features",
        "equivalence",
        "--bin",
        "cachekit-equivalence",
        "--",
    ]);
    command::run(run.args(arguments).envs(prepared.variables()))
}
