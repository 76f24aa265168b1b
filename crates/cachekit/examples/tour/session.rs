//! What a session keeps at hand: the snippet being read, the file it is from, and its user's preferences.

use crate::analysis::Language;
use crate::args::Format;
use crate::source;
use crate::tree::{FileTree, TreeFile};
use cachekit::SessionId;
use cachekit::keys::KeyError;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// How much of a file is at hand.
const SNIPPET_LINES: usize = 20;

/// A piece of code, in the specification's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snippet {
    /// The text.
    pub(crate) code: String,
    /// Its language.
    pub(crate) language: Language,
}

/// How this user wants to see results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preferences {
    /// `text` or `json`.
    pub(crate) format: String,
    /// Whether results are coloured.
    pub(crate) colour: bool,
}

/// Everything that the session keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtHand {
    /// The beginning of the current file.
    pub(crate) snippet: Snippet,
    /// Its path.
    pub(crate) current_file: String,
    /// The user's preferences.
    pub(crate) preferences: Preferences,
}

impl AtHand {
    /// Opens the first source file of the tree. A file that cannot be read has an empty beginning.
    pub(crate) fn first_of(tree: &FileTree, root: &Path, format: Format, colour: bool) -> Self {
        let first = first_source(tree).map_or("", |file| file.path.as_str());
        let bytes = source::read(&root.join(first)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Self {
            snippet: Snippet {
                code: text.split_inclusive('\n').take(SNIPPET_LINES).collect(),
                language: Language::of(first),
            },
            current_file: first.to_owned(),
            preferences: Preferences {
                format: match format {
                    Format::Text => "text".to_owned(),
                    Format::Json => "json".to_owned(),
                },
                colour,
            },
        }
    }
}

/// The first file that holds code rather than data or prose; the first of all in a tree without code.
fn first_source(tree: &FileTree) -> Option<&TreeFile> {
    let is_code = |file: &&TreeFile| {
        !matches!(
            Language::of(&file.path),
            Language::Data | Language::Prose | Language::Other
        )
    };
    tree.files.iter().find(is_code).or(tree.files.first())
}

/// A name for the session of this process, which no other has.
pub(crate) fn new_id() -> Result<SessionId, KeyError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    SessionId::new(format!("tour-{millis:x}-{:x}", process::id()))
}

#[cfg(test)]
mod tests {
    use super::AtHand;
    use crate::args::Format;
    use crate::scratch::Scratch;
    use crate::tree::walk;

    #[test]
    fn the_first_code_comes_before_prose_and_is_cut_at_a_line() {
        let dir = Scratch::new();
        dir.write("a.md", "# prose");
        dir.write("b.rs", &"line\n".repeat(50));
        let at_hand = AtHand::first_of(&walk(dir.path()), dir.path(), Format::Text, true);
        assert_eq!(at_hand.current_file, "b.rs");
        assert_eq!(at_hand.snippet.code.lines().count(), 20);
    }

    #[test]
    fn a_tree_without_code_gives_its_first_file() {
        let dir = Scratch::new();
        dir.write("a.md", "# prose");
        let at_hand = AtHand::first_of(&walk(dir.path()), dir.path(), Format::Json, false);
        assert_eq!(at_hand.snippet.code, "# prose");
    }
}
