//! The servers that a whole run shares, held by the testkit's program `cachekit-servers`.
//!
//! A program of its own, because the launchers are the testkit's and this package uses no crate of the workspace.

use std::{
    env,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Stdio},
};

use super::Prepared;
use crate::{
    command::command,
    failure::{Failure, Outcome},
    workspace::Workspace,
};

/// The running program. Dropping it ends the servers; so does the end of this process, which closes the program's
/// standard input.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    variables: Vec<(String, String)>,
}

impl Holder {
    /// Starts one server of each kind that the run has in each form, and waits until all answer. Their certificates are
    /// written into `folder`.
    pub(crate) fn start(
        workspace: &Workspace,
        prepared: &Prepared,
        folder: &Path,
    ) -> Outcome<Self> {
        let program = workspace
            .target
            .join("debug")
            .join(format!("cachekit-servers{}", env::consts::EXE_SUFFIX));
        let mut holder = command(&program, &[]);
        // A process group of its own: at an interrupt it must live long enough to end its servers.
        holder
            .arg(folder)
            .envs(prepared.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = holder.spawn().map_err(Failure::io(program.display()))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Failure::new("the holder has no output"))?;
        let mut variables = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.map_err(Failure::io("reading from the servers' holder"))?;
            if line == "READY" {
                return Ok(Self { child, variables });
            }
            if let Some((name, value)) = line.split_once('=') {
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
        let status = child
            .wait()
            .map_err(Failure::io("waiting for the servers' holder"))?;
        Err(Failure::new(format!(
            "a server that was found did not start ({status})"
        )))
    }

    /// Whether this server was started.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = name.to_ascii_uppercase().replace('-', "_");
        let url = format!("CACHEKIT_TEST_URL_{name}");
        self.variables.iter().any(|(variable, _)| *variable == url)
    }

    /// The servers' URLs and certificates, for the tests.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends when its servers have.
        let _ = self.child.wait();
    }
}
