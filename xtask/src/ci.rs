//! Everything that must hold before a change is accepted, cheapest first. The first failure ends it.

use crate::{
    command::{self, cargo, step},
    deps, docs,
    failure::Outcome,
    test,
    workspace::{Package, Workspace},
};

/// Whether the tests are part of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Run,
    Skip,
}

/// Runs every check, then the tests.
pub(crate) fn run(workspace: &Workspace, tests: Test) -> Outcome<()> {
    step("format", || {
        command::run(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("deps", || deps::run(workspace))?;
    step("lints", || {
        let arguments = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ];
        command::run(&mut cargo(&arguments))
    })?;
    step("docs", || docs::run(workspace))?;
    step("features", || {
        workspace.libraries().try_for_each(each_feature)
    })?;
    licences_and_advisories()?;
    match tests {
        Test::Run => step("test", || test::run(workspace, &[])),
        Test::Skip => Ok(()),
    }
}

/// A library compiles with its default features, with none, and with each one alone. Clippy is `cargo check` with more
/// lints; it denies warnings in this one package, where `RUSTFLAGS` would build every dependency anew.
fn each_feature(library: &Package) -> Outcome<()> {
    let check = |features: &[&str]| {
        let mut command = cargo(&["clippy", "--quiet", "--package", &library.name]);
        command::run(command.args(features).args(["--", "-D", "warnings"]))
    };
    check(&[])?;
    check(&["--no-default-features"])?;
    let single = library
        .features
        .iter()
        .filter(|feature| *feature != "default");
    for feature in single.clone() {
        check(&["--no-default-features", "--features", feature])?;
    }
    println!(
        "features: {} with default, none and {} single",
        library.name,
        single.count()
    );
    Ok(())
}

fn licences_and_advisories() -> Outcome<()> {
    if !command::succeeds(&mut cargo(&["deny", "--version"])) {
        println!("==> licences and advisories: skipped, cargo-deny is not installed");
        return Ok(());
    }
    step("licences and advisories", || {
        command::run(&mut cargo(&["deny", "--all-features", "check"]))
    })
}
