//! The documentation: it builds without a broken link, every module says what it is, and the paths that the guides
//! name exist.

use std::{fs, path::Path};

use crate::{
    command,
    failure::{Failure, Outcome},
    workspace::{Workspace, files_below},
};

/// Builds the API documentation and checks the texts.
pub(crate) fn run(workspace: &Workspace) -> Outcome<()> {
    tidy(workspace)?;
    let mut command = command::cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    command::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn tidy(workspace: &Workspace) -> Outcome<()> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        for file in files_below(&package.folder, "rs") {
            if !fs::read_to_string(&file)
                .map_err(Failure::io(file.display()))?
                .starts_with("//!")
            {
                problems.push(format!(
                    "{} does not open with `//!`",
                    relative(workspace, &file)
                ));
            }
        }
    }
    let guides = files_below(&workspace.root.join("docs"), "md")
        .into_iter()
        .chain([workspace.root.join("README.md")]);
    for guide in guides.filter(|guide| guide.exists()) {
        let text = fs::read_to_string(&guide).map_err(Failure::io(guide.display()))?;
        let missing = paths_in(&text).filter(|path| !workspace.root.join(path).exists());
        problems.extend(missing.map(|path| {
            format!(
                "{} names {path}, which does not exist",
                relative(workspace, &guide)
            )
        }));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(problems.join("\n  ")))
    }
}

fn relative(workspace: &Workspace, file: &Path) -> String {
    file.strip_prefix(&workspace.root)
        .unwrap_or(file)
        .display()
        .to_string()
}

/// What stands in single backticks and looks like a path of this workspace.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .filter(|word| looks_like_a_path(word))
}

/// A path starts in a folder of the top level, so that `application/json` or a key with a slash is none.
fn looks_like_a_path(word: &str) -> bool {
    const TOP: &[&str] = &[
        "crates", "xtask", "tests", "benches", "docs", ".ci", ".cargo",
    ];
    let plain = word
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    plain
        && word
            .split_once('/')
            .is_some_and(|(first, _)| TOP.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::paths_in;

    #[test]
    fn paths_of_the_workspace_are_found_and_other_words_are_not() {
        let text = "See `crates/keys/src/lib.rs`, `application/json`, `crates/*`, `a::b` and\n```\n`docs/x.md`\n```\n`docs/y.md`.";
        assert_eq!(
            paths_in(text).collect::<Vec<_>>(),
            ["crates/keys/src/lib.rs", "docs/y.md"]
        );
    }
}
