//! Crates outside the workspace that depend on the kit in the README's words: its lines, with only the path replaced.

use std::{fs, path::Path, process::Command};

const KEYS_MAIN: &str = r#"
use cachekit_keys::{KeyPath, KeySchema, SessionId, SessionKey};

fn main() {
    let key = SessionKey::new(SessionId::new("abc123").unwrap(), KeyPath::new("current_file").unwrap());
    println!("{}", KeySchema::plain().key(&key));
}
"#;

#[test]
fn a_crate_uses_the_keys_alone() {
    let line = alternative("cachekit-keys ");
    let printed = run_outside("uses-keys", &line, KEYS_MAIN);
    assert_eq!(printed.trim(), "session:abc123:current_file");
    let tree = cargo_outside("uses-keys", &["tree", "--offline", "--edges", "normal"]);
    for heavy in ["tokio", "serde_json", "redis"] {
        assert!(
            !tree.contains(&format!("{heavy} v")),
            "{heavy} came along:\n{tree}"
        );
    }
}

#[test]
fn a_crate_uses_the_readmes_example_by_path() {
    run_outside("uses-cachekit", &active_dependencies(), &example());
}

#[test]
fn a_crate_uses_the_kit_under_another_name() {
    let renamed = alternative("ck ");
    let tokio = active_dependencies()
        .lines()
        .find(|line| line.starts_with("tokio"))
        .map(str::to_owned)
        .expect("the README shows the runtime");
    let main = example().replace("cachekit::", "ck::");
    run_outside("renames-cachekit", &format!("{renamed}\n{tokio}"), &main);
}

/// The text of the README's first block in a language.
fn block(language: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let start = format!("```{language}\n");
    let block = readme.split(&start).nth(1);
    let block = block.and_then(|rest| rest.split("```").next());
    block.expect("the README has such a block").to_owned()
}

fn example() -> String {
    block("rust")
}

/// What follows `[dependencies]`, alternatives in comments included.
fn dependency_lines() -> Vec<String> {
    let toml = block("toml");
    let lines = toml
        .strip_prefix("[dependencies]\n")
        .expect("the block is a table of dependencies");
    lines.lines().map(str::to_owned).collect()
}

/// The commented line that starts with `name`, without its comment sign.
fn alternative(name: &str) -> String {
    let lines = dependency_lines();
    let mut commented = lines.iter().filter_map(|line| line.strip_prefix("# "));
    let line = commented.find(|line| line.starts_with(name));
    line.expect("the README shows the alternative").to_owned()
}

fn active_dependencies() -> String {
    let lines = dependency_lines();
    let active: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with('#'))
        .collect();
    active.join("\n")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Writes a crate, builds and runs it, and answers what it printed.
fn run_outside(name: &str, dependencies: &str, main: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let root_folder = root().to_str().unwrap();
    assert!(dependencies.contains("\"../cachekit/"), "{dependencies}");
    let dependencies = dependencies.replace("../cachekit/", &format!("{root_folder}/"));
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), main).unwrap();
    // The workspace's lock file names versions that are surely downloaded already.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    cargo_outside(name, &["run", "--quiet", "--offline"])
}

fn cargo_outside(name: &str, arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(&folder)
        // One for all, so that what they have in common is built once.
        .env("CARGO_TARGET_DIR", folder.with_file_name("outside-target"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
