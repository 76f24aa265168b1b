//! The text before a `{`: does it announce a function, and of which name?

use super::words::{groups, is_name_byte, last_word, leading_name, trailing_name};

/// Words before a function's name in languages without a rule of their own.
pub(super) const USUAL_KEYWORDS: &[&str] = &["function", "func", "fn", "fun", "def", "sub", "proc"];

/// Words with parentheses behind them that are no function's name.
const CONTROL: [&str; 21] = [
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "foreach",
    "synchronized",
    "using",
    "lock",
    "fixed",
    "constexpr",
    "return",
    "elif",
    "unless",
    "until",
    "when",
    "match",
    "with",
    "function",
    "and",
    "or",
];

/// Words with parentheses behind them that decorate a function.
const DECORATION: [&str; 8] = [
    "__attribute__",
    "__declspec",
    "alignas",
    "decltype",
    "noexcept",
    "requires",
    "throw",
    "explicit",
];

/// Words before a name that make it a call.
const CALL: [&str; 6] = ["new", "case", "return", "else", "goto", "await"];

/// What an announced function is: the offset of its name or keyword, and its name.
pub(super) type Announced<'a> = (usize, &'a [u8]);

/// Whether the header ends in a type of Go, whose braces are no function's body.
pub(super) fn is_type_literal(header: &[u8]) -> bool {
    trailing_name(header).is_some_and(|(at, name)| {
        let in_signature = last_word(&header[..at], b"func").is_some();
        in_signature && (name == b"interface" || name == b"struct")
    })
}

/// `fn name`, `func (receiver) name`, `function &name`.
pub(super) fn by_keyword<'a>(header: &'a [u8], words: &[&str]) -> Option<Announced<'a>> {
    let ends = words.iter().filter_map(|word| {
        let at = last_word(header, word.as_bytes())?;
        Some((at, at + word.len()))
    });
    let (at, end) = ends.max()?;
    let rest = header[end..].trim_ascii_start();
    let name = match rest.first()? {
        b'(' => {
            let receiver = groups(rest).first()?.close;
            leading_name(&rest[receiver + 1..])?
        }
        b'&' => leading_name(&rest[1..])?,
        _ => leading_name(rest)?,
    };
    Some((at, name))
}

/// `type name(parameters)`, with what may stand around these in C, C++, Java and C#.
pub(super) fn by_parameters(header: &[u8]) -> Option<Announced<'_>> {
    let statement = header.trim_ascii();
    if statement.first() == Some(&b'=') {
        return None;
    }
    let groups = groups(header);
    let first = groups.first()?;
    // Behind a constructor's colon stand its initialisers.
    let end = first.close + lone_colon(&header[first.close..]).unwrap_or(header.len());
    let named = groups
        .iter()
        .rev()
        .filter(|group| group.open < end)
        .find_map(|group| {
            let (at, name) = trailing_name(&header[..group.open])?;
            (!is_in(&DECORATION, name)).then_some((at, name))
        });
    let (at, name) = named?;
    let is_call = trailing_name(&header[..at]).is_some_and(|(_, before)| is_in(&CALL, before));
    let is_bound = header[..at]
        .iter()
        .any(|&byte| matches!(byte, b'=' | b'.' | b'@'))
        && !header[..at].windows(8).any(|part| part == b"operator");
    let fits = !is_in(&CONTROL, name) && !is_call && !is_bound;
    fits.then_some((at, name))
}

/// The offset of a `:` that is not half of `::`.
fn lone_colon(text: &[u8]) -> Option<usize> {
    (0..text.len()).find(|&at| {
        let beside = |at: Option<usize>| at.and_then(|at| text.get(at)) == Some(&b':');
        text[at] == b':' && !beside(at.checked_sub(1)) && !beside(at.checked_add(1))
    })
}

/// Whether `name` is one of `words`.
pub(super) fn is_in(words: &[&str], name: &[u8]) -> bool {
    words.iter().any(|word| word.as_bytes() == name)
}

/// Whether `name` is a word of control with parentheses behind it.
pub(super) fn is_control(name: &[u8]) -> bool {
    is_in(&CONTROL, name)
}

/// `text` without a closing group of type arguments, as in `name<T>`.
pub(super) fn without_type_arguments(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    if text.last() != Some(&b'>') {
        return text;
    }
    let open = text.iter().rposition(|&byte| byte == b'<');
    open.filter(|&at| at > 0 && is_name_byte(text[at - 1]))
        .map_or(text, |at| &text[..at])
}
