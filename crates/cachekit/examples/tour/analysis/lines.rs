//! Counting lines by sort.

use super::mask::Masked;
use serde::{Deserialize, Serialize};

/// Numbers of lines. The three sorts add up to the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lines {
    /// All.
    pub(crate) total: u32,
    /// Lines that hold code, with or without a comment.
    pub(crate) code: u32,
    /// Lines that hold nothing but a comment.
    pub(crate) comment: u32,
    /// Lines that hold nothing but white space.
    pub(crate) blank: u32,
}

/// Counts the lines of `text`. A last line without a line end counts, an empty one behind the last line end does not.
pub(super) fn count(text: &[u8], masked: &Masked) -> Lines {
    let mut lines = Lines::default();
    if text.is_empty() {
        return lines;
    }
    let end = text.len() - usize::from(text.ends_with(b"\n"));
    let code = masked.code[..end].split(is_end);
    let comments = masked.comments[..end].split(is_end);
    for (code, comment) in code.zip(comments) {
        lines.total += 1;
        if !is_blank(code) {
            lines.code += 1;
        } else if !is_blank(comment) {
            lines.comment += 1;
        } else {
            lines.blank += 1;
        }
    }
    lines
}

fn is_end(byte: &u8) -> bool {
    *byte == b'\n'
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}
