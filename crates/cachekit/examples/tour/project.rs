//! Which tree the tour goes through, and what that project is called in the cache.

use crate::failure::Failure;
use cachekit::{ContentHash, ProjectId};
use std::path::{Path, PathBuf};

/// Hexadecimal digits of the path's hash in a project's id: told apart on one machine, readable in a key.
const HASH_DIGITS: usize = 12;

/// The longest part of a directory's name in a project's id.
const NAME_CHARS: usize = 48;

/// The tree to walk: an existing directory, as an absolute path without links.
///
/// # Errors
///
/// [`Failure::Usage`] when there is no such directory.
pub(crate) fn root(path: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => this_repository(),
    };
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::Usage(format!("cannot walk `{}`: {reason}", path.display()))
    };
    let root = path.canonicalize().map_err(|error| wrong(&error))?;
    if !root.is_dir() {
        return Err(wrong(&"it is not a directory"));
    }
    Ok(root)
}

/// The workspace that this example was built from; the current directory where that is gone.
fn this_repository() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    workspace
        .filter(|path| path.is_dir())
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// The project's id: its directory's name, and a hash of the whole path, so that two trees of one name never mix.
///
/// # Errors
///
/// [`Failure::Stopped`], should the id not be a legal one after all.
pub(crate) fn id(root: &Path) -> Result<ProjectId, Failure> {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(NAME_CHARS).map(plain).collect();
    let name = if name.is_empty() { "root" } else { &name };
    let hash = ContentHash::of(root.as_os_str().as_encoded_bytes()).to_string();
    let id = format!("{name}-{}", &hash[..HASH_DIGITS]);
    ProjectId::new(id).map_err(|error| Failure::Stopped(crate::failure::in_one_line(&error)))
}

/// Ids may hold any character; these are the ones that need no encoding in a key.
fn plain(character: char) -> char {
    let stays = character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if stays { character } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::{id, root};
    use crate::failure::Failure;
    use std::path::Path;

    #[test]
    fn trees_of_one_name_have_ids_of_their_own() {
        let a = id(Path::new("/a/app")).expect("an id");
        let b = id(Path::new("/b/app")).expect("an id");
        assert!(a.as_encoded().starts_with("app-"));
        assert_ne!(a, b);
        assert_eq!(a, id(Path::new("/a/app")).expect("an id"));
    }

    #[test]
    fn odd_names_make_plain_ids() {
        let odd = id(Path::new("/x/a:{b} %é")).expect("an id");
        assert!(odd.as_encoded().starts_with("a__b____-"), "{odd:?}");
        assert!(
            id(Path::new("/"))
                .expect("an id")
                .as_encoded()
                .starts_with("root-")
        );
        let long = "n".repeat(250);
        assert!(
            id(&Path::new("/x").join(long))
                .expect("an id")
                .as_encoded()
                .len()
                < 70
        );
    }

    #[test]
    fn what_is_no_directory_is_a_wrong_request() {
        for path in [
            "no/such/directory",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ] {
            let failure = root(Some(Path::new(path))).expect_err("no directory");
            assert!(matches!(failure, Failure::Usage(_)), "{path}: {failure}");
        }
    }

    #[test]
    fn without_a_path_it_is_this_repository() {
        let root = root(None).expect("the repository");
        assert!(root.join("crates/cachekit/examples/tour/main.rs").is_file());
    }
}
