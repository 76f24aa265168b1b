//! What the tour computes for each file, and what is worth caching: lines, markers of open work, functions.
//!
//! It works on text, with a scanner that knows the strings and comments of each language and no grammar of any: good
//! enough to find the longest function of a real file, and not a compiler. The same text in the same language always
//! gives the same [`Analysis`], which is why [`identity`] can name it in the cache.

mod blocks;
mod functions;
mod headers;
mod indent;
mod language;
mod lines;
mod mask;
mod script;
mod syntax;
#[cfg(test)]
mod tests;
mod todos;
mod words;

pub(crate) use language::Language;

use cachekit::ContentHash;
use lines::Lines;
use serde::{Deserialize, Serialize};
use tokio::task::JoinError;

/// Raised when the analyser's answers change, so that a server never serves those of an older one.
const ANALYSER_VERSION: u32 = 1;

/// The facts about one file's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Analysis {
    /// The language it was read as.
    pub(crate) language: Language,
    /// How many lines there are, and of which sort.
    pub(crate) lines: Lines,
    /// How many markers of open work the comments hold.
    pub(crate) todos: u32,
    /// How many functions with a name and a body there are.
    pub(crate) functions: u32,
    /// The function with the most lines; the first of them where several have as many.
    pub(crate) longest: Option<Function>,
}

/// A function with a name and a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Function {
    /// Its name as written.
    pub(crate) name: String,
    /// The line of its name, from 1.
    pub(crate) line: u32,
    /// Its lines, from that of the name to that of the end.
    pub(crate) lines: u32,
}

/// Analyses one file.
pub(crate) fn analyse(language: Language, bytes: &[u8]) -> Analysis {
    let masked = mask::mask(bytes, language.syntax());
    let functions = functions::find(language, &masked.code);
    let count = u32::try_from(functions.len()).unwrap_or(u32::MAX);
    Analysis {
        language,
        lines: lines::count(bytes, &masked),
        todos: todos::count(language, bytes, &masked),
        functions: count,
        longest: longest(functions),
    }
}

/// Analyses where blocking is allowed: a loader must not hold up the thread it runs on.
///
/// # Errors
///
/// Where the analyser panics, or the program ends meanwhile.
pub(crate) async fn off_thread(language: Language, bytes: Vec<u8>) -> Result<Analysis, JoinError> {
    tokio::task::spawn_blocking(move || analyse(language, &bytes)).await
}

/// The content hash that names the analysis.
///
/// An analysis depends on the language and on the analyser as well as on the text: two files of the same text may be
/// Python and prose. So all three are hashed.
pub(crate) fn identity(language: Language, bytes: &[u8]) -> ContentHash {
    let reader = format!("tour/{ANALYSER_VERSION}/{language:?}");
    ContentHash::of_parts(&[reader.as_bytes(), bytes])
}

fn longest(functions: Vec<Function>) -> Option<Function> {
    functions.into_iter().reduce(|best, next| {
        let later_is_longer = (next.lines, best.line) > (best.lines, next.line);
        if later_is_longer { next } else { best }
    })
}
