//! The tour, as its user runs it: the compiled program, its standard output and its exit code.

use cachekit_testkit::server::{Kind, Server};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// The compiled tour, next to this test's own program. Cargo is asked each time, so that it is never an old one.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("a test knows its own path");
        let profile = test.ancestors().nth(2).expect("<profile>/deps/<test>");
        build(profile);
        let name = format!("tour{}", env::consts::EXE_SUFFIX);
        profile.join("examples").join(name)
    })
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace's choice of features: what the tests were built from is then used again.
    cargo.args(["build", "--quiet", "--workspace", "--example", "tour"]);
    match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(name) => {
            cargo.args(["--profile", name]);
        }
    }
    let target = profile.parent().expect("<target>/<profile>");
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target);
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the tour does not compile");
}

fn run(args: &[&str]) -> Output {
    Command::new(program())
        .args(args)
        .env_remove("NO_COLOR")
        .output()
        .expect("the tour starts")
}

fn facts(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .expect("standard output is one JSON value and nothing else")
}

/// A directory of this test, with some files in it. Left to the build directory's own cleaning.
fn tree(name: &str, files: &[(&str, &[u8])]) -> String {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("tour")
        .join(name);
    // Left by an earlier run.
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).expect("the build directory is writable");
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("inside of the tree")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }
    root.to_str().expect("a path in Unicode").to_owned()
}

fn refused(args: &[&str], code: i32) -> String {
    let output = run(args);
    let line = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("tour: "), "{line}");
    assert!(
        output.stdout.is_empty(),
        "an error says nothing on standard output"
    );
    line
}

#[test]
fn the_second_pass_over_a_real_tree_is_served_from_the_cache() {
    let facts = facts(&run(&["--json", env!("CARGO_MANIFEST_DIR")]));
    let (first, second) = (&facts["passes"][0], &facts["passes"][1]);
    let files = facts["tree"]["files"].as_u64().expect("a number");
    assert!(files > 0);
    assert!(first["misses"].as_u64() > Some(0), "{first}");
    assert_eq!(second["misses"], 0);
    assert_eq!(second["hits"], files);
    assert_eq!(facts["saved"]["same_results"], files);
    assert_eq!(facts["session"]["read_back"], 3);
}

#[test]
fn every_level_is_written_with_its_lifetime() {
    let tree = tree("levels", &[("a.rs", b"fn a() {}\n")]);
    let facts = facts(&run(&[&tree, "--json"]));
    let keys = facts["keys"].as_array().expect("a list");
    let levels: Vec<_> = keys
        .iter()
        .map(|key| (key["level"].as_str(), key["ttl_seconds"].as_u64()))
        .collect();
    let (session, project, global) = (
        (Some("session"), Some(300)),
        (Some("project"), Some(3600)),
        (Some("global"), Some(86_400)),
    );
    assert_eq!(
        levels,
        [session, session, session, project, project, global]
    );
    let id = facts["project"].as_str().expect("a text");
    assert_eq!(keys[3]["example"], format!("project:{id}:file_tree"));
}

#[test]
fn files_of_one_content_and_language_are_analysed_once() {
    let same = &b"fn same() {\n}\n"[..];
    let tree = tree(
        "same",
        &[
            ("a.rs", same),
            ("b.rs", same),
            ("c.txt", same),
            ("d.bin", b"\0"),
        ],
    );
    let facts = facts(&run(&["--json", &tree]));
    let first = &facts["passes"][0];
    assert_eq!(
        (&first["hits"], &first["misses"]),
        (&1.into(), &2.into()),
        "{first}"
    );
    assert_eq!(first["duplicate_hits"], 1);
    assert_eq!(facts["saved"]["first_pass_was_warm"], false);
    assert_eq!(facts["tree"]["skipped"]["binary"], 1);
    assert_eq!(facts["findings"]["functions"], 2);
}

#[tokio::test]
async fn on_a_server_a_second_process_analyses_only_what_has_changed() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let url = server.url();
    let tree = tree(
        "warm",
        &[("a.rs", b"fn a() {}\n"), ("b.rs", b"fn b() {}\n")],
    );
    let tour = || facts(&run(&["--json", "--redis", &url, &tree]));

    let cold = tour();
    assert_eq!(cold["passes"][0]["misses"], 2);
    assert_eq!(cold["tree"]["earlier"], "none");
    let warm = tour();
    assert_eq!(
        (&warm["passes"][0]["hits"], &warm["passes"][0]["misses"]),
        (&2.into(), &0.into())
    );
    assert_eq!(warm["saved"]["first_pass_was_warm"], true);
    assert_eq!(
        warm["saved"]["cold_run"]["millis"],
        cold["passes"][0]["millis"]
    );
    assert_eq!(warm["findings"], cold["findings"]);

    fs::write(Path::new(&tree).join("b.rs"), "fn changed() {}\n").expect("a file");
    let edited = tour();
    assert_eq!(
        (&edited["passes"][0]["hits"], &edited["passes"][0]["misses"]),
        (&1.into(), &1.into())
    );
    assert_eq!(edited["tree"]["earlier"], "different");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut tour = Command::new(program())
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tour starts");
    // Closed before anything is written: the object comes when both passes are over.
    drop(tour.stdout.take());
    let output = tour.wait_with_output().expect("the tour ends");
    assert!(output.status.success(), "{}", output.status);
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn text_in_a_pipe_has_no_colours_and_names_what_was_saved() {
    let tree = tree("text", &[("a.rs", b"fn long() {\n\n}\n// TODO: more\n")]);
    let output = run(&[&tree]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "no progress bar in a pipe");
    assert!(!text.contains('\x1b'));
    for part in [
        "code_snippet",
        "file_tree",
        ":analysis:",
        "3600 s",
        "3 lines  long",
        "1 marks  a.rs",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn wrong_requests_end_with_two_and_one_line() {
    let missing = refused(&["no/such/directory"], 2);
    assert!(missing.contains("`no/such/directory`"), "{missing}");
    refused(&["--fast"], 2);
    refused(&["--json", "--redis"], 2);
    let secret = refused(&["--redis", "redis://user:secret@host:port:1"], 2);
    assert!(!secret.contains("secret"), "{secret}");
}

#[test]
fn a_tour_that_cannot_be_finished_ends_with_one() {
    refused(&[&tree("empty", &[])], 1);
    // Port 9 is reserved for discarding, and nothing of ours listens there.
    let line = refused(&["--redis", "redis://user:secret@127.0.0.1:9"], 1);
    assert!(
        line.contains("redis://127.0.0.1:9") && !line.contains("secret"),
        "{line}"
    );
}

#[test]
fn help_names_every_option() {
    let output = run(&["--help"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    for option in ["--redis", "--json", "--help", "[PATH]"] {
        assert!(text.contains(option), "{option}");
    }
}
