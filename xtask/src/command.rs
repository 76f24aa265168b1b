//! Running other programs: quietly, for their output, with a time limit, or as a named step of a chore.
//!
//! Standard input is closed everywhere: a chore must work where nobody can answer a question.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::failure::{Failure, Outcome};

/// A command with standard input closed.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The cargo that runs this chore, so that a toolchain chosen with `cargo +x` stays chosen.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    )
}

/// Runs to the end with the output shown.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status().map_err(Failure::io(describe(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{} failed ({status})",
            describe(command)
        )))
    }
}

/// Runs to the end and returns standard output; standard error becomes the failure's text.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(Failure::io(describe(command)))?;
    text_of(command, &output)
}

fn text_of(command: &Command, output: &Output) -> Outcome<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = error.trim().lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(Failure::new(format!(
        "{} failed: {}",
        describe(command),
        last.join("\n")
    )))
}

/// As [`read`], but gives up after `limit`: for questions to a service that may hang.
pub(crate) fn read_within(limit: Duration, command: &mut Command) -> Outcome<String> {
    let spawned = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(Failure::io(describe(command)))?;
    let deadline = Instant::now() + limit;
    while child
        .try_wait()
        .map_err(Failure::io(describe(command)))?
        .is_none()
    {
        if Instant::now() >= deadline {
            // It may have ended in between, in which case there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::new(format!(
                "{} did not answer within {limit:?}",
                describe(command)
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let output = child
        .wait_with_output()
        .map_err(Failure::io(describe(command)))?;
    text_of(command, &output)
}

/// Whether the program runs and says yes.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs to the end, shows both outputs as they come and returns the lines of both: for summaries.
pub(crate) fn run_and_listen(command: &mut Command) -> Outcome<Vec<String>> {
    let spawned = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(Failure::io(describe(command)))?;
    let stderr = child.stderr.take();
    let other =
        thread::spawn(move || stderr.map_or_else(Vec::new, |pipe| echo(pipe, std::io::stderr())));
    let mut lines = child
        .stdout
        .take()
        .map_or_else(Vec::new, |pipe| echo(pipe, std::io::stdout()));
    lines.extend(other.join().unwrap_or_default());
    let status = child.wait().map_err(Failure::io(describe(command)))?;
    if status.success() {
        Ok(lines)
    } else {
        Err(Failure::new(format!(
            "{} failed ({status})",
            describe(command)
        )))
    }
}

fn echo(from: impl Read, mut to: impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        // A closed terminal is no reason to end the tests early.
        let _ = to.write_all(&line);
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

/// Prints the step's name, runs it, prints the time that it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    println!("==> {name}");
    let start = Instant::now();
    let outcome = work();
    let end = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!(
        "<== {name}: {end} in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    outcome
}

/// The program's name and first arguments. The rest may be long and is in nobody's interest.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    let arguments = command
        .get_args()
        .take(6)
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
