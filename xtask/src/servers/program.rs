//! Server programs of this machine.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::kind::Kind;
use crate::command;

/// A program on the `PATH` of the kind's major version.
pub(super) fn find(kind: &Kind) -> Option<PathBuf> {
    candidates(kind.program).find(|program| major(program) == Some(kind.major))
}

/// Whether the `PATH` has this program at all.
pub(super) fn exists(name: &str) -> bool {
    candidates(name).next().is_some()
}

/// The `PATH` with the administrator's folders, which an ordinary shell of root may lack.
pub(super) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    // A folder taken out of a `PATH` can be put back into one.
    env::join_paths(folders).unwrap_or(path)
}

fn candidates(name: &str) -> impl Iterator<Item = PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&search_path()).collect();
    folders
        .into_iter()
        .map(move |folder| folder.join(name))
        .filter(|program| program.is_file())
}

/// `Redis server v=7.0.15 sha=...`
fn major(program: &Path) -> Option<u32> {
    let text = command::read(&mut command::command(program, &["--version"])).ok()?;
    text.split_once("v=")?.1.split('.').next()?.parse().ok()
}
