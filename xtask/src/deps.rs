//! The arrows between the crates, held by a check.
//!
//! The table is the design; the rules are functions of a package list, so that their own tests can show them a graph
//! that breaks each rule. What the table cannot see (what a package reaches through others' packages) is asked of
//! `cargo tree`.

#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use crate::{
    command,
    failure::{Failure, Outcome},
    workspace::{Package, Workspace, files_below},
};

/// Who may use whom, by normal and build dependencies. The prefix `cachekit-` is left out. Crates of the design that
/// do not exist yet are listed too, so that they are held from their first day.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "cachekit",
        &[
            "patterns", "limits", "locks", "events", "insight", "macros", "store", "codec", "keys",
        ],
    ),
    ("cli", &["cachekit"]),
    ("patterns", &["store", "codec", "keys"]),
    ("limits", &["store", "codec", "keys"]),
    ("locks", &["store", "keys"]),
    ("events", &["store", "codec", "keys"]),
    ("insight", &["store", "keys"]),
    ("store", &["keys"]),
    ("codec", &[]),
    ("keys", &[]),
    ("macros", &[]),
    ("testkit", &["store", "keys", "codec"]),
    ("tests", &["cachekit", "testkit"]),
    ("benches", &["cachekit", "testkit"]),
    ("xtask", &[]),
];

/// Packages that are examples of use in whole, and use the umbrella alone.
const EXAMPLE_PREFIX: &str = "example-";

/// Manifests that may name the client library: the store, and the benchmarks that measure it as a peer.
const NAMES_REDIS: &[&str] = &["store", "benches"];
/// The one module that may name it, from the workspace's root.
const REDIS_MODULE: &str = "crates/store/src/redis";

/// What `keys` must not reach: it is pure, and small enough for any program.
const NOT_IN_KEYS: &[&str] = &["tokio", "serde_json", "redis"];

/// Runs every rule and prints every violation, not only the first.
pub(crate) fn run(workspace: &Workspace) -> Outcome<()> {
    let mut violations = arrow_violations(&workspace.packages);
    violations.extend(redis_in_manifests(&workspace.packages));
    violations.extend(redis_in_sources(workspace)?);
    violations.extend(reached(workspace)?);
    if violations.is_empty() {
        println!(
            "deps: {} packages keep to the arrows",
            workspace.packages.len()
        );
        return Ok(());
    }
    Err(Failure::new(format!(
        "arrows that the design forbids:\n  {}",
        violations.join("\n  ")
    )))
}

fn short(name: &str) -> &str {
    name.strip_prefix("cachekit-").unwrap_or(name)
}

/// What a package may use; `None` where the design does not know it.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    if name.starts_with(EXAMPLE_PREFIX) {
        return Some(&["cachekit"]);
    }
    ARROWS
        .iter()
        .find_map(|(from, to)| (*from == name).then_some(*to))
}

/// Arrows outside the table. A dev-dependency may also be the testkit, and nothing else that is not in the table.
fn arrow_violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        let from = short(&package.name);
        let Some(allowed) = allowed(from) else {
            violations.push(format!(
                "{from} is not in the table of arrows (xtask/src/deps.rs)"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let to = short(&dependency.name);
            let ours = packages.iter().any(|known| known.name == dependency.name);
            let testing = dependency.dev && to == "testkit" && from != "xtask";
            if ours && !allowed.contains(&to) && !testing {
                let kind = if dependency.dev { " (dev)" } else { "" };
                violations.push(format!("{from} -> {to}{kind}"));
            }
        }
    }
    violations
}

fn redis_in_manifests(packages: &[Package]) -> Vec<String> {
    let names_redis = |package: &&Package| {
        package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "redis")
    };
    let others = packages
        .iter()
        .filter(names_redis)
        .map(|package| short(&package.name));
    let others = others.filter(|name| !NAMES_REDIS.contains(name));
    others
        .map(|name| format!("{name} names the package redis in its manifest"))
        .collect()
}

/// Paths of the client library outside its module. The benchmarks may, and this package only speaks of them.
fn redis_in_sources(workspace: &Workspace) -> Outcome<Vec<String>> {
    let mut violations = Vec::new();
    let module = workspace.root.join(REDIS_MODULE);
    let spared = |package: &&Package| !["benches", "xtask"].contains(&short(&package.name));
    for package in workspace.packages.iter().filter(spared) {
        for file in files_below(&package.folder, "rs") {
            // The module is a folder, or a file of the same name.
            if file.starts_with(&module) || file.with_extension("") == module {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(Failure::io(file.display()))?;
            violations.extend(
                lines_naming_redis(&text).map(|line| located(&workspace.root, &file, line)),
            );
        }
    }
    Ok(violations)
}

fn located(root: &Path, file: &Path, line: usize) -> String {
    let file = file.strip_prefix(root).unwrap_or(file).display();
    format!("{file}:{line} names the package redis outside {REDIS_MODULE}/")
}

/// The numbers of the lines whose code names the client library. Comments do not count: they may speak of it.
fn lines_naming_redis(text: &str) -> impl Iterator<Item = usize> {
    let numbered = text.lines().enumerate();
    numbered
        .filter(|(_, line)| names_redis(line))
        .map(|(index, _)| index + 1)
}

fn names_redis(line: &str) -> bool {
    let code = line.trim_start();
    if code.starts_with("//") {
        return false;
    }
    code.starts_with("extern crate redis")
        || code.contains("use redis;")
        || code.contains("use redis as ")
        || code
            .match_indices("redis::")
            .any(|(at, _)| starts_a_path(&code[..at]))
}

/// Whether what stands before makes the next word the first of a path: `crate::redis::` is our own module, `::redis::`
/// and a bare `redis::` are the package.
fn starts_a_path(before: &str) -> bool {
    let part_of_a_name = |last: char| last.is_alphanumeric() || last == '_';
    match before.strip_suffix("::") {
        Some(parent) => !parent.ends_with(part_of_a_name),
        None => !before.ends_with(part_of_a_name),
    }
}

/// What packages reach through others, as cargo resolves it.
fn reached(workspace: &Workspace) -> Outcome<Vec<String>> {
    let mut violations = Vec::new();
    if workspace.package("cachekit-keys").is_some() {
        let tree = tree("cachekit-keys", &["--all-features"])?;
        violations.extend(
            NOT_IN_KEYS
                .iter()
                .filter(|name| contains(&tree, name))
                .map(|name| format!("keys reaches {name}")),
        );
    }
    for library in workspace.libraries() {
        if contains(&tree(&library.name, &["--no-default-features"])?, "redis") {
            violations.push(format!(
                "{} reaches redis without the feature `redis`",
                short(&library.name)
            ));
        }
    }
    Ok(violations)
}

fn tree(package: &str, arguments: &[&str]) -> Outcome<String> {
    let mut command = command::cargo(&[
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    command::read(command.args(["--format", "{p}"]).args(arguments))
}

/// Whether a line of `cargo tree` is this package (`redis v1.8.1`).
fn contains(tree: &str, package: &str) -> bool {
    tree.lines()
        .any(|line| line.split_whitespace().next() == Some(package))
}
