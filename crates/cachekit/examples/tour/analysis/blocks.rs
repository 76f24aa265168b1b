//! Functions as blocks in braces: what stands before a `{` says whether a function begins there.

use super::Function;
use super::headers;
use super::script;
use super::words::shown;

/// How a function announces itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// With one of these words before its name.
    Keyword(&'static [&'static str]),
    /// With parameters behind its name, as in C; no function in another.
    Parameters,
    /// In one of JavaScript's ways.
    Script,
    /// With a usual keyword, else with parameters.
    Fallback,
}

/// Headers are looked at over this many bytes at most, so that hostile text costs linear time.
const HEADER_BYTES: usize = 4096;

/// The functions of masked `code`, in the order of their ends.
pub(super) fn find(code: &[u8], style: Style) -> Vec<Function> {
    let mut blocks = Blocks {
        code,
        style,
        open: Vec::new(),
        functions_open: 0,
        directive: false,
        header: 0,
        parentheses: 0,
        line: 1,
        found: Vec::new(),
    };
    let mut at = 0;
    for line in code.split_inclusive(|&byte| byte == b'\n') {
        blocks.line(at, line);
        at += line.len();
    }
    blocks.found
}

struct Blocks<'a> {
    code: &'a [u8],
    style: Style,
    open: Vec<Block>,
    functions_open: usize,
    /// A line of the preprocessor goes on.
    directive: bool,
    /// Where the statement that we are in begins.
    header: usize,
    /// Parentheses and brackets open since the innermost `{`.
    parentheses: usize,
    line: u32,
    found: Vec<Function>,
}

/// An open `{`, and the state to go back to at its `}`.
struct Block {
    header: usize,
    parentheses: usize,
    /// The statement goes on behind the block: it was a type, or an argument.
    header_goes_on: bool,
    function: Option<(String, u32)>,
}

impl Blocks<'_> {
    /// A preprocessor's line is no statement, and its braces need not be in pairs.
    fn line(&mut self, start: usize, line: &[u8]) {
        let has_directives = matches!(self.style, Style::Parameters);
        let text = line.trim_ascii();
        if has_directives && (self.directive || text.starts_with(b"#")) {
            self.directive = text.ends_with(b"\\");
            self.line += 1;
            if self.parentheses == 0 {
                self.header = start + line.len();
            }
            return;
        }
        for (at, &byte) in (start..).zip(line) {
            self.step(at, byte);
        }
    }

    fn step(&mut self, at: usize, byte: u8) {
        match byte {
            b'\n' => self.line += 1,
            b'(' | b'[' => self.parentheses += 1,
            b')' | b']' => self.parentheses = self.parentheses.saturating_sub(1),
            b';' if self.parentheses == 0 => self.header = at + 1,
            b'{' => self.enter(at),
            b'}' => self.leave(at),
            _ => {}
        }
    }

    fn enter(&mut self, at: usize) {
        let start = self.header.max(at.saturating_sub(HEADER_BYTES));
        let header = &self.code[start..at];
        let in_argument = self.parentheses > 0;
        let is_type = matches!(self.style, Style::Keyword(_)) && headers::is_type_literal(header);
        let mut function = None;
        if !in_argument && !is_type {
            function = self.function(header).map(|(offset, name)| {
                let lines_since = header[offset..].iter().filter(|&&b| b == b'\n').count();
                let since = u32::try_from(lines_since).unwrap_or(0);
                (name, self.line - since)
            });
        }
        self.functions_open += usize::from(function.is_some());
        self.open.push(Block {
            header: self.header,
            parentheses: self.parentheses,
            header_goes_on: in_argument || is_type,
            function,
        });
        self.header = at + 1;
        self.parentheses = 0;
    }

    /// The offset and the name of the function that `header` announces.
    fn function(&self, header: &[u8]) -> Option<(usize, String)> {
        let inside = self.functions_open > 0;
        let (offset, name) = match self.style {
            Style::Keyword(words) => headers::by_keyword(header, words),
            Style::Script => script::name(header),
            Style::Parameters if inside => None,
            Style::Parameters => headers::by_parameters(header),
            Style::Fallback => headers::by_keyword(header, headers::USUAL_KEYWORDS).or_else(|| {
                let by_parameters = !inside;
                by_parameters
                    .then(|| headers::by_parameters(header))
                    .flatten()
            }),
        }?;
        Some((offset, shown(name)))
    }

    fn leave(&mut self, at: usize) {
        // A `}` too many is somebody's macro or our own mistake: the count starts anew.
        let Some(block) = self.open.pop() else {
            self.header = at + 1;
            self.parentheses = 0;
            return;
        };
        self.parentheses = block.parentheses;
        self.header = if block.header_goes_on {
            block.header
        } else {
            at + 1
        };
        if let Some((name, line)) = block.function {
            self.functions_open -= 1;
            let lines = self.line - line + 1;
            self.found.push(Function { name, line, lines });
        }
    }
}
