//! Reading source files, bounded.
//!
//! A tree from outside holds anything: images, databases, a file that grows while it is read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Files over this size are data rather than source: 1 MiB.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// How much of a file's beginning says whether it is text, as in git.
const PROBE_BYTES: u64 = 8000;

/// Whether the file's beginning holds a NUL byte.
///
/// # Errors
///
/// The operating system's, when the file cannot be opened or read.
pub(crate) fn looks_binary(path: &Path) -> io::Result<bool> {
    Ok(read_at_most(path, PROBE_BYTES)?.contains(&0))
}

/// The file's bytes.
///
/// # Errors
///
/// The operating system's, or that the file has outgrown [`MAX_BYTES`] since it was found.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read_at_most(path, MAX_BYTES + 1)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_BYTES) {
        return Err(io::Error::other("it has grown over the size limit"));
    }
    Ok(bytes)
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
