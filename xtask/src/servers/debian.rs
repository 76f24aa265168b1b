//! Debian: installing packages, and where the machine gets them from.

use std::{env, fs, path::Path};

use super::program;
use crate::{
    command::{command, read, run, succeeds},
    failure::{Failure, Outcome},
};

/// Where Debian is when the machine's own sources do not say.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// Whether this process may change the machine: root, and not told to keep its hands off.
pub(super) fn may_administer() -> bool {
    let root = read(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    root && cfg!(target_os = "linux")
        && env::var("CACHEKIT_NO_INSTALL").map_or(true, |value| value != "1")
}

/// A program and the package that has it.
type Wanted = (&'static str, &'static str);

/// A Docker engine, what builds its images, and a server to fall back to.
pub(super) const ENGINE: &[Wanted] = &[
    ("dockerd", "docker.io"),
    ("debootstrap", "debootstrap"),
    ("redis-server", "redis-server"),
];
/// What builds images for an engine that is not ours to install.
pub(super) const BUILDER: &[Wanted] = &[("debootstrap", "debootstrap")];
/// The other language of the tests that share a server with another program.
pub(super) const PYTHON: &[Wanted] = &[("python3", "python3"), ("pip3", "python3-pip")];

/// Installs what is missing, where this process may and Debian's `apt-get` is at hand.
pub(super) fn install(wanted: &[Wanted]) -> Outcome<()> {
    let missing = wanted
        .iter()
        .filter(|(program, _)| !program::exists(program));
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() || !program::exists("apt-get") || !may_administer() {
        return Ok(());
    }
    println!("servers: installing {}", packages.join(", "));
    run(&mut apt(&["update", "-qq"]))?;
    // Later releases have the engine's command in a package of its own.
    if packages.contains(&"docker.io")
        && succeeds(&mut command("apt-cache", &["show", "docker-cli"]))
    {
        packages.push("docker-cli");
    }
    run(apt(&["install", "-qq", "--yes", "--no-install-recommends"]).args(&packages))
}

fn apt(arguments: &[&str]) -> std::process::Command {
    let mut apt = command("apt-get", arguments);
    apt.env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "a");
    apt
}

/// The machine's own mirror, so that a run needs no other host than the machine already uses.
pub(super) fn mirror() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    // Another distribution's mirror does not have Debian's releases.
    if !release.lines().any(|line| line == "ID=debian") {
        return DEFAULT_MIRROR.to_owned();
    }
    let mut files = vec![Path::new("/etc/apt/sources.list").to_path_buf()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    files.sort();
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts
        .filter_map(|text| mirror_in(&text))
        .next()
        .unwrap_or_else(|| DEFAULT_MIRROR.to_owned())
}

/// The first source of the distribution itself, in either format of apt's source lists.
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim);
    let mut words = lines
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace);
    words
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

/// Unpacks a release with these packages into `folder`, with its signature checked.
pub(super) fn bootstrap(suite: &str, packages: &str, folder: &Path) -> Outcome<()> {
    let include = format!("--include={packages}");
    let mirror = mirror();
    let attempt = |more: &[&str]| {
        remove(folder);
        let mut debootstrap = command("debootstrap", &["--variant=minbase", &include]);
        read(
            debootstrap
                .args(more)
                .args([suite])
                .arg(folder)
                .arg(&mirror)
                .env("LC_ALL", "C")
                .env("PATH", program::search_path()),
        )
    };
    let Err(failure) = attempt(&[]) else {
        return Ok(());
    };
    if !is_unknown_key(&folder.join("debootstrap/debootstrap.log"), &failure) {
        return Err(failure);
    }
    println!(
        "servers: {suite} is signed with a key that this machine lacks; building a test image from it unchecked"
    );
    attempt(&["--no-check-gpg"]).map(drop)
}

fn is_unknown_key(log: &Path, failure: &Failure) -> bool {
    let log = fs::read_to_string(log).unwrap_or_default() + &failure.to_string();
    log.contains("unknown key") || log.contains("NO_PUBKEY")
}

/// Removes an unpacked release, never what may still be mounted in it.
pub(super) fn remove(folder: &Path) {
    if folder.exists() {
        let _ = run(command("rm", &["-rf", "--one-file-system"]).arg(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn the_mirror_is_read_from_both_formats_of_source_lists() {
        let deb822 = "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm\n";
        assert_eq!(
            mirror_in(deb822).as_deref(),
            Some("http://mirror.example/debian/")
        );
        let classic = "# deb http://old.example/debian x main\ndeb [arch=amd64] http://mirror.example/debian bookworm main";
        assert_eq!(
            mirror_in(classic).as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn security_updates_and_other_vendors_are_no_mirror() {
        let text = "URIs: http://mirror.example/debian-security\ndeb https://vendor.example/apt stable main";
        assert_eq!(mirror_in(text), None);
    }
}
