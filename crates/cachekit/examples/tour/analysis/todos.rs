//! Markers of open work.

use super::language::Language;
use super::mask::Masked;

const MARKERS: [&[u8]; 2] = [b"TODO", b"FIXME"];

/// Counts the lines that hold a marker: in comments, or anywhere in a text for people.
///
/// A marker opens its comment, or has a colon or a parenthesis behind it. So a sentence about markers is none.
pub(super) fn count(language: Language, text: &[u8], masked: &Masked) -> u32 {
    let scope = if language == Language::Prose {
        text
    } else {
        &masked.comments
    };
    let marked = scope
        .split(|&byte| byte == b'\n')
        .filter(|line| is_marked(line));
    u32::try_from(marked.count()).unwrap_or(u32::MAX)
}

fn is_marked(line: &[u8]) -> bool {
    let opening = line.iter().position(u8::is_ascii_alphanumeric);
    MARKERS
        .iter()
        .any(|marker| holds(line, marker, opening.unwrap_or(0)))
}

fn holds(line: &[u8], marker: &[u8], opening: usize) -> bool {
    let starts = line.windows(marker.len()).enumerate();
    starts
        .filter(|(_, part)| part == &marker)
        .any(|(at, _)| match line.get(at + marker.len()) {
            _ if at > 0 && is_word(line[at - 1]) => false,
            Some(b':' | b'(') => true,
            Some(&next) => at == opening && !is_word(next),
            None => at == opening,
        })
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}
