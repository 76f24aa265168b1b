//! What the tests of a run tell it: which servers they used, and what they did without.

use std::{env, fs::OpenOptions, io::Write, process, thread};

use super::Deployment;

/// Says that the calling test returns early because `what` is absent: silence would read as success.
///
/// One line on standard error, and one in the run's log, by which `cargo xtask test` counts the test as skipped.
///
/// # Examples
/// ```no_run
/// cachekit_testkit::server::skipped("python3", "no such program on the path");
/// ```
#[expect(
    clippy::print_stderr,
    reason = "the line is for the person who reads the test's output"
)]
pub fn skipped(what: &str, reason: &str) {
    eprintln!("SKIPPED: {what}: {reason}");
    append(&format!("skipped {what} {}", test()));
}

/// Lets the run count which servers its tests really used.
pub(super) fn note_use(deployment: Deployment) {
    append(&format!("used {deployment} {}", test()));
}

/// Tells tests apart, so that one that asks twice counts once. Under nextest a test is a process, whatever threads it
/// has; else it is a thread of one, which the runner names after it.
fn test() -> String {
    let process = process::id();
    if env::var_os("NEXTEST").is_some() {
        return process.to_string();
    }
    let thread = thread::current();
    format!("{process}/{}", thread.name().unwrap_or("unnamed"))
}

/// Best effort: the file is a report and no test may depend on it.
fn append(line: &str) {
    let Some(path) = env::var_os("CACHEKIT_TEST_LOG") else {
        return;
    };
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        // One write of one short line, so that processes do not interleave.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}
