//! Other programs on the same server: what the kit writes by default they read, and the other way round.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use cachekit::{CacheKit, SessionId};
use cachekit_testkit::server::{Kind, SharedServer, skipped};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Snippet {
    code: String,
    language: String,
    lines: Vec<u32>,
    note: Option<String>,
}

const PROGRAM: &str = r#"
import json, redis, sys
client = redis.Redis.from_url(sys.argv[1])
session = sys.argv[2]
read = json.loads(client.get(f"session:{session}:code_snippet"))
assert read == {"code": "def häl():\n\tpass", "language": "python", "lines": [1, 2], "note": None}, read
assert 0 < client.ttl(f"session:{session}:code_snippet") <= 300
read["language"] = "rust"
client.set(f"session:{session}:from_python", json.dumps(read, indent=2), ex=60)
"#;

#[tokio::test]
async fn a_python_program_reads_what_the_kit_wrote_and_writes_what_the_kit_reads() {
    let packages = match python_packages() {
        Ok(packages) => packages,
        Err(reason) => {
            let ci = env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
            assert!(!ci, "python's redis package is required: {reason}");
            return skipped("python-redis", &reason);
        }
    };
    let Some(server) = SharedServer::of(Kind::Redis7).await.unwrap() else {
        return;
    };
    let kit = CacheKit::connect(server.url()).await.unwrap();
    let name = format!("py{}", fastrand::u64(..));
    let session = kit.session(&SessionId::new(&name).unwrap());
    let snippet = Snippet {
        code: "def häl():\n\tpass".to_owned(),
        language: "python".to_owned(),
        lines: vec![1, 2],
        note: None,
    };
    session.set("code_snippet", &snippet).await.unwrap();

    let output = Command::new("python3")
        .args(["-c", PROGRAM, server.url(), &name])
        .env("PYTHONPATH", &packages)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let written: Option<Snippet> = session.get("from_python").await.unwrap();
    assert_eq!(
        written,
        Some(Snippet {
            language: "rust".to_owned(),
            ..snippet
        })
    );
    session.clear().await.unwrap();
}

/// The folder with Python's `redis` package, installed below the build directory where it is missing; else why not.
fn python_packages() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    if folder.join("redis").is_dir() {
        return Ok(folder);
    }
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--target"])
        .arg(&folder)
        .arg("redis")
        .output()
        .map_err(|error| format!("python3 does not start: {error}"))?;
    if installed.status.success() {
        return Ok(folder);
    }
    let said = String::from_utf8_lossy(&installed.stderr);
    let last = said.trim().lines().next_back().unwrap_or_default();
    Err(format!("pip does not install it: {last}"))
}
