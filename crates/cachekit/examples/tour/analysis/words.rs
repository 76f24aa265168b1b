//! Small steps over masked code: names, words, and what is in parentheses.

/// Whether `byte` can be part of a name. Everything beyond ASCII can.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte == b'_' || byte == b'$' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// The name at the beginning of `text`, white space before it aside.
pub(super) fn leading_name(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let length = text.iter().take_while(|&&byte| is_name_byte(byte)).count();
    let starts_well = text.first().is_some_and(|byte| !byte.is_ascii_digit());
    (length > 0 && starts_well).then(|| &text[..length])
}

/// The name at the end of `text`, white space behind it aside, and where it begins.
pub(super) fn trailing_name(text: &[u8]) -> Option<(usize, &[u8])> {
    let text = text.trim_ascii_end();
    let length = text
        .iter()
        .rev()
        .take_while(|&&byte| is_name_byte(byte))
        .count();
    let start = text.len() - length;
    let starts_well = text.get(start).is_some_and(|byte| !byte.is_ascii_digit());
    starts_well.then(|| (start, &text[start..]))
}

/// Where the last whole word `word` begins.
pub(super) fn last_word(text: &[u8], word: &[u8]) -> Option<usize> {
    let starts = (0..text.len().saturating_sub(word.len() - 1)).rev();
    starts.into_iter().find(|&at| {
        let end = at + word.len();
        let free_before = at == 0 || !is_name_byte(text[at - 1]);
        let free_behind = text.get(end).is_none_or(|&byte| !is_name_byte(byte));
        text[at..].starts_with(word) && free_before && free_behind
    })
}

/// A pair of parentheses that is in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The offset of `(`.
    pub(super) open: usize,
    /// The offset of `)`.
    pub(super) close: usize,
}

/// The outermost pairs of parentheses, in order.
pub(super) fn groups(text: &[u8]) -> Vec<Group> {
    let mut found = Vec::new();
    let mut depth = 0_u32;
    let mut open = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'(' => {
                if depth == 0 {
                    open = at;
                }
                depth += 1;
            }
            b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    found.push(Group { open, close: at });
                }
            }
            _ => {}
        }
    }
    found
}

/// Masked code as text for a person.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
