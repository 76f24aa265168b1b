//! Crates outside the workspace that depend on the kit in the README's words.

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
    let printed = run_outside(
        "uses-keys",
        "cachekit-keys = { path = \"{root}/crates/keys\" }",
        KEYS_MAIN,
    );
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
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let example = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let manifest = "cachekit = { path = \"{root}/crates/cachekit\" }\n\
                    tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }";
    run_outside("uses-cachekit", manifest, example);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Writes a crate, builds and runs it, and answers what it printed.
fn run_outside(name: &str, dependencies: &str, main: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let dependencies = dependencies.replace("{root}", root().to_str().unwrap());
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
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
