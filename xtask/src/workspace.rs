//! What `cargo metadata` says about the workspace, reduced to what the chores ask.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    command,
    failure::{Failure, Outcome},
};

/// The workspace's packages and folders.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The package's own name, whatever it is called in the manifest.
    pub(crate) name: String,
    pub(crate) dev: bool,
}

impl Workspace {
    pub(crate) fn load() -> Outcome<Self> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps"];
        let text = command::read(&mut command::cargo(&arguments))?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("cargo metadata: {error}")))?;
        let packages = list(&metadata["packages"]).iter().map(package).collect();
        Ok(Self {
            root: path(&metadata["workspace_root"]),
            target: path(&metadata["target_directory"]),
            packages,
        })
    }

    /// The packages that users depend on.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        let chores = [
            "cachekit-testkit",
            "cachekit-tests",
            "cachekit-benches",
            "cachekit-cli",
            "xtask",
        ];
        let is_library = move |package: &&Package| {
            !chores.contains(&package.name.as_str())
                && !package.name.starts_with("cachekit-example")
        };
        self.packages.iter().filter(is_library)
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn package(value: &Value) -> Package {
    let features = value["features"]
        .as_object()
        .map(|table| table.keys().cloned().collect());
    Package {
        name: text(&value["name"]),
        folder: path(&value["manifest_path"])
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default(),
        features: features.unwrap_or_default(),
        dependencies: list(&value["dependencies"])
            .iter()
            .map(dependency)
            .collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(&value["name"]),
        dev: value["kind"] == "dev",
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn path(value: &Value) -> PathBuf {
    PathBuf::from(text(value))
}

/// Every file below `folder` with this extension, in a stable order. Build folders and hidden ones are left out.
pub(crate) fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|known| known == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
