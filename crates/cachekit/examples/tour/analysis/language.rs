//! Which language a file is in, by its name.

use super::syntax::{self, Syntax};
use serde::{Deserialize, Serialize};

/// A language, or a group of languages that the analyser treats alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript and TypeScript.
    Script,
    /// Go.
    Go,
    /// C, C++, Java, C#: a name, parentheses, a block.
    C,
    /// Kotlin, Swift, Scala, PHP: a keyword before the name, comments as in C.
    Keyword,
    /// Shells.
    Shell,
    /// Ruby, Lua, Perl and others without a rule of their own.
    Other,
    /// Configuration and data, which have no functions.
    Data,
    /// Text for people, which has none either.
    Prose,
}

impl Language {
    /// The language of the file at `path`.
    pub(crate) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let lower = name.to_ascii_lowercase();
        match lower.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => Self::of_extension(extension),
            _ => Self::of_bare_name(&lower),
        }
    }

    fn of_extension(extension: &str) -> Self {
        match extension {
            "rs" => Self::Rust,
            "py" | "pyi" => Self::Python,
            "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => Self::Script,
            "go" => Self::Go,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "m" | "mm" | "java"
            | "cs" | "cu" | "glsl" => Self::C,
            "kt" | "kts" | "swift" | "scala" | "php" => Self::Keyword,
            "sh" | "bash" | "zsh" | "ksh" => Self::Shell,
            "toml" | "yaml" | "yml" | "json" | "lock" | "ini" | "cfg" | "conf" | "csv" | "xml"
            | "html" | "css" | "svg" => Self::Data,
            "md" | "markdown" | "txt" | "rst" | "adoc" => Self::Prose,
            _ => Self::Other,
        }
    }

    fn of_bare_name(name: &str) -> Self {
        match name {
            "readme" | "license" | "license-mit" | "license-apache" | "copying" | "authors"
            | "changelog" | "notice" => Self::Prose,
            ".gitignore" | ".gitattributes" | ".editorconfig" | ".dockerignore" => Self::Data,
            "makefile" | "dockerfile" => Self::Data,
            _ => Self::Other,
        }
    }

    /// Its strings and comments.
    pub(super) fn syntax(self) -> &'static Syntax {
        match self {
            Self::Rust => &syntax::RUST,
            Self::Python => &syntax::PYTHON,
            Self::Script => &syntax::SCRIPT,
            Self::Go => &syntax::GO,
            Self::C | Self::Keyword => &syntax::C,
            Self::Shell => &syntax::SHELL,
            Self::Other => &syntax::OTHER,
            Self::Data => &syntax::DATA,
            Self::Prose => &syntax::PROSE,
        }
    }
}
