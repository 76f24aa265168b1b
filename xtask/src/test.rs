//! Every test, after preparing the servers that they need.
//!
//! The test programs are built first, so that servers live only while tests run.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::{
    command::{self, cargo, run_and_listen, succeeds},
    failure::{Failure, Outcome},
    servers::{Holder, Prepared, Requirement, Source},
    workspace::Workspace,
};

/// What is built, and tested where nextest is not installed: all but documentation tests and benches.
const TARGETS: [&str; 6] = [
    "--workspace",
    "--all-features",
    "--lib",
    "--bins",
    "--tests",
    "--examples",
];

/// Prepares servers, runs the tests (those that match `filter`), reports what was used.
pub(crate) fn run(workspace: &Workspace, filter: &[&str]) -> Outcome<()> {
    let folder = workspace.target.join("servers");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let requirement = Requirement::from_environment()?;
    let prepared = Prepared::make(&folder)?;
    prepared.print();
    prepared.satisfy(&requirement)?;

    command::run(cargo(&["build"]).args(TARGETS))?;
    let log = folder.join("used.log");
    // Absent on the first run.
    let _ = fs::remove_file(&log);
    let holder = Holder::start(workspace, &prepared, &folder)?;
    prepared.satisfy_started(&requirement, &holder)?;
    let counts = run_tests(&prepared, &holder, &log, filter)?;
    let used = report(&prepared, &holder, &log, &counts);
    drop(holder);
    if filter.is_empty() && used == 0 && requirement != Requirement::Nothing {
        return Err(Failure::new(
            "the run requires real servers and no test used one",
        ));
    }
    Ok(())
}

/// How many tests ran.
#[derive(Debug)]
struct Counts {
    tests: usize,
    doctests: usize,
}

fn run_tests(prepared: &Prepared, holder: &Holder, log: &Path, filter: &[&str]) -> Outcome<Counts> {
    let with_servers = |mut command: Command| {
        command
            .envs(prepared.variables())
            .envs(holder.variables())
            .env("CACHEKIT_TEST_LOG", log);
        run_and_listen(command.args(filter))
    };
    let tests = if succeeds(&mut cargo(&["nextest", "--version"])) {
        let mut arguments = vec!["nextest", "run", "--workspace", "--all-features"];
        // Without a filter, no test at all is a failure.
        arguments.push(if filter.is_empty() {
            "--no-tests=fail"
        } else {
            "--no-tests=pass"
        });
        count_nextest(&with_servers(cargo(&arguments))?)
    } else {
        let mut test = cargo(&["test"]);
        test.args(TARGETS);
        count_libtest(&with_servers(test)?)
    };
    // The arguments are the runner's own; the runner of doctests may not know them.
    let doctests = if filter.is_empty() {
        count_libtest(&with_servers(cargo(&[
            "test",
            "--doc",
            "--workspace",
            "--all-features",
        ]))?)
    } else {
        println!("doctests: not run, because arguments for the test runner were given");
        0
    };
    Ok(Counts { tests, doctests })
}

/// `Summary [ 0.6s] 13 tests run: 13 passed, 0 skipped`
fn count_nextest(lines: &[String]) -> usize {
    let summary = lines
        .iter()
        .filter_map(|line| line.split_once("] "))
        .find_map(|(before, after)| {
            let (count, rest) = after.trim_start().split_once(' ')?;
            (before.contains("Summary") && rest.starts_with("test")).then(|| count.parse().ok())?
        });
    summary.unwrap_or(0)
}

/// `test result: ok. 12 passed; 0 failed; ...`, once for each program.
fn count_libtest(lines: &[String]) -> usize {
    let results = lines
        .iter()
        .filter_map(|line| line.split_once("test result: ok. "));
    results
        .filter_map(|(_, counts)| counts.split(' ').next()?.parse::<usize>().ok())
        .sum()
}

/// Prints what ran on which servers; returns how often a test used a server.
///
/// The last line is a sum for programs to read. None failed: a failure has ended the run before.
fn report(prepared: &Prepared, holder: &Holder, log: &Path, counts: &Counts) -> usize {
    let log = fs::read_to_string(log).unwrap_or_default();
    let skipped = skipped(&log);
    let passed = counts.tests.saturating_sub(skipped);
    println!();
    println!(
        "tests: {passed} passed, {skipped} skipped, doctests: {} passed",
        counts.doctests
    );
    for (kind, source) in &prepared.sources {
        for name in kind.deployments() {
            report_server(&name, source, holder.has(&name), &log);
        }
    }
    let all = passed + counts.doctests;
    println!("{all} passed, 0 failed, {skipped} skipped");
    log.lines().filter(|line| line.starts_with("used ")).count()
}

fn report_server(name: &str, source: &Source, started: bool, log: &str) {
    let uses = tests_in(log, &format!("used {name} ")).len();
    let skips = match tests_in(log, &format!("skipped {name} ")).len() {
        0 => String::new(),
        skips => format!(", {skips} SKIPPED"),
    };
    let source = match source {
        Source::Absent(_) => source.to_string(),
        _ if started => source.to_string(),
        _ => format!("SKIPPED, a {source} cannot run it"),
    };
    println!("server {name}: {source}; used by {uses} tests{skips}");
}

/// Tests that returned early because something was absent. One that found another server instead did run.
fn skipped(log: &str) -> usize {
    let ran = tests_in(log, "used ");
    tests_in(log, "skipped ").difference(&ran).count()
}

/// The tests that wrote a line which starts like this; each once, however often it wrote one. A line is
/// `used KIND TEST` or `skipped WHAT TEST`.
fn tests_in<'a>(log: &'a str, start: &str) -> BTreeSet<&'a str> {
    let lines = log.lines().filter(|line| line.starts_with(start));
    lines
        .filter_map(|line| line.splitn(3, ' ').nth(2))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{count_libtest, count_nextest, skipped, tests_in};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_summary_of_nextest_is_counted() {
        let text =
            "  PASS [ 0.1s] (1/2) a b\n     Summary [   0.638s] 13 tests run: 13 passed, 0 skipped";
        assert_eq!(count_nextest(&lines(text)), 13);
    }

    #[test]
    fn the_results_of_all_programs_are_added_up() {
        let text = "test result: ok. 12 passed; 0 failed;\nx\ntest result: ok. 3 passed; 0 failed;";
        assert_eq!(count_libtest(&lines(text)), 15);
    }

    #[test]
    fn a_test_that_asks_twice_is_skipped_once_and_one_that_used_another_server_ran() {
        let log = "skipped redis-7 11/a b\nskipped redis-8 11/a b\nused redis-7 12/c\n\
                   skipped valkey-8 12/c\nskipped redis-7 11/d\n";
        assert_eq!(skipped(log), 2);
        assert_eq!(tests_in(log, "skipped redis-7 ").len(), 2);
    }
}
