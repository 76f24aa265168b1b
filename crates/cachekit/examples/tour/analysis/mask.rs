//! Takes a text apart into code and comments, so that braces in strings and words in comments mislead nobody.
//!
//! Both halves keep the length and the line ends of the text, so an offset or a line number means the same in all three.

use super::syntax::{Quirk, Quoted, Syntax};

/// Stands for every byte of a string behind its opening quote. A line that begins with it begins inside of a string.
pub(super) const STRING: u8 = 0x01;

/// A text taken apart.
#[derive(Debug)]
pub(super) struct Masked {
    /// The code: comments are blank, contents of strings are [`STRING`].
    pub(super) code: Vec<u8>,
    /// The comments: everything else is blank.
    pub(super) comments: Vec<u8>,
}

/// Takes `text` apart. Any bytes will do: what is malformed ends at the text's end.
pub(super) fn mask(text: &[u8], syntax: &Syntax) -> Masked {
    let mut scanner = Scanner {
        text,
        syntax,
        at: 0,
        out: Masked {
            code: Vec::with_capacity(text.len()),
            comments: Vec::with_capacity(text.len()),
        },
        last_code: None,
        templates: Vec::new(),
    };
    while scanner.at < text.len() {
        scanner.step();
    }
    scanner.out
}

struct Scanner<'a> {
    text: &'a [u8],
    syntax: &'a Syntax,
    at: usize,
    out: Masked,
    /// The last byte of code that was not blank, and where it was.
    last_code: Option<(u8, usize)>,
    /// For each template literal that we are in an interpolation of: the braces open in that interpolation.
    templates: Vec<u32>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let consumed = self.comment() || self.quirk() || self.string();
        if !consumed {
            self.code();
        }
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    // --- writing ---------------------------------------------------------------------------------------------------

    fn emit(&mut self, count: usize, code: impl Fn(u8) -> u8, comment: impl Fn(u8) -> u8) {
        let end = (self.at + count).min(self.text.len());
        for &byte in &self.text[self.at..end] {
            let is_end = byte == b'\n';
            self.out.code.push(if is_end { byte } else { code(byte) });
            self.out
                .comments
                .push(if is_end { byte } else { comment(byte) });
        }
        self.at = end;
    }

    fn emit_comment(&mut self, count: usize) {
        self.emit(count, |_| b' ', |byte| byte);
    }

    fn emit_string(&mut self, count: usize) {
        self.emit(count, |_| STRING, |_| b' ');
    }

    /// A string's opening quote stays visible; the rest of `count` bytes does not.
    fn emit_quoted(&mut self, count: usize) {
        self.last_code = Some((b'"', self.at));
        self.emit(1, |_| b'"', |_| b' ');
        self.emit_string(count - 1);
    }

    fn code(&mut self) {
        let byte = self.text[self.at];
        if !byte.is_ascii_whitespace() {
            self.last_code = Some((byte, self.at));
        }
        self.emit(1, |byte| byte, |_| b' ');
    }

    // --- comments --------------------------------------------------------------------------------------------------

    fn comment(&mut self) -> bool {
        let rest = self.rest();
        if let Some((open, close)) = self.syntax.block_comment
            && rest.starts_with(open.as_bytes())
        {
            let length = block_length(rest, open, close, self.syntax.nested_comments);
            self.emit_comment(length);
            return true;
        }
        let starts = |mark: &&str| rest.starts_with(mark.as_bytes());
        if self.syntax.line_comments.iter().any(starts) && self.comment_may_start() {
            let length = find(rest, b"\n").unwrap_or(rest.len());
            self.emit_comment(length);
            return true;
        }
        false
    }

    fn comment_may_start(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.text[at]);
        !self.syntax.comment_after_space || before.is_none_or(|byte| byte.is_ascii_whitespace())
    }

    // --- strings ---------------------------------------------------------------------------------------------------

    fn string(&mut self) -> bool {
        let rest = self.rest();
        let starts = |kind: &&Quoted| rest.starts_with(kind.quote.as_bytes());
        let Some(kind) = self.syntax.strings.iter().find(starts) else {
            return false;
        };
        // `1'000'000` of C++ holds no strings.
        let before = self.at.checked_sub(1).map(|at| self.text[at]);
        if kind.quote == "'" && before.is_some_and(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let length = quoted_length(rest, kind);
        self.emit_quoted(length);
        true
    }

    fn quirk(&mut self) -> bool {
        match (self.syntax.quirk, self.text[self.at]) {
            (Quirk::Rust, b'r' | b'b' | b'c') => self.raw_string(),
            (Quirk::Rust, b'\'') => self.char_or_lifetime(),
            (Quirk::Script, b'`') => {
                self.emit_quoted(1);
                self.template();
                true
            }
            (Quirk::Script, b'{' | b'}') => self.interpolation_brace(),
            (Quirk::Script, b'/') => self.regex(),
            _ => false,
        }
    }

    /// `r"..."`, `r#"..."#`, also behind `b` and `c`.
    fn raw_string(&mut self) -> bool {
        let inside_word = self
            .at
            .checked_sub(1)
            .is_some_and(|at| is_word(self.text[at]));
        let prefix = usize::from(self.text[self.at] != b'r');
        if inside_word || self.peek(prefix) != Some(b'r') {
            return false;
        }
        let rest = self.rest();
        let hashes = rest[prefix + 1..]
            .iter()
            .take_while(|&&byte| byte == b'#')
            .count();
        let open = prefix + 1 + hashes + 1;
        if rest.get(open - 1) != Some(&b'"') {
            return false;
        }
        let mut close = vec![b'"'];
        close.resize(hashes + 1, b'#');
        let length = find(&rest[open..], &close).map_or(rest.len(), |end| open + end + close.len());
        self.emit_quoted(length);
        true
    }

    /// `'a'` and `'\n'` are characters; `'a` is a lifetime, and code.
    fn char_or_lifetime(&mut self) -> bool {
        let rest = self.rest();
        let length = match rest.get(1) {
            Some(b'\\') => find(rest.get(3..).unwrap_or_default(), b"'").map(|end| end + 4),
            Some(&first) => {
                let end = 1 + utf8_length(first);
                (rest.get(end) == Some(&b'\'')).then_some(end + 1)
            }
            None => None,
        };
        // The longest is '\u{10FFFF}'; more than that is a stray quote.
        let Some(length) = length.filter(|&length| length <= 12) else {
            return false;
        };
        self.emit_quoted(length);
        true
    }

    /// The text part of a template literal, up to its end or to an interpolation, whose contents are code again.
    fn template(&mut self) {
        let mut length = 0;
        while let Some(byte) = self.peek(length) {
            match byte {
                b'\\' => length += 2,
                b'`' => {
                    self.emit_string(length + 1);
                    return;
                }
                b'$' if self.peek(length + 1) == Some(b'{') => {
                    self.emit_string(length + 2);
                    self.templates.push(0);
                    return;
                }
                _ => length += 1,
            }
        }
        self.emit_string(length);
    }

    fn interpolation_brace(&mut self) -> bool {
        let opens = self.text[self.at] == b'{';
        match self.templates.last_mut() {
            None => false,
            Some(open) if opens => {
                *open += 1;
                false
            }
            Some(0) => {
                self.templates.pop();
                self.emit_string(1);
                self.template();
                true
            }
            Some(open) => {
                *open -= 1;
                false
            }
        }
    }

    /// `/[{"]/` where an operand is expected; else a slash divides.
    fn regex(&mut self) -> bool {
        if !self.operand_expected() {
            return false;
        }
        let mut in_class = false;
        let mut length = 1;
        while let Some(byte) = self.peek(length) {
            match byte {
                b'\n' => return false,
                b'\\' => length += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => {
                    self.emit_quoted(length + 1);
                    return true;
                }
                _ => {}
            }
            length += 1;
        }
        false
    }

    fn operand_expected(&self) -> bool {
        let Some((byte, at)) = self.last_code else {
            return true;
        };
        // `<` is missing on purpose: `</` closes an element.
        b"(,=:[!&|?{};+-*%~^".contains(&byte) || self.text[..=at].ends_with(b"return")
    }
}

fn block_length(text: &[u8], open: &str, close: &str, nested: bool) -> usize {
    let mut depth = 1_u32;
    let mut at = open.len();
    while at < text.len() {
        if text[at..].starts_with(close.as_bytes()) {
            depth -= 1;
            at += close.len();
            if depth == 0 {
                return at;
            }
        } else if nested && text[at..].starts_with(open.as_bytes()) {
            depth += 1;
            at += open.len();
        } else {
            at += 1;
        }
    }
    text.len()
}

fn quoted_length(text: &[u8], kind: &Quoted) -> usize {
    let quote = kind.quote.as_bytes();
    let mut at = quote.len();
    while at < text.len() {
        match text[at] {
            b'\\' if kind.escapes => at += 2,
            b'\n' if !kind.multiline => return at,
            _ if text[at..].starts_with(quote) => return at + quote.len(),
            _ => at += 1,
        }
    }
    text.len()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|part| part == needle)
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}
