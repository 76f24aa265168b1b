//! Images: those that the engine has, those that it can pull, and those that are built from Debian's packages, which
//! needs no registry.

use std::{
    fs,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{
    debian,
    kind::{BOOKWORM, KINDS, Kind, Recipe, TRIXIE},
    program,
};
use crate::{
    command::{command, read, read_within, succeeds},
    failure::{Failure, Outcome},
};

/// A slow line needs minutes for an image of some 15 MB; a registry out of reach should not cost the run more.
const PULL_LIMIT: Duration = Duration::from_secs(120);

/// What a server needs none of.
const LEFT_OUT: &[&str] = &[
    "--exclude=./var/cache/apt",
    "--exclude=./var/lib/apt/lists",
    "--exclude=./usr/share/doc",
    "--exclude=./usr/share/locale",
    "--exclude=./usr/share/man",
    "--exclude=./proc/*",
    "--exclude=./sys/*",
];

/// Builds the images that some kind lacks, all at the same time. A failure is printed, and the kind has to come from
/// elsewhere.
pub(super) fn build_missing(folder: &Path) {
    if !debian::may_administer() {
        return;
    }
    let lacking = |recipe: &&&Recipe| {
        KINDS
            .iter()
            .any(|kind| kind.recipe == **recipe && present(kind).is_none())
    };
    let recipes: Vec<&Recipe> = [BOOKWORM, TRIXIE].iter().filter(lacking).copied().collect();
    if recipes.is_empty() {
        return;
    }
    if let Err(failure) = debian::install(debian::BUILDER) {
        println!("servers: {failure}");
    }
    if !program::exists("debootstrap") {
        return;
    }
    thread::scope(|scope| {
        for recipe in recipes {
            scope.spawn(|| {
                if let Err(failure) = build(recipe, folder) {
                    println!("servers: {} was not built: {failure}", recipe.image);
                }
            });
        }
    });
}

/// The kind's image: one that the engine has, else the public one pulled now.
pub(super) fn at_hand(kind: &Kind) -> Option<String> {
    present(kind)
        .or_else(|| pull(kind.public_image))
        .map(str::to_owned)
}

fn present(kind: &Kind) -> Option<&'static str> {
    let known = |image: &&str| succeeds(&mut command("docker", &["image", "inspect", image]));
    [kind.public_image, kind.recipe.image]
        .into_iter()
        .find(known)
}

/// A registry that refused once is not asked again in this run: each question may last until its limit.
fn pull(image: &'static str) -> Option<&'static str> {
    static REFUSED: Mutex<bool> = Mutex::new(false);
    let mut refused = REFUSED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if *refused {
        return None;
    }
    println!("servers: pulling {image}");
    match read_within(
        PULL_LIMIT,
        &mut command("docker", &["pull", "--quiet", image]),
    ) {
        Ok(_) => Some(image),
        Err(failure) => {
            println!("servers: {failure}");
            *refused = true;
            None
        }
    }
}

/// Packs a release once, and imports the pack into whichever engine the run has.
fn build(recipe: &Recipe, folder: &Path) -> Outcome<()> {
    let start = Instant::now();
    let archive = folder.join(format!("{}.tar", recipe.suite));
    if !archive.exists() {
        println!("servers: building {} from Debian's packages", recipe.image);
        pack(recipe, folder, &archive)?;
    }
    let change = format!(
        "CMD [\"{}\"]",
        KINDS
            .iter()
            .find(|kind| kind.recipe == recipe)
            .map_or("sh", |kind| kind.program)
    );
    read(
        command("docker", &["import", "--change", &change])
            .arg(&archive)
            .arg(recipe.image),
    )?;
    println!(
        "servers: {} is ready after {:.1} s",
        recipe.image,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn pack(recipe: &Recipe, folder: &Path, archive: &Path) -> Outcome<()> {
    let unpacked = folder.join(format!("{}.root", recipe.suite));
    let partial = folder.join(format!("{}.tar.partial", recipe.suite));
    debian::bootstrap(recipe.suite, recipe.packages, &unpacked)?;
    let mut tar = command("tar", &["--create", "--numeric-owner", "--file"]);
    tar.arg(&partial)
        .arg("--directory")
        .arg(&unpacked)
        .args(LEFT_OUT)
        .arg(".");
    let packed = read(&mut tar);
    debian::remove(&unpacked);
    packed?;
    // Renamed only when whole, so that an interrupted run leaves no half of an image.
    fs::rename(&partial, archive).map_err(Failure::io(archive.display()))
}
