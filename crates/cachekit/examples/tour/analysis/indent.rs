//! Functions as indented blocks, as in Python; `end` of Ruby and Lua belongs to its block.

use super::Function;
use super::mask::STRING;
use super::words::{leading_name, shown};

/// Words before a function's name in languages without a rule of their own.
pub(super) const KEYWORDS: &[&str] = &["def", "function", "sub", "proc", "fn", "func", "fun"];

/// Words that may stand before the keyword.
const MODIFIERS: [&[u8]; 5] = [b"async", b"local", b"pub", b"export", b"private"];

/// The functions of masked `code`, in the order of their ends.
pub(super) fn find(code: &[u8], keywords: &[&str]) -> Vec<Function> {
    let mut finder = Finder {
        open: Vec::new(),
        parentheses: 0,
        found: Vec::new(),
    };
    for (line, number) in code.split(|&byte| byte == b'\n').zip(1..) {
        finder.line(line, number, keywords);
    }
    finder.close(0);
    finder.found
}

struct Finder {
    open: Vec<Open>,
    parentheses: usize,
    found: Vec<Function>,
}

struct Open {
    name: String,
    indent: usize,
    first: u32,
    last: u32,
}

impl Finder {
    fn line(&mut self, line: &[u8], number: u32, keywords: &[&str]) {
        let begun_before = self.parentheses > 0 || line.first() == Some(&STRING);
        self.count_parentheses(line);
        let text = line.trim_ascii();
        if text.is_empty() {
            return;
        }
        if !begun_before {
            let indent = line.len() - line.trim_ascii_start().len();
            self.dedent(indent, text, number);
            if let Some(name) = announced(text, keywords) {
                self.open.push(Open {
                    name: shown(name),
                    indent,
                    first: number,
                    last: number,
                });
            }
        }
        for function in &mut self.open {
            function.last = number;
        }
    }

    /// Ends the functions that a line of this indentation is not part of.
    fn dedent(&mut self, indent: usize, text: &[u8], number: u32) {
        if leading_name(text) == Some(b"end")
            && let Some(last) = self.open.last_mut()
            && last.indent == indent
        {
            last.last = number;
        }
        let keep = self.open.iter().take_while(|open| open.indent < indent);
        let keep = keep.count();
        self.close(keep);
    }

    fn close(&mut self, keep: usize) {
        for open in self.open.drain(keep..).rev() {
            self.found.push(Function {
                name: open.name,
                line: open.first,
                lines: open.last - open.first + 1,
            });
        }
    }

    fn count_parentheses(&mut self, line: &[u8]) {
        for byte in line {
            match byte {
                b'(' | b'[' | b'{' => self.parentheses += 1,
                b')' | b']' | b'}' => self.parentheses = self.parentheses.saturating_sub(1),
                _ => {}
            }
        }
    }
}

fn announced<'a>(text: &'a [u8], keywords: &[&str]) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some(word) = leading_name(rest) {
        let behind = &rest.trim_ascii_start()[word.len()..];
        if keywords.iter().any(|keyword| keyword.as_bytes() == word) {
            return leading_name(behind);
        }
        if !MODIFIERS.contains(&word) {
            return None;
        }
        rest = behind;
    }
    None
}
