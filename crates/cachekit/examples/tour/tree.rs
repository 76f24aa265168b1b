//! The source tree: which files there are, in a stable order.
//!
//! The walk is safe on any directory: it follows no symbolic link (so no loop, and nothing outside of the tree), opens
//! nothing but regular files, and reports what it cannot read instead of stopping. [`FileTree`] is also the value that is
//! cached at `project:{id}:file_tree`. It holds no contents; see `source.rs` for these.

use crate::source;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

/// Directories that hold no sources of the project itself.
const IGNORED_DIRS: [&str; 7] = [
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "__pycache__",
    "node_modules",
    "target",
];

/// A tree as it was found. Paths are relative to its root, with `/` between the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileTree {
    /// The text files to analyse, sorted by path.
    pub(crate) files: Vec<TreeFile>,
    /// The directories that were entered, sorted, without the root.
    pub(crate) dirs: Vec<String>,
    /// What was left out on purpose.
    pub(crate) skipped: Skipped,
    /// What could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// One text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeFile {
    /// Where it is.
    pub(crate) path: String,
    /// Its size when it was found.
    pub(crate) bytes: u64,
}

/// Counts of what was left out on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    /// Directories of version control, build results and foreign packages.
    pub(crate) ignored_dirs: u64,
    /// Files with a NUL byte near their beginning.
    pub(crate) binary: u64,
    /// Files over [`source::MAX_BYTES`].
    pub(crate) too_large: u64,
    /// Symbolic links, sockets, pipes and devices.
    pub(crate) not_regular: u64,
}

/// Something that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    /// Where it is.
    pub(crate) path: String,
    /// The operating system's words.
    pub(crate) reason: String,
}

impl Unreadable {
    /// Notes that `path` failed with `error`.
    pub(crate) fn new(path: &str, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

impl FileTree {
    /// The sum of the sizes of all text files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Walks the tree under `root`.
pub(crate) fn walk(root: &Path) -> FileTree {
    let mut tree = FileTree::default();
    // A stack of our own: a deep tree must not overflow the thread's.
    let mut pending = vec![String::new()];
    while let Some(dir) = pending.pop() {
        match list(&root.join(&dir)) {
            Ok(entries) => {
                for entry in entries {
                    visit(&entry, &dir, &mut tree, &mut pending);
                }
            }
            Err(error) => tree.unreadable.push(Unreadable::new(&dir, &error)),
        }
    }
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree.dirs.sort();
    tree.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    tree
}

fn list(dir: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(dir)?.collect()
}

fn visit(entry: &DirEntry, parent: &str, tree: &mut FileTree, pending: &mut Vec<String>) {
    let name = entry.file_name();
    let path = join(parent, &name.to_string_lossy());
    if name.to_str().is_none() {
        // The cached tree is JSON, which cannot carry such a name back to the file.
        tree.unreadable.push(Unreadable {
            path,
            reason: "the name is not Unicode".to_owned(),
        });
        return;
    }
    // `DirEntry::file_type` does not follow symbolic links.
    match entry.file_type() {
        Ok(kind) if kind.is_dir() && is_ignored(&name.to_string_lossy()) => {
            tree.skipped.ignored_dirs += 1;
        }
        Ok(kind) if kind.is_dir() => {
            tree.dirs.push(path.clone());
            pending.push(path);
        }
        Ok(kind) if kind.is_file() => add_file(entry, path, tree),
        Ok(_) => tree.skipped.not_regular += 1,
        Err(error) => tree.unreadable.push(Unreadable::new(&path, &error)),
    }
}

fn add_file(entry: &DirEntry, path: String, tree: &mut FileTree) {
    let sized = entry.metadata().map(|metadata| metadata.len());
    match sized {
        Ok(bytes) if bytes > source::MAX_BYTES => tree.skipped.too_large += 1,
        Ok(bytes) => match source::looks_binary(&entry.path()) {
            Ok(true) => tree.skipped.binary += 1,
            Ok(false) => tree.files.push(TreeFile { path, bytes }),
            Err(error) => tree.unreadable.push(Unreadable::new(&path, &error)),
        },
        Err(error) => tree.unreadable.push(Unreadable::new(&path, &error)),
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}

fn is_ignored(name: &str) -> bool {
    IGNORED_DIRS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::walk;
    use crate::scratch::Scratch;

    #[test]
    fn files_are_sorted_and_relative() {
        let dir = Scratch::new();
        dir.write("b.rs", "fn b() {}");
        dir.write("a/z.rs", "fn z() {}");
        dir.write("a/y.rs", "");
        let tree = walk(dir.path());
        let paths: Vec<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/y.rs", "a/z.rs", "b.rs"]);
        assert_eq!(tree.dirs, ["a"]);
        assert_eq!(tree.bytes(), 18);
    }

    #[test]
    fn builds_repositories_and_binaries_are_left_out() {
        let dir = Scratch::new();
        dir.write("target/debug/x.rs", "x");
        dir.write(".git/config", "x");
        dir.write("node_modules/p/i.js", "x");
        dir.write("logo.png", "\u{0}PNG");
        dir.write("kept.txt", "x");
        let tree = walk(dir.path());
        assert_eq!(tree.files.len(), 1);
        assert_eq!(tree.skipped.ignored_dirs, 3);
        assert_eq!(tree.skipped.binary, 1);
    }

    #[test]
    fn a_file_over_the_limit_is_left_out() {
        let dir = Scratch::new();
        let limit = usize::try_from(crate::source::MAX_BYTES).expect("a small limit");
        dir.write("over.txt", &"x".repeat(limit + 1));
        dir.write("at.txt", &"x".repeat(limit));
        let tree = walk(dir.path());
        assert_eq!(tree.files.len(), 1);
        assert_eq!(tree.files[0].path, "at.txt");
        assert_eq!(tree.skipped.too_large, 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_parent_is_not_followed() {
        let dir = Scratch::new();
        dir.write("real.rs", "x");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).expect("symlink");
        let tree = walk(dir.path());
        assert_eq!(tree.files.len(), 1);
        assert_eq!(tree.skipped.not_regular, 1);
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_reported() {
        let dir = Scratch::new();
        let tree = walk(&dir.path().join("gone"));
        assert!(tree.files.is_empty());
        assert_eq!(tree.unreadable.len(), 1);
    }
}
