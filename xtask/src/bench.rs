//! Measurements on a real server, which the program of the package `benches` starts itself.

use std::fs;

use crate::{
    command::{self, cargo},
    failure::{Failure, Outcome},
    servers::Prepared,
    workspace::Workspace,
};

/// Prepares servers and runs the rows whose names begin with `only`; all, where it is empty. With `check` a row that misses its
/// bound is a failure.
pub(crate) fn run(workspace: &Workspace, only: &str, check: bool) -> Outcome<()> {
    let folder = workspace.target.join("servers");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let prepared = Prepared::make(&folder)?;
    prepared.print();
    let mut run = cargo(&[
        "run",
        "--release",
        "--package",
        "cachekit-benches",
        "--",
        "--only",
        only,
    ]);
    if check {
        run.arg("--check");
    }
    command::run(run.envs(prepared.variables()))
}
