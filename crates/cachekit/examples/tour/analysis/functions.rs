//! Which way of finding functions fits a language.

use super::Function;
use super::blocks::{self, Style};
use super::indent;
use super::language::Language;

/// The functions of masked `code`, in the order of their ends.
pub(super) fn find(language: Language, code: &[u8]) -> Vec<Function> {
    match language {
        Language::Rust => blocks::find(code, Style::Keyword(&["fn"])),
        Language::Go => blocks::find(code, Style::Keyword(&["func"])),
        Language::Keyword => {
            blocks::find(code, Style::Keyword(&["fun", "func", "function", "def"]))
        }
        Language::Script => blocks::find(code, Style::Script),
        Language::C => blocks::find(code, Style::Parameters),
        Language::Shell => blocks::find(code, Style::Fallback),
        Language::Python => indent::find(code, &["def"]),
        Language::Other => fallback(code),
        Language::Data | Language::Prose => Vec::new(),
    }
}

/// By braces where these find something, else by indentation.
fn fallback(code: &[u8]) -> Vec<Function> {
    let by_braces = blocks::find(code, Style::Fallback);
    if by_braces.is_empty() {
        indent::find(code, indent::KEYWORDS)
    } else {
        by_braces
    }
}
