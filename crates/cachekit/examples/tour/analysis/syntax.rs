//! The strings and comments of each language, as tables for the scanner in `mask.rs`.

/// What the scanner has to know of a language.
#[derive(Debug)]
pub(super) struct Syntax {
    /// What begins a comment that ends with its line.
    pub(super) line_comments: &'static [&'static str],
    /// Whether a line comment needs white space, or the line's beginning, before it (`$#` of a shell is none).
    pub(super) comment_after_space: bool,
    /// What begins and ends a comment over lines.
    pub(super) block_comment: Option<(&'static str, &'static str)>,
    /// Whether block comments nest.
    pub(super) nested_comments: bool,
    /// The strings, the longer opening before the shorter.
    pub(super) strings: &'static [Quoted],
    /// What a table cannot say.
    pub(super) quirk: Quirk,
}

/// A kind of string.
#[derive(Debug)]
pub(super) struct Quoted {
    /// What begins it, and ends it.
    pub(super) quote: &'static str,
    /// Whether a backslash takes the next byte with it.
    pub(super) escapes: bool,
    /// Whether it may hold line ends. Where not, a line's end ends it, so that one lost quote spoils one line.
    pub(super) multiline: bool,
}

/// Lexical forms with a procedure of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
    /// None.
    None,
    /// Raw strings, and quotes that may be lifetimes.
    Rust,
    /// Template literals and regular expressions.
    Script,
}

const fn line(quote: &'static str) -> Quoted {
    Quoted {
        quote,
        escapes: true,
        multiline: false,
    }
}

const fn lines(quote: &'static str, escapes: bool) -> Quoted {
    Quoted {
        quote,
        escapes,
        multiline: true,
    }
}

const C_COMMENT: Option<(&str, &str)> = Some(("/*", "*/"));
const MARKUP_COMMENT: Option<(&str, &str)> = Some(("<!--", "-->"));

/// C's comments and strings, from which most rows differ in one or two places.
pub(super) const C: Syntax = Syntax {
    line_comments: &["//"],
    comment_after_space: false,
    block_comment: C_COMMENT,
    nested_comments: false,
    strings: &[lines("\"\"\"", true), line("\""), line("'")],
    quirk: Quirk::None,
};

/// Rust.
pub(super) const RUST: Syntax = Syntax {
    nested_comments: true,
    strings: &[lines("\"", true)],
    quirk: Quirk::Rust,
    ..C
};

/// JavaScript and TypeScript.
pub(super) const SCRIPT: Syntax = Syntax {
    strings: &[line("\""), line("'")],
    quirk: Quirk::Script,
    ..C
};

/// Go.
pub(super) const GO: Syntax = Syntax {
    strings: &[line("\""), lines("`", false), line("'")],
    ..C
};

/// Python.
pub(super) const PYTHON: Syntax = Syntax {
    line_comments: &["#"],
    block_comment: None,
    strings: &[
        lines("\"\"\"", true),
        lines("'''", true),
        line("\""),
        line("'"),
    ],
    ..C
};

/// Shells.
pub(super) const SHELL: Syntax = Syntax {
    line_comments: &["#"],
    comment_after_space: true,
    block_comment: None,
    strings: &[lines("\"", true), lines("'", false)],
    ..C
};

/// The fallback: what most scripting languages agree on.
pub(super) const OTHER: Syntax = Syntax {
    line_comments: &["#", "//", "--"],
    comment_after_space: true,
    block_comment: C_COMMENT,
    strings: &[line("\""), line("'")],
    ..C
};

/// Configuration and data.
pub(super) const DATA: Syntax = Syntax {
    line_comments: &["#"],
    comment_after_space: true,
    block_comment: MARKUP_COMMENT,
    strings: &[line("\"")],
    ..C
};

/// Text for people: an apostrophe begins no string.
pub(super) const PROSE: Syntax = Syntax {
    line_comments: &[],
    block_comment: MARKUP_COMMENT,
    strings: &[],
    ..C
};
